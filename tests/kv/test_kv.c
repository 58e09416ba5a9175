/* test_kv.c: pages, tables and sequences one ability at a time; the tree is in test_kv_tree.c, random operations in
 * test_kv_random.c, figures in test_kv_cost.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka needs the headers above */
#include <cmocka.h>

#include "base/mem.h"
#include "kv/kv.h"

enum { TOKENS_MAX = 300 };

static const struct kv_group_desc groups[] = {
	{.page_tokens = 16, .page_bytes = 256},
	{.page_tokens = 16, .page_bytes = 128, .window = 20},
	{.page_tokens = 4, .page_bytes = 64, .window = 33, .sinks = 6},
};
enum { GROUPS = sizeof groups / sizeof *groups };

/* A fork costs nothing until written, then one page per group. */
static void test_fork_cost(void **state)
{
	static const struct kv_group_desc one = {.page_tokens = 16, .page_bytes = 4096};
	struct kv_config c = {.memory_bytes = 1 << 20, .n_groups = 1, .groups = &one, .seq_tokens_max = 1000};
	struct kv *kv = NULL;
	struct kv_seq *a = NULL, *b = NULL;
	(void)state;
	assert_int_equal(kv_new(&kv, &c, NULL), 0);
	assert_int_equal(kv_seq_new(&a, kv, NULL), 0);
	assert_int_equal(kv_reserve(kv, a, 100, NULL), 0);
	kv_commit(kv, a, 100);
	assert_int_equal(kv_stats(kv).group[0].pages_used, 7);
	assert_int_equal(kv_fork(&b, kv, a, 97, NULL), 0);
	assert_int_equal(kv_stats(kv).group[0].pages_used, 7);
	assert_int_equal(kv_reserve(kv, b, 1, NULL), 0);
	assert_int_equal(kv_stats(kv).group[0].pages_used, 8);
	assert_int_equal(kv_stats(kv).pages_copied, 1);
	assert_null(kv_check(kv));
	kv_free(kv);
}

static void test_errors(void **state)
{
	static const struct kv_group_desc big = {.page_tokens = 16, .page_bytes = 1 << 20};
	struct kv_config c = {.memory_bytes = 1000, .n_groups = 1, .groups = &big, .seq_tokens_max = 100};
	struct kvik_err err;
	struct kv *kv = NULL;
	struct kv_seq *s = NULL;
	(void)state;
	assert_int_equal(kv_new(&kv, &c, &err), KVIK_ERR_LIMIT);
	assert_non_null(strstr(err.text, "--kv-memory"));
	assert_null(kv);
	c.memory_bytes = 3 << 20;
	assert_int_equal(kv_new(&kv, &c, &err), 0);
	assert_int_equal(kv_seq_new(&s, kv, &err), 0);
	assert_int_equal(kv_reserve(kv, s, 101, &err), KVIK_ERR_LIMIT);
	assert_int_equal(kv_reserve(kv, s, 99, &err), KVIK_ERR_FULL);
	assert_int_equal(kv_stats(kv).group[0].pages_used, 0);
	assert_null(kv_check(kv));
	assert_int_equal(kv_truncate(kv, s, 1, &err), KVIK_ERR_ARG);
	kv_free(kv);
}

/* Each allocation fails once: an error, never a leak or a broken invariant. */
static void test_torture(void **state)
{
	(void)state;
	for (long at = 1; at < 40; at++) {
		struct kv_config c = {
			.memory_bytes = 4 << 20, .n_groups = GROUPS, .groups = groups, .seq_tokens_max = TOKENS_MAX};
		struct kv *kv = NULL;
		struct kv_seq *s = NULL, *f = NULL;
		mem_fail_at(at);
		int rc = kv_new(&kv, &c, NULL);
		if (rc == 0)
			rc = kv_seq_new(&s, kv, NULL);
		if (rc == 0)
			rc = kv_reserve(kv, s, 200, NULL);
		if (rc == 0) {
			kv_commit(kv, s, 200);
			rc = kv_fork(&f, kv, s, 200, NULL);
		}
		mem_fail_at(0);
		assert_true(rc == 0 || rc == KVIK_ERR_NOMEM);
		if (kv)
			assert_null(kv_check(kv));
		kv_free(kv);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_fork_cost),
		cmocka_unit_test(test_torture),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
