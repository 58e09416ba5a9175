/* test_kv_room.c: kv_cost is an upper bound of what a sequence takes, kv_room is there to be had, and window pages
 * behind a running sequence are part of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka needs the headers above */
#include <cmocka.h>

#include "kv/kv.h"
#include "support/seed.h"

enum { TOKENS_MAX = 1000 };

static const struct kv_group_desc groups[] = {
	{.page_tokens = 16, .page_bytes = 4096},
	{.page_tokens = 8, .page_bytes = 8192, .window = 20},
	{.page_tokens = 4, .page_bytes = 4096, .window = 33, .sinks = 6},
};
static const struct kv_share share;
static uint32_t ids[TOKENS_MAX];
static uint64_t state_of_random;

static uint32_t below(uint32_t n)
{
	state_of_random = state_of_random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state_of_random >> 33) % n;
}

static struct kv *new_cache(uint64_t bytes, uint32_t n_groups)
{
	struct kv_config c = {
		.memory_bytes = bytes, .n_groups = n_groups, .groups = groups, .seq_tokens_max = TOKENS_MAX};
	struct kv *kv;
	assert_int_equal(kv_new(&kv, &c, NULL), 0);
	for (uint32_t i = 0; i < TOKENS_MAX; i++)
		ids[i] = below(50);
	return kv;
}

static void commit(struct kv *kv, struct kv_seq *s, uint32_t n)
{
	if (kv_seq_shares(s))
		kv_commit_ids(kv, s, ids + kv_seq_tokens(s), n);
	else
		kv_commit(kv, s, n);
}

/* Chunk by chunk: what it holds, window pages kept by the tree included or evicted, stays below the bound. */
static void test_cost_is_a_bound(void **state)
{
	(void)state;
	for (int round = 0; round < 300; round++) {
		struct kv *kv = new_cache(64 << 20, 1 + below(3));
		struct kv_seq *s;
		uint32_t chunk = 1 + below(below(2) ? 8 : 200), n;
		bool shared = below(2);
		uint64_t before = kv_stats(kv).bytes_used;
		assert_int_equal(shared ? kv_seq_new_shared(&s, kv, &share, NULL) : kv_seq_new(&s, kv, NULL), 0);
		for (uint32_t at = 0; at < TOKENS_MAX; at += n) {
			n = 1 + below(chunk);
			n = n < TOKENS_MAX - at ? n : TOKENS_MAX - at;
			assert_int_equal(kv_reserve(kv, s, n, NULL), 0);
			struct kv_stats st = kv_stats(kv);
			assert_true(st.bytes_used - st.bytes_cached - before <= kv_cost(kv, 0, at + n, chunk));
			commit(kv, s, n);
		}
		kv_free(kv);
	}
}

/* What kv_cost says fits into kv_capacity does fit, whatever was cached before: nobody else is there. */
static void test_fits_alone(void **state)
{
	(void)state;
	for (int round = 0; round < 300; round++) {
		struct kv *kv = new_cache((256 + below(2048)) << 10, 1 + below(3));
		uint32_t chunk = 1 + below(100), to = TOKENS_MAX, n;
		while (kv_cost(kv, 0, to, chunk) > kv_capacity(kv))
			to--;
		for (int turn = 0; turn < 4; turn++) {
			struct kv_seq *s;
			struct kv_hit hit;
			assert_int_equal(kv_seq_new_shared(&s, kv, &share, NULL), 0);
			ids[below(TOKENS_MAX)] = below(50);
			(void)!kv_match(kv, s, ids, to > 0 ? to - 1 : 0, &hit, NULL);
			for (uint32_t at = kv_seq_tokens(s); at < to; at += n) {
				n = 1 + below(chunk);
				n = n < to - at ? n : to - at;
				if (kv_reserve(kv, s, n, NULL) != 0)
					fail_msg("%u of %u tokens, chunk %u: full", at + n, to, chunk);
				commit(kv, s, n);
			}
			assert_true(kv_room(kv) <= kv_capacity(kv));
			assert_null(kv_check(kv));
			kv_seq_free(kv, s);
		}
		kv_free(kv);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_cost_is_a_bound), cmocka_unit_test(test_fits_alone)};
	state_of_random = seed_of_run();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
