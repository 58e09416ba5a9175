/* test_kv_state.c: states of recurrent layers, one ability at a time: where snapshots are taken, what a match can end
 * at, rollback and forks, steps in place or kept, memory. Random operations are in test_kv_random.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the headers above */
#include <cmocka.h>

#include "kv/kv.h"

enum { STATE_BYTES = 1 << 16, TEXT = 1000, G = 1 };

static const struct kv_group_desc groups[] = {{.page_tokens = 16, .page_bytes = 4096}, {.page_bytes = STATE_BYTES}};
static const struct kv_share everybody;

static struct kv *new_kv(uint64_t memory_bytes, uint32_t every)
{
	struct kv_config c = {.memory_bytes = memory_bytes,
			      .n_groups = 2,
			      .groups = groups,
			      .seq_tokens_max = 1 << 20,
			      .state_every = every};
	struct kv *kv = NULL;
	assert_int_equal(kv_new(&kv, &c, NULL), 0);
	return kv;
}

static void check(const struct kv *kv)
{
	const char *broken = kv_check(kv);
	if (broken)
		fail_msg("%s", broken);
}

static void fill(uint32_t *ids, uint32_t common, uint32_t text)
{
	for (uint32_t i = 0; i < TEXT; i++)
		ids[i] = i < common ? i : 10000 * text + i;
}

static uint32_t *word(const struct kv *kv, kv_page page)
{
	struct page_area area = kv_host_pages(kv, G);
	return (uint32_t *)(void *)page_address(&area, page);
}

/* A state is the last token's id; tokens up to n in steps of `chunk`. */
static void compute(struct kv *kv, struct kv_seq *s, const uint32_t *ids, uint32_t n, uint32_t chunk)
{
	while (kv_seq_tokens(s) < n) {
		uint32_t at = kv_seq_tokens(s), count = n - at < chunk ? n - at : chunk;
		struct kv_state_step step;
		assert_int_equal(kv_reserve(kv, s, count, NULL), 0);
		kv_state_begin(kv, s);
		check(kv);
		kv_state_step(kv, s, G, &step);
		assert_int_equal(step.from == KV_PAGE_NONE, at == 0);
		if (at > 0)
			assert_int_equal(*word(kv, step.from), ids[at - 1]);
		for (uint32_t i = 0; i < step.n; i++)
			*word(kv, step.page[i]) = ids[step.position[i] - 1];
		kv_commit_ids(kv, s, ids + at, count);
		check(kv);
	}
}

static struct kv_seq *start(struct kv *kv, const uint32_t *ids, uint32_t n, struct kv_hit *hit)
{
	struct kv_seq *s = NULL;
	kv_page page;
	assert_int_equal(kv_seq_new_shared(&s, kv, &everybody, NULL), 0);
	assert_int_equal(kv_match(kv, s, ids, n, hit, NULL), 0);
	check(kv);
	assert_int_equal(kv_state_at(kv, s, G, &page), hit->tokens);
	if (hit->tokens > 0)
		assert_int_equal(*word(kv, page), ids[hit->tokens - 1]);
	return s;
}

/* A request: matches all but its last token, announces, computes. */
static struct kv_hit request(struct kv *kv, const uint32_t *ids, uint32_t n)
{
	struct kv_hit hit;
	struct kv_seq *s = start(kv, ids, n - 1, &hit);
	kv_announce(kv, s, ids, n);
	compute(kv, s, ids, n, 300);
	kv_seq_free(kv, s);
	check(kv);
	return hit;
}

/* The same prompt again takes all but its last token; a longer one that goes on from its end takes nearly all. */
static void test_same_prompt(void **state)
{
	struct kv *kv = new_kv(16 << 20, 0);
	uint32_t ids[TEXT];
	struct kv_hit hit;
	(void)state;
	fill(ids, TEXT, 0);
	assert_int_equal(request(kv, ids, 700).tokens, 0);
	assert_int_equal(kv_stats(kv).states_taken, 1); /* the end is too near to it for another one */
	assert_int_equal(request(kv, ids, 700).tokens, 699);
	hit = request(kv, ids, 900);
	assert_int_equal(hit.tokens, 699);
	assert_int_equal(hit.matched, 700);
	assert_int_equal(hit.why, KV_STATE);
	kv_free(kv);
}

