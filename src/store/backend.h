/* backend.h: where records lie: a folder of segments (local.h), a folder that many servers share (shared.h). All calls may block, come from several threads at once, and fail in no other way than enum store_end says. */
#ifndef KVIK_STORE_BACKEND_H
#define KVIK_STORE_BACKEND_H

#include "store/faults.h"
#include "store/secret.h"
#include "store/store.h"

/* A part to be read. */
struct backend_read {
	uint64_t place;
	void *into;
	uint32_t bytes;
	enum store_end end; /* how it went */
};

struct backend_ops {
	enum store_end (*put)(void *b, const struct store_record *r, const void *const *data, uint64_t *place);
	/* All of one record. */
	void (*get)(void *b, struct backend_read *reads, uint32_t n);
	enum store_end (*has)(void *b, const struct store_record *r, uint64_t *place);
	void (*erase)(void *b, uint64_t place);
	uint64_t (*purge)(void *b, struct store_key scope);
	int (*each)(void *b, const struct store_key *fingerprint, store_each_fn *fn, void *ctx, struct kvik_err *err);
	/* Everything that was done is on the disk. */
	void (*sync)(void *b);
	/* Now and then, from one thread at a time: makes room ahead, drops what has expired, looks again at what failed. */
	void (*tend)(void *b);
	bool (*hurries)(void *b);                        /* room is getting short: tend it now */
	void (*stats)(void *b, struct store_stats *out); /* fills in what it knows */
	void (*close)(void *b);                          /* the last call */
};

struct backend {
	const struct backend_ops *ops;
	void *b;
	const struct secret *secret; /* the backend's; NULL: there is none, and nothing can be named */
};

#endif
