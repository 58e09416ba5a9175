/* snapshot.h: snapshots (snapshot.c) in files. */
#ifndef KVIK_ENGINE_SNAPSHOT_H
#define KVIK_ENGINE_SNAPSHOT_H

#include <kvik.h>

#include "base/err.h"

struct kvik_cache;

/* Of a snapshot of n tokens, of which the keys and values of the first `held` are there. */
uint64_t snapshot_bytes(const struct kvik_cache *c, uint32_t n, uint32_t held, uint32_t n_logits);

struct buf;
/* All bytes of a snapshot, as many as its head says, to b (owned by the caller). FORMAT: it is none; IO: it ends early; NOMEM. */
int snapshot_read_all(struct buf *b, kvik_read_fn *read, void *user, struct kvik_err *err) MUST_CHECK;

/* `save` writes a snapshot by the functions it is given; the file appears when it is whole. *bytes (may be NULL): how long it
 * is. Errors: IO, NOMEM, those of save. */
int snapshot_write_file(const char *path,
			int (*save)(void *ctx, kvik_write_fn *write, void *user, struct kvik_err *err), void *ctx,
			uint64_t *bytes, struct kvik_err *err) MUST_CHECK;
/* The same the other way. */
int snapshot_read_file(const char *path,
		       int (*restore)(void *ctx, kvik_read_fn *read, void *user, struct kvik_err *err), void *ctx,
		       struct kvik_err *err) MUST_CHECK;

#endif
