/* errand.h: what another thread wants done with an engine's cache, between two steps of its owner. */
#ifndef KVIK_ENGINE_ERRAND_H
#define KVIK_ENGINE_ERRAND_H

#include "engine/engine.h"

struct errand {
	int (*run)(struct kvik_cache *c, void *ctx, struct kvik_err *err);
	void *ctx;
	struct kvik_err *err;
	int rc;
	bool done;
	struct errand *next;
};

/* Waits until the owner has run it, and returns what it has returned. CANCELLED: the engine drains. Not on the engine's own
 * threads. */
int engine_errand(struct kvik_engine *e, int (*run)(struct kvik_cache *c, void *ctx, struct kvik_err *err), void *ctx,
		  struct kvik_err *err) MUST_CHECK;
/* The owner's: runs all that wait. */
void engine_run_errands(struct kvik_engine *e);

#endif
