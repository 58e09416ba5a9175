/* test_seam.c: that the far device of far.c is one: what looks behind a handle dies, what is asked for does not come
 * before the end of a step. The other *_far tests are those of other suites on it. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "backend/backend.h"

struct far {
	struct pool *pool;
	struct dev *dev;
	struct dev_work *work;
	struct dev_f32 *floats;
};

static int setup(void **state)
{
	static struct far f;
	struct work_limits l = {.tokens = 4,
				.rows = 4,
				.cols = 32,
				.kv_heads = 1,
				.heads_per_kv = 1,
				.head_dim = 32,
				.dim = 32,
				.floats = 64};
	*state = &f;
	return pool_new(&f.pool, 1, NULL) || backend_cpu.open(&f.dev, f.pool, NULL, NULL) ||
	       backend_cpu.work_new(&f.work, f.dev, &l, &f.floats, NULL);
}

static int teardown(void **state)
{
	struct far *f = *state;
	backend_cpu.work_free(f->work);
	backend_cpu.close(f->dev);
	pool_free(f->pool);
	return 0;
}

static void who_looks_behind_a_handle_dies(void **state)
{
	struct far *f = *state;
	assert_string_equal(backend_cpu.name, "far");
	pid_t child = fork();
	if (child == 0) {
		signal(SIGSEGV, SIG_DFL); /* also under a sanitizer: die without a report */
		signal(SIGBUS, SIG_DFL);
		_exit(*(volatile float *)(void *)f->floats == 1);
	}
	int status = 0;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && (WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGBUS));
}

static void what_is_asked_for_comes_at_the_end(void **state)
{
	struct far *f = *state;
	float from[4] = {1, 2, 3, 4}, to[4] = {0};
	backend_cpu.begin(f->work, &(struct batch){0});
	backend_cpu.write(f->work, f->floats, from, 4);
	backend_cpu.add(f->work, f->floats, f->floats, 1, 1, 4);
	backend_cpu.read(f->work, to, f->floats, 4);
	assert_true(to[0] != 2);
	backend_cpu.end(f->work);
	assert_true(to[0] == 2 && to[3] == 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_looks_behind_a_handle_dies),
		cmocka_unit_test(what_is_asked_for_comes_at_the_end),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
