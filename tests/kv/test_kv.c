/* test_kv.c: random operations against a naive twin (an array of values per sequence), kv_check after each; the
 * ceiling; failing allocations. KVIK_SEED repeats a run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
/* cmocka needs the headers above */
#include <cmocka.h>

#include "base/mem.h"
#include "kv/kv.h"

enum { SEQS = 12, TOKENS_MAX = 300 };

static const struct kv_group_desc groups[] = {
	{.page_tokens = 16, .page_bytes = 256},
	{.page_tokens = 16, .page_bytes = 128, .window = 20},
	{.page_tokens = 4, .page_bytes = 64, .window = 33, .sinks = 6},
};
enum { GROUPS = sizeof groups / sizeof *groups };

static uint64_t state_of_random;

static uint32_t below(uint32_t n)
{
	state_of_random = state_of_random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state_of_random >> 33) % n;
}

/* The twin of a sequence. */
struct twin {
	struct kv_seq *s;
	uint32_t n;
	uint32_t values[TOKENS_MAX];
};

static uint32_t *slot(const struct kv_seq *s, uint32_t g, uint32_t position)
{
	uint32_t n_blocks, p = groups[g].page_tokens;
	uint8_t *const *pages = kv_seq_pages(s, g, &n_blocks);
	assert_true(position / p < n_blocks);
	return pages[position / p] ? (uint32_t *)(void *)pages[position / p] + position % p : NULL;
}

/* Everything that a query at position n sees has the twin's values. */
static void compare(const struct twin *t)
{
	assert_int_equal(kv_seq_tokens(t->s), t->n);
	for (uint32_t g = 0; g < GROUPS; g++)
		for (uint32_t i = 0; i < t->n; i++) {
			bool visible = groups[g].window == 0 || i + groups[g].window > t->n || i < groups[g].sinks;
			if (visible)
				assert_int_equal(*slot(t->s, g, i), t->values[i]);
		}
}

static int append(struct kv *kv, struct twin *t, uint32_t n, uint32_t commit)
{
	int rc = kv_reserve(kv, t->s, n, NULL);
	if (rc)
		return rc;
	for (uint32_t i = 0; i < n; i++) {
		t->values[t->n + i] = below(UINT32_MAX);
		for (uint32_t g = 0; g < GROUPS; g++)
			*slot(t->s, g, t->n + i) = t->values[t->n + i];
	}
	kv_commit(kv, t->s, commit);
	t->n += commit;
	return 0;
}

static void remove_twin(struct kv *kv, struct twin *t)
{
	kv_seq_free(kv, t->s);
	t->s = NULL;
}

static void add_twin(struct kv *kv, struct twin *t, const struct twin *from)
{
	if (!from->s || below(3) == 0) {
		t->n = 0;
		if (kv_seq_new(&t->s, kv, NULL) != 0)
			assert_null(t->s);
		return;
	}
	uint32_t keep = below(from->n + 1);
	int rc = kv_fork(&t->s, kv, from->s, keep, NULL);
	if (rc == 0) {
		t->n = keep;
		memcpy(t->values, from->values, keep * sizeof *t->values);
	} else {
		assert_null(t->s);
		assert_true(rc == KVIK_ERR_LIMIT || rc == KVIK_ERR_FULL);
	}
}

static void random_step(struct kv *kv, struct twin *twins)
{
	struct twin *t = &twins[below(SEQS)];
	if (!t->s) {
		add_twin(kv, t, &twins[below(SEQS)]);
	} else if (below(10) == 0) {
		remove_twin(kv, t);
	} else if (below(5) == 0) {
		uint32_t keep = below(t->n + 1);
		if (kv_truncate(kv, t->s, keep, NULL) == 0)
			t->n = keep;
	} else {
		uint32_t n = 1 + below(below(4) ? 3 : 60);
		if (t->n + n <= TOKENS_MAX) {
			int rc = append(kv, t, n, below(n + 1));
			assert_true(rc == 0 || rc == KVIK_ERR_FULL);
		} else {
			assert_int_equal(kv_reserve(kv, t->s, n, NULL), KVIK_ERR_LIMIT);
		}
	}
}

static void run_random(uint64_t memory_bytes, int steps)
{
	struct kv_config c = {
		.memory_bytes = memory_bytes, .n_groups = GROUPS, .groups = groups, .seq_tokens_max = TOKENS_MAX};
	struct twin *twins = calloc(SEQS, sizeof *twins);
	struct kv *kv = NULL;
	assert_int_equal(kv_new(&kv, &c, NULL), 0);
	for (int i = 0; i < steps; i++) {
		random_step(kv, twins);
		const char *broken = kv_check(kv);
		if (broken)
			fail_msg("step %d: %s", i, broken);
		for (int s = 0; s < SEQS; s++)
			if (twins[s].s)
				compare(&twins[s]);
		struct kv_stats st = kv_stats(kv);
		assert_true(st.bytes_used <= memory_bytes && st.bytes_peak <= memory_bytes);
	}
	for (int s = 0; s < SEQS; s++)
		if (twins[s].s)
			remove_twin(kv, &twins[s]);
	struct kv_stats st = kv_stats(kv);
	assert_int_equal(st.sequences, 0);
	for (int g = 0; g < GROUPS; g++)
		assert_int_equal(st.group[g].pages_used, 0);
	kv_free(kv);
	free(twins);
}

static void test_random(void **state)
{
	(void)state;
	run_random(64 << 20, 3000);  /* never full */
	run_random(400 << 10, 6000); /* often full: pages move between groups */
	run_random(120 << 10, 3000);
}

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
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_torture),
	};
	const char *given = getenv("KVIK_SEED");
	state_of_random = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
	printf("seed: KVIK_SEED=%llu\n", (unsigned long long)state_of_random);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
