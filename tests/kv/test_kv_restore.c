/* test_kv_restore.c: a text that comes from elsewhere takes what its next query sees and nothing else, is found as far as that
 * goes, and leaves no trace when it is given up; and what a sequence holds is found again although the tree has given it up.
 * Every invariant is proven (kv_check) after each step. */
#include <stdlib.h>
#include <string.h>

#include "kv/kv.h"
#include "support/must.h"

enum { TEXT = 300, WINDOW = 50, FULL_GROUP = 0, WINDOWED = 1, STATES = 2 };

static const struct kv_group_desc groups[] = {{.page_tokens = 16, .page_bytes = 4096},
					      {.page_tokens = 16, .page_bytes = 4096, .window = WINDOW, .sinks = 4},
					      {.page_bytes = 8192}};
static const struct kv_share everybody;
static uint32_t ids[TEXT];

static struct kv *new_kv(uint64_t memory_bytes, uint32_t n_groups)
{
	struct kv_config c = {
		.memory_bytes = memory_bytes, .n_groups = n_groups, .groups = groups, .seq_tokens_max = 400};
	struct kv *kv = NULL;
	MUST(kv_new(&kv, &c, &err));
	for (uint32_t i = 0; i < TEXT; i++)
		ids[i] = 7 * i;
	return kv;
}

static void check(const struct kv *kv)
{
	const char *broken = kv_check(kv);
	if (broken)
		fail_msg("%s", broken);
}

static struct kv_seq *new_seq(struct kv *kv)
{
	struct kv_seq *s;
	MUST(kv_seq_new_shared(&s, kv, &everybody, &err));
	return s;
}

static struct kv_hit explain(const struct kv *kv)
{
	struct kv_hit hit;
	kv_explain(kv, &everybody, ids, TEXT, &hit);
	return hit;
}

static void test_whole(void **state)
{
	(void)state;
	for (uint32_t n_groups = 1; n_groups <= 3; n_groups++)
		for (uint32_t n = 2; n<200; n += n> 80 ? 7 : 1) {
			struct kv *kv = new_kv(4 << 20, n_groups);
			struct kv_seq *s = new_seq(kv);
			uint32_t blocks, windows = 0;
			MUST(kv_reserve_whole(kv, s, n, &err));
			for (uint32_t b = 0; b < (n + 15) / 16; b++)
				windows += kv_block_needed(&groups[WINDOWED], b, n);
			struct kv_stats st = kv_stats(kv);
			assert_int_equal(st.group[FULL_GROUP].pages_used, (n + 15) / 16);
			assert_true(n_groups < 2 || st.group[WINDOWED].pages_used == windows);
			assert_true(n_groups < 3 || st.group[STATES].pages_used == 1);
			kv_commit_ids(kv, s, ids, n);
			check(kv);
			(void)kv_seq_blocks(s, FULL_GROUP, &blocks);
			assert_int_equal(blocks, (n + 15) / 16);
			kv_mark(kv, s);
			check(kv);
			kv_seq_free(kv, s);
			check(kv);
			struct kv_hit hit = explain(kv);
			assert_int_equal(hit.matched, n);
			assert_int_equal(hit.tokens, n);
			/* One token less is there, but not what its query would see. */
			kv_explain(kv, &everybody, ids, n - 1, &hit);
			bool crosses = n > WINDOW + 16 && (n - WINDOW + 1) % 16 == 0;
			assert_true(n_groups == 3 || (hit.tokens == n - 1) == (n_groups == 1 || !crosses));
			assert_true(n_groups < 3 || hit.tokens == 0);
			s = new_seq(kv);
			MUST(kv_match(kv, s, ids, n, &hit, &err));
			assert_int_equal(hit.tokens, n);
			MUST(kv_reserve(kv, s, 20, &err));
			kv_state_begin(kv, s);
			kv_commit_ids(kv, s, ids + n, 20);
			check(kv);
			kv_seq_free(kv, s);
			kv_drop_cached(kv);
			check(kv);
			assert_int_equal(kv_stats(kv).group[FULL_GROUP].pages_used, 0);
			kv_free(kv);
		}
}

static void test_given_up(void **state)
{
	(void)state;
	struct kv *kv = new_kv(1 << 20, 3);
	struct kv_seq *s = new_seq(kv);
	assert_int_equal(kv_reserve_whole(kv, s, 0, NULL), KVIK_ERR_ARG);
	assert_int_equal(kv_reserve_whole(kv, s, 401, NULL), KVIK_ERR_LIMIT);
	check(kv);
	MUST(kv_reserve_whole(kv, s, 250, &err));
	assert_int_equal(kv_reserve_whole(kv, s, 250, NULL), KVIK_ERR_ARG);
	kv_seq_free(kv, s);
	check(kv);
	assert_int_equal(explain(kv).matched, 0);
	assert_int_equal(kv_stats(kv).group[FULL_GROUP].pages_used, 0);
	/* Too little memory: as it was. */
	struct kv_seq *others[64];
	uint32_t n = 0;
	for (int rc = 0; n < 64 && !rc;) {
		others[n] = new_seq(kv);
		rc = kv_reserve_whole(kv, others[n++], 250, NULL);
		assert_true(rc == 0 || rc == KVIK_ERR_FULL);
	}
	assert_true(n > 1 && n < 64);
	MUST(kv_reserve(kv, others[n - 1], 1, &err)); /* it is a new sequence still */
	while (n > 0)
		kv_seq_free(kv, others[--n]);
	check(kv);
	kv_free(kv);
}

/* A pin is a sequence that stands somewhere: under pressure the tree gives up its windows and states, which frees nothing. */
static void test_hold(void **state)
{
	(void)state;
	for (uint32_t n_groups = 2; n_groups <= 3; n_groups++) {
		struct kv *kv = new_kv(4 << 20, n_groups);
		struct kv_seq *s = new_seq(kv);
		MUST(kv_reserve_whole(kv, s, 250, &err));
		kv_commit_ids(kv, s, ids, 250);
		kv_hold(kv, s);
		check(kv);
		kv_drop_cached(kv);
		check(kv);
		assert_true(explain(kv).tokens < 250);
		kv_hold(kv, s);
		check(kv);
		assert_int_equal(explain(kv).tokens, 250);
		kv_hold(kv, s);
		check(kv);
		kv_seq_free(kv, s);
		kv_drop_cached(kv);
		check(kv);
		kv_free(kv);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_whole), cmocka_unit_test(test_given_up),
					   cmocka_unit_test(test_hold)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
