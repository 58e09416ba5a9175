/* disk_impl.h: the struct that disk.c and disk_known.c share; nobody else includes it. */
#ifndef KVIK_ENGINE_DISK_IMPL_H
#define KVIK_ENGINE_DISK_IMPL_H

#include <pthread.h>

#include "base/set.h"
#include "engine/disk.h"
#include "store/store.h"

/* A record holds tokens of one frame; its ids begin where the frame does, its pages where the disk lacked them. */
enum { DISK_FRAME = 128, DISK_SCOPES = 256 };

struct leaving; /* a record on its way out: disk.c */

/* Time in which at least one of a kind was under way, and what that has moved. */
struct flow {
	uint32_t n;
	uint64_t since_ns, busy_ns, bytes, ms_sum_ns;
	uint64_t done;
};

struct disk {
	struct kvik_cache *cache; /* its owner */
	struct store *store;
	struct kv_store ops;
	struct store_key fingerprint;
	bool always;         /* load whatever it costs */
	double prefill_us;   /* of a token; 0: not known yet */
	uint64_t moved_ns;   /* when something ended last, or began after nothing was under way */
	struct flow in, out; /* reads, writes */
	/* What the store was too busy to take, before any other ticket. */
	bool held;
	struct kv_io held_io;
	struct leaving *held_record;
	struct set frames; /* keys of texts up to ends of frames that the store has, or is being given */
	/* Scopes whose records the tree has been told of. */
	struct store_key scopes[DISK_SCOPES];
	uint32_t n_scopes;
	struct disk_stats stats;
	/* disk_watch */
	pthread_t watcher;
	pthread_mutex_t lock;
	pthread_cond_t ran; /* news became false */
	bool watches, news, stop;
	void (*fn)(void *ctx);
	void *fn_ctx;
};

struct store_key disk_tag(const struct disk *d, const struct kv_scope *scope);
/* The store has, or is being given, a record that ends where this frame does. False: it was known before. */
bool disk_note_frame(struct disk *d, struct store_key text);
/* A record without pages: so that what goes on behind it is found. */
#define DISK_NO_GROUP UINT16_MAX

#endif
