/* pool.h: a fixed set of worker threads that run one job at a time, the caller taking part.
 *
 * A job is a function over items 0..count-1. Which thread runs which item is not fixed; so an item must not depend on
 * another and must write only its own outputs (promise P1: the bits never depend on the number of threads).
 * Owner: one thread creates, runs and frees a pool; pool_run is not re-entrant. */
#ifndef KVIK_BASE_POOL_H
#define KVIK_BASE_POOL_H

#include "base/err.h"

struct pool;

/* thread: 0 (the caller) .. threads-1, for scratch memory per thread. */
typedef void pool_fn(void *ctx, uint32_t item, uint32_t thread);

/* threads: 1..POOL_THREADS_MAX, the caller counted in. */
#define POOL_THREADS_MAX 256
int pool_new(struct pool **out, uint32_t threads, struct kvik_err *err) MUST_CHECK;
void pool_free(struct pool *p);
uint32_t pool_threads(const struct pool *p);

/* Runs fn for every item and returns when all are done; never fails and allocates nothing. */
void pool_run(struct pool *p, uint32_t count, pool_fn *fn, void *ctx);

#endif
