/* pool.c: the kernel pool.
 *
 * A step of a small model runs hundreds of jobs of a few microseconds, so workers spin for a short while before they
 * sleep on a futex-backed condition. Items are handed out by one atomic counter. A worker takes part in a job by
 * joining it; the job closes when its items are handed out, and nobody waits for a worker that has not joined by then:
 * on a busy machine it may be off the CPU for milliseconds.
 *
 * One word holds the state of the current job, so that joining is one compare-and-swap:
 *
 *     [ generation, 32 bits | OPEN, 1 bit | workers inside, 31 bits ]
 *
 * Invariants:
 *  1. fn, ctx, count and next are written only while the job is closed and no worker is inside, before the next opens.
 *  2. A worker joins a job at most once: it compares the generation with the last one it served.
 *  3. pool_run returns only when every worker has left the job, so ctx may live on the caller's stack.
 *  4. The caller says that it sleeps (owner_waits) before it looks for workers inside, and the last one out looks for
 *     that after it has left: one of the two sees the other.
 */
#include "base/pool.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/mem.h"
#include "base/os.h"

enum { SPINS = 2000 }; /* about 10-50 microseconds */

struct worker {
	struct pool *pool;
	pthread_t thread;
	uint32_t index;
};

#define OPEN ((uint64_t)1 << 31)
#define INSIDE (OPEN - 1)

struct pool {
	uint32_t threads;
	pool_fn *fn;
	void *ctx;
	uint32_t count;
	atomic_uint next;        /* next item to hand out */
	_Atomic uint64_t job;    /* as drawn above */
	atomic_uint sleepers;    /* workers waiting on wake, or about to */
	atomic_bool owner_waits; /* on left, or about to */
	atomic_bool stop;
	pthread_mutex_t lock;
	pthread_cond_t wake; /* a job has opened */
	pthread_cond_t left; /* the last worker has left the job */
	struct worker workers[];
};

static uint32_t generation(uint64_t job)
{
	return (uint32_t)(job >> 32);
}

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

static bool join(struct pool *p, uint32_t *served)
{
	uint64_t job = atomic_load_explicit(&p->job, memory_order_relaxed);
	while ((job & OPEN) && generation(job) != *served)
		if (atomic_compare_exchange_weak_explicit(&p->job, &job, job + 1, memory_order_acquire,
							  memory_order_relaxed)) {
			*served = generation(job);
			return true;
		}
	return false;
}

static void sleep_until_next(struct pool *p, uint32_t seen)
{
	pthread_mutex_lock(&p->lock);
	atomic_fetch_add(&p->sleepers, 1);
	while (generation(atomic_load(&p->job)) == seen && !atomic_load(&p->stop))
		pthread_cond_wait(&p->wake, &p->lock);
	atomic_fetch_sub(&p->sleepers, 1);
	pthread_mutex_unlock(&p->lock);
}

/* Spins first and sleeps then. False: the pool stops. */
static bool wait_for_job(struct pool *p, uint32_t *served)
{
	for (;;) {
		uint32_t seen = *served;
		for (int i = 0; i < SPINS; i++) {
			if (join(p, served))
				return true;
			if (atomic_load_explicit(&p->stop, memory_order_relaxed))
				return false;
			seen = generation(atomic_load_explicit(&p->job, memory_order_relaxed));
			relax();
		}
		sleep_until_next(p, seen);
	}
}

/* After the last item that this worker got. */
static void leave(struct pool *p)
{
	uint64_t job = atomic_fetch_sub(&p->job, 1) - 1;
	if ((job & INSIDE) == 0 && !(job & OPEN) && atomic_load(&p->owner_waits)) {
		pthread_mutex_lock(&p->lock);
		pthread_cond_signal(&p->left);
		pthread_mutex_unlock(&p->lock);
	}
}

static void *work(void *arg)
{
	struct worker *w = arg;
	uint32_t served = 0;
	while (wait_for_job(w->pool, &served)) {
		take_items(w->pool, w->index);
		leave(w->pool);
	}
	return NULL;
}

static void wake_sleepers(struct pool *p)
{
	if (atomic_load(&p->sleepers) > 0) {
		pthread_mutex_lock(&p->lock);
		pthread_cond_broadcast(&p->wake);
		pthread_mutex_unlock(&p->lock);
	}
}

static bool is_inside(const struct pool *p)
{
	return (atomic_load(&p->job) & INSIDE) != 0;
}

/* Waits for the workers inside. One that lost its CPU in the middle of an item is away for milliseconds: whoever sleeps
 * for it, rather than spin or yield, is owed time when it is back, and goes on at once. */
static void close_job(struct pool *p)
{
	atomic_fetch_and(&p->job, ~OPEN);
	for (int i = 0; i < SPINS; i++) {
		if (!(atomic_load_explicit(&p->job, memory_order_acquire) & INSIDE))
			return;
		relax();
	}
	pthread_mutex_lock(&p->lock);
	atomic_store(&p->owner_waits, true);
	while (is_inside(p))
		pthread_cond_wait(&p->left, &p->lock);
	atomic_store(&p->owner_waits, false);
	pthread_mutex_unlock(&p->lock);
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
	uint32_t number = generation(atomic_load_explicit(&p->job, memory_order_relaxed)) + 1;
	atomic_store(&p->job, (uint64_t)number << 32 | OPEN);
	wake_sleepers(p);
	take_items(p, 0);
	close_job(p);
}

static void stop_workers(struct pool *p, uint32_t started)
{
	atomic_store(&p->stop, true);
	wake_sleepers(p);
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
	pthread_cond_init(&p->left, NULL);
	for (uint32_t i = 1; i < threads; i++) {
		p->workers[i] = (struct worker){.pool = p, .index = i};
		if (os_thread_new(&p->workers[i].thread, work, &p->workers[i]) != 0) {
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
	pthread_cond_destroy(&p->left);
	pthread_mutex_destroy(&p->lock);
	mem_free(p);
}

uint32_t pool_threads(const struct pool *p)
{
	return p->threads;
}
