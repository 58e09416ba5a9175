/* test_pool.c: every item runs exactly once, in every job, whatever the number of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/pool.h"

enum { ITEMS = 257 };

struct job {
	atomic_int runs[ITEMS];
	atomic_int bad_thread;
	uint32_t threads;
};

static void count_run(void *ctx, uint32_t item, uint32_t thread)
{
	struct job *job = ctx;
	atomic_fetch_add(&job->runs[item], 1);
	if (thread >= job->threads)
		atomic_fetch_add(&job->bad_thread, 1);
}

static void run_jobs(uint32_t threads, int jobs, unsigned pause_us)
{
	struct pool *p;
	assert_int_equal(pool_new(&p, threads, NULL), 0);
	assert_int_equal(pool_threads(p), threads);
	for (int j = 0; j < jobs; j++) {
		struct job job = {.threads = threads};
		uint32_t count = (uint32_t)j % (ITEMS + 1);
		pool_run(p, count, count_run, &job);
		for (uint32_t i = 0; i < ITEMS; i++)
			assert_int_equal(atomic_load(&job.runs[i]), i < count);
		assert_int_equal(atomic_load(&job.bad_thread), 0);
		if (pause_us)
			usleep(pause_us);
	}
	pool_free(p);
}

static void each_item_runs_once(void **state)
{
	(void)state;
	for (uint32_t threads = 1; threads <= 5; threads++)
		run_jobs(threads, 600, 0);
}

static void workers_wake_from_sleep(void **state)
{
	(void)state;
	run_jobs(3, 60, 2000);
}

static void bad_counts_are_refused(void **state)
{
	(void)state;
	struct pool *p;
	struct kvik_err err;
	assert_int_equal(pool_new(&p, 0, &err), KVIK_ERR_ARG);
	assert_int_equal(pool_new(&p, POOL_THREADS_MAX + 1, &err), KVIK_ERR_ARG);
	mem_fail_at(1);
	assert_int_equal(pool_new(&p, 2, &err), KVIK_ERR_NOMEM);
	mem_fail_at(0);
	assert_null(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_item_runs_once),
		cmocka_unit_test(workers_wake_from_sleep),
		cmocka_unit_test(bad_counts_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