/* The end of an answer is a place to go on from. */
static void test_end_of_answer(void **state)
{
	struct kv *kv = new_kv(16 << 20, 0);
	uint32_t ids[TEXT];
	struct kv_hit hit;
	(void)state;
	fill(ids, TEXT, 0);
	struct kv_seq *s = start(kv, ids, 299, &hit);
	kv_announce(kv, s, ids, 300);
	compute(kv, s, ids, 300, 512);
	compute(kv, s, ids, 400, 1);
	kv_seq_free(kv, s);
	assert_int_equal(request(kv, ids, 500).tokens, 400);
	kv_free(kv);
}

/* Where texts part nobody knew before: the second leaves a snapshot in passing, the third takes it. */
static void test_where_texts_part(void **state)
{
	struct kv *kv = new_kv(16 << 20, 0);
	uint32_t a[TEXT], b[TEXT], c[TEXT];
	(void)state;
	fill(a, 333, 1);
	fill(b, 333, 2);
	fill(c, 333, 3);
	assert_int_equal(request(kv, a, 600).tokens, 0);
	struct kv_hit hit = request(kv, b, 600);
	assert_int_equal(hit.tokens, 0);
	assert_int_equal(hit.matched, 333);
	assert_int_equal(hit.why, KV_STATE);
	assert_int_equal(request(kv, c, 600).tokens, 333);
	kv_free(kv);
}

/* A follower that parts from its leader later takes what the leader leaves just there. */
static void test_follower(void **state)
{
	struct kv *kv = new_kv(16 << 20, 0);
	uint32_t a[TEXT], b[TEXT];
	struct kv_hit hit;
	(void)state;
	fill(a, 450, 1);
	fill(b, 450, 2);
	struct kv_seq *leader = start(kv, a, TEXT - 1, &hit);
	kv_announce(kv, leader, a, TEXT);
	struct kv_seq *follower = start(kv, b, TEXT - 1, &hit);
	assert_int_equal(hit.tokens, 0);
	assert_int_equal(hit.pending, 450);
	compute(kv, leader, a, 256, 256);
	assert_int_equal(kv_match(kv, follower, b, TEXT - 1, &hit, NULL), 0);
	assert_int_equal(hit.pending, 450);
	compute(kv, leader, a, TEXT, 256);
	assert_int_equal(kv_match(kv, follower, b, TEXT - 1, &hit, NULL), 0);
	assert_int_equal(hit.tokens, 450);
	assert_int_equal(hit.pending, 0);
	compute(kv, follower, b, TEXT, 512);
	kv_free(kv);
}

/* Whatever the chunks, snapshots lie at the same multiples; a text that was never parted from matches to one of
 * them. */
static void test_every_so_often(void **state)
{
	(void)state;
	for (uint32_t chunk = 1; chunk <= 512; chunk = chunk * 3 + 1) {
		struct kv *kv = new_kv(64 << 20, 128);
		uint32_t a[TEXT], b[TEXT];
		struct kv_hit hit;
		fill(a, TEXT, 1);
		struct kv_seq *s = start(kv, a, TEXT, &hit);
		compute(kv, s, a, TEXT, chunk);
		kv_seq_free(kv, s);
		for (uint32_t common = 1; common < TEXT - 40; common += 97) {
			fill(b, common, 2);
			kv_explain(kv, &everybody, b, TEXT, &hit);
			assert_int_equal(hit.tokens, common / 128 * 128);
		}
		kv_free(kv);
	}
}

/* Rollback and forks go where there are states, and kv_nearest says where that is. */
static void test_back(void **state)
{
	struct kv *kv = new_kv(16 << 20, 128);
	uint32_t ids[TEXT];
	struct kv_hit hit;
	struct kv_seq *f = NULL;
	kv_page page;
	(void)state;
	fill(ids, TEXT, 1);
	struct kv_seq *s = start(kv, ids, TEXT, &hit);
	compute(kv, s, ids, 500, 200);
	assert_int_equal(kv_nearest(kv, s, 500), 500);
	assert_int_equal(kv_nearest(kv, s, 499), 384);
	assert_int_equal(kv_nearest(kv, s, 384), 384);
	assert_int_equal(kv_nearest(kv, s, 127), 0);
	assert_int_equal(kv_fork(&f, kv, s, 300, NULL), KVIK_ERR_LIMIT);
	assert_null(f);
	assert_int_equal(kv_fork(&f, kv, s, 256, NULL), 0);
	check(kv);
	assert_int_equal(kv_state_at(kv, f, G, &page), 256);
	assert_int_equal(*word(kv, page), ids[255]);
	compute(kv, f, ids, 300, 7);
	assert_int_equal(kv_truncate(kv, s, 400, NULL), KVIK_ERR_LIMIT);
	assert_int_equal(kv_truncate(kv, s, 384, NULL), 0);
	check(kv);
	compute(kv, s, ids, 420, 7);
	assert_int_equal(kv_truncate(kv, s, 0, NULL), 0);
	compute(kv, s, ids, 420, 100);
	kv_free(kv);
}

