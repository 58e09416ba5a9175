/* pool.c: the kernel pool.
 *
 * A step of a small model runs hundreds of jobs of a few microseconds, so workers spin for a short while before they
 * sleep on a futex-backed condition. Items are handed out by one atomic counter.
 *
 * Invariants:
 *  1. fn, ctx and count are written only while no worker is inside a job (active == 0), before generation is raised.
 *  2. A worker joins a job at most once: it compares generation with the last one it served.
 *  3. pool_run returns only when every worker has left the job, so ctx may live on the caller's stack.
 */
#include "base/pool.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/mem.h"

enum { SPINS = 4000 }; /* about 20-60 microseconds */

struct worker {
	struct pool *pool;
	pthread_t thread;
	uint32_t index;
};

struct pool {
	uint32_t threads;
	pool_fn *fn;
	void *ctx;
	uint32_t count;
	atomic_uint next;       /* next item to hand out */
	atomic_uint active;     /* workers that have not yet left the current job */
	atomic_uint generation; /* raised once per job */
	atomic_uint sleepers;   /* workers waiting on wake, or about to */
	atomic_bool stop;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct worker workers[];
};

static void relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#endif
}

static void take_items(struct pool *p, uint32_t thread)
{
	for (;;) {
		uint32_t item = atomic_fetch_add_explicit(&p->next, 1, memory_order_relaxed);
		if (item >= p->count)
			return;
		p->fn(p->ctx, item, thread);
	}
}

/* Returns the generation after served, spinning first and sleeping then. */
static uint32_t wait_for_job(struct pool *p, uint32_t served)
{
	for (int i = 0; i < SPINS; i++) {
		uint32_t now = atomic_load_explicit(&p->generation, memory_order_acquire);
		if (now != served)
			return now;
		relax();
	}
	pthread_mutex_lock(&p->lock);
	atomic_fetch_add(&p->sleepers, 1);
	uint32_t now;
	while ((now = atomic_load(&p->generation)) == served)
		pthread_cond_wait(&p->wake, &p->lock);
	atomic_fetch_sub(&p->sleepers, 1);
	pthread_mutex_unlock(&p->lock);
	return now;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct pool *p = w->pool;
	uint32_t served = 0;
	for (;;) {
		served = wait_for_job(p, served);
		if (atomic_load(&p->stop))
			return NULL;
		take_items(p, w->index);
		atomic_fetch_sub_explicit(&p->active, 1, memory_order_release);
	}
}

static void raise_generation(struct pool *p)
{
	atomic_fetch_add(&p->generation, 1);
	if (atomic_load(&p->sleepers) > 0) {
		pthread_mutex_lock(&p->lock);
		pthread_cond_broadcast(&p->wake);
		pthread_mutex_unlock(&p->lock);
	}
}

void pool_run(struct pool *p, uint32_t count, pool_fn *fn, void *ctx)
{
	if (p->threads == 1 || count <= 1) {
		for (uint32_t i = 0; i < count; i++)
			fn(ctx, i, 0);
		return;
	}
	p->fn = fn;
	p->ctx = ctx;
	p->count = count;
	atomic_store_explicit(&p->next, 0, memory_order_relaxed);
	atomic_store_explicit(&p->active, p->threads - 1, memory_order_relaxed);
	raise_generation(p);
	take_items(p, 0);
	while (atomic_load_explicit(&p->active, memory_order_acquire) > 0)
		relax();
}

static void stop_workers(struct pool *p, uint32_t started)
{
	atomic_store(&p->stop, true);
	raise_generation(p);
	for (uint32_t i = 1; i < started; i++)
		pthread_join(p->workers[i].thread, NULL);
}

int pool_new(struct pool **out, uint32_t threads, struct kvik_err *err)
{
	*out = NULL;
	if (threads < 1 || threads > POOL_THREADS_MAX)
		return err_set(err, KVIK_ERR_ARG, "threads must be 1..%d, not %u", POOL_THREADS_MAX, threads);
	struct pool *p = mem_zalloc(1, sizeof *p + threads * sizeof p->workers[0]);
	if (!p)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for %u threads", threads);
	p->threads = threads;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->wake, NULL);
	for (uint32_t i = 1; i < threads; i++) {
		p->workers[i] = (struct worker){.pool = p, .index = i};
		if (pthread_create(&p->workers[i].thread, NULL, work, &p->workers[i]) != 0) {
			stop_workers(p, i);
			p->threads = 1;
			pool_free(p);
			return err_set(err, KVIK_ERR_NOMEM,
				       "cannot start thread %u of %u: ask for fewer with --threads", i, threads);
		}
	}
	*out = p;
	return 0;
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	if (p->threads > 1)
		stop_workers(p, p->threads);
	pthread_cond_destroy(&p->wake);
	pthread_mutex_destroy(&p->lock);
	mem_free(p);
}

uint32_t pool_threads(const struct pool *p)
{
	return p->threads;
}