/* Alone a sequence has one state and writes it in place; after a fork each gets its own, in its next step. */
static void test_in_place(void **state)
{
	struct kv *kv = new_kv(16 << 20, 0);
	uint32_t ids[TEXT];
	struct kv_seq *s = NULL, *f = NULL;
	(void)state;
	fill(ids, TEXT, 1);
	assert_int_equal(kv_seq_new(&s, kv, NULL), 0);
	assert_int_equal(kv_reserve(kv, s, 100, NULL), 0);
	kv_state_begin(kv, s);
	kv_commit(kv, s, 100);
	for (int i = 0; i < 50; i++) {
		assert_int_equal(kv_reserve(kv, s, 1, NULL), 0);
		kv_state_begin(kv, s);
		assert_int_equal(kv_stats(kv).group[G].pages_used, 1);
		kv_commit(kv, s, 1);
	}
	assert_int_equal(kv_fork(&f, kv, s, 150, NULL), 0);
	assert_int_equal(kv_stats(kv).group[G].pages_used, 1);
	assert_int_equal(kv_reserve(kv, f, 1, NULL), 0);
	kv_state_begin(kv, f);
	assert_int_equal(kv_stats(kv).group[G].pages_used, 2);
	kv_commit(kv, f, 1);
	check(kv);
	kv_free(kv);
}

/* Speculation: with the state kept, a step is dropped and the next starts from where it did; in place it cannot be. */
static void test_speculation(void **state)
{
	struct kv *kv = new_kv(16 << 20, 0);
	uint32_t ids[TEXT];
	struct kv_hit hit;
	struct kv_state_step step;
	kv_page page;
	(void)state;
	fill(ids, TEXT, 1);
	struct kv_seq *s = start(kv, ids, TEXT, &hit);
	compute(kv, s, ids, 100, 100);
	kv_state_keep(kv, s, true);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(kv_reserve(kv, s, 5, NULL), 0);
		kv_state_begin(kv, s);
		kv_state_step(kv, s, G, &step);
		assert_true(step.from != step.page[0]);
		*word(kv, step.page[0]) = 0xBAD;
		assert_int_equal(kv_truncate(kv, s, 100, NULL), 0);
		check(kv);
		assert_int_equal(kv_state_at(kv, s, G, &page), 100);
		assert_int_equal(*word(kv, page), ids[99]);
	}
	assert_int_equal(kv_stats(kv).group[G].pages_used, 1);
	compute(kv, s, ids, 110, 5);
	kv_state_keep(kv, s, false);
	assert_int_equal(kv_reserve(kv, s, 1, NULL), 0);
	kv_state_step(kv, s, G, &step);
	assert_true(step.from == step.page[0] && !kv_can_stop(kv, s, 0) && kv_can_stop(kv, s, 1));
	kv_state_keep(kv, s, true); /* drafts come into a step that was to go in place */
	assert_int_equal(kv_reserve(kv, s, 5, NULL), 0);
	kv_state_begin(kv, s);
	kv_state_step(kv, s, G, &step);
	assert_true(step.from != step.page[0]);
	assert_int_equal(kv_truncate(kv, s, 110, NULL), 0);
	assert_int_equal(kv_state_at(kv, s, G, &page), 110);
	check(kv);
	kv_state_keep(kv, s, false);
	assert_int_equal(kv_reserve(kv, s, 5, NULL), 0);
	assert_int_equal(kv_truncate(kv, s, 110, NULL), 0); /* not begun: nothing was written */
	assert_int_equal(kv_reserve(kv, s, 5, NULL), 0);
	kv_state_begin(kv, s);
	assert_int_equal(kv_truncate(kv, s, 110, NULL), KVIK_ERR_LIMIT);
	assert_int_equal(kv_nearest(kv, s, 110), 0);
	kv_commit_ids(kv, s, ids + 110, 2); /* and no state was asked for there */
	check(kv);
	assert_int_equal(kv_state_at(kv, s, G, &page), UINT32_MAX);
	assert_int_equal(kv_reserve(kv, s, 9, NULL), KVIK_ERR_LIMIT);
	assert_int_equal(kv_truncate(kv, s, kv_nearest(kv, s, 112), NULL), 0);
	compute(kv, s, ids, 200, 50);
	kv_free(kv);
}

/* A draft of which any part may be accepted: the states of all its positions are asked for. */
static void test_states_of_a_draft(void **state)
{
	struct kv *kv = new_kv(16 << 20, 0);
	uint32_t ids[TEXT];
	struct kv_hit hit;
	struct kv_state_step step;
	(void)state;
	fill(ids, TEXT, 1);
	struct kv_seq *s = start(kv, ids, TEXT, &hit);
	compute(kv, s, ids, 100, 100);
	for (uint32_t i = 101; i < 105; i++)
		kv_state_want(kv, s, i);
	assert_int_equal(kv_reserve(kv, s, 5, NULL), 0);
	kv_state_begin(kv, s);
	kv_state_step(kv, s, G, &step);
	assert_int_equal(step.n, 5);
	for (uint32_t i = 0; i < 5; i++) {
		assert_int_equal(step.position[i], 101 + i);
		*word(kv, step.page[i]) = ids[100 + i];
	}
	kv_commit_ids(kv, s, ids + 100, 3);
	assert_int_equal(kv_truncate(kv, s, 103, NULL), 0);
	check(kv);
	compute(kv, s, ids, 200, 50);
	kv_free(kv);
}

/* Many conversations share a system prompt: under pressure its snapshot, which is hit, outlives theirs. */
static void test_worth(void **state)
{
	struct kv *kv = new_kv(4 << 20, 0); /* some 50 states and their tokens */
	uint32_t ids[TEXT], hits = 0;
	(void)state;
	for (uint32_t i = 1; i <= 300; i++) {
		fill(ids, 400, i);
		hits += request(kv, ids, 500).tokens == 400;
		struct kv_stats st = kv_stats(kv);
		assert_true(st.bytes_used <= st.memory_bytes && st.bytes_peak <= st.memory_bytes);
	}
	struct kv_stats st = kv_stats(kv);
	assert_true(hits >= 297);
	assert_true(st.states_dropped + st.tokens_evicted > 0);
	kv_drop_cached(kv);
	check(kv);
	assert_int_equal(kv_stats(kv).group[G].pages_used, 0);
	kv_free(kv);
}

/* Snapshots never cost a running sequence its memory: without room there are none, and reserving goes on. */
static void test_no_room(void **state)
{
	struct kv *kv = new_kv(1 << 20, 64);
	uint32_t ids[TEXT];
	struct kv_hit hit;
	struct kv_seq *s[8];
	(void)state;
	for (uint32_t i = 0; i < 8; i++) {
		fill(ids, 0, i + 1);
		s[i] = start(kv, ids, TEXT, &hit);
		compute(kv, s[i], ids, 200, 50);
	}
	assert_true(kv_stats(kv).states_missed + kv_stats(kv).states_dropped > 0);
	for (uint32_t i = 0; i < 8; i++)
		kv_seq_free(kv, s[i]);
	check(kv);
	kv_free(kv);
}

static void test_config(void **state)
{
	static const struct kv_group_desc wrong[] = {{.page_bytes = 64}, {.page_tokens = 16, .page_bytes = 4096}};
	struct kv_config c = {.memory_bytes = 1 << 20, .n_groups = 2, .groups = wrong, .seq_tokens_max = 100};
	struct kv *kv = NULL;
	(void)state;
	assert_int_equal(kv_new(&kv, &c, NULL), KVIK_ERR_ARG);
	c.n_groups = 1;
	assert_int_equal(kv_new(&kv, &c, NULL), KVIK_ERR_ARG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_prompt),       cmocka_unit_test(test_end_of_answer),
		cmocka_unit_test(test_where_texts_part),  cmocka_unit_test(test_follower),
		cmocka_unit_test(test_every_so_often),    cmocka_unit_test(test_back),
		cmocka_unit_test(test_in_place),          cmocka_unit_test(test_speculation),
		cmocka_unit_test(test_states_of_a_draft), cmocka_unit_test(test_worth),
		cmocka_unit_test(test_no_room),           cmocka_unit_test(test_config),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
