/* test_kv_tree.c: the prefix tree one ability at a time: hits inside a page, joining, merging, scopes, windows,
 * eviction, time to live, priority, explanation, prediction, and a failure of each allocation in turn. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka needs the headers above */
#include <cmocka.h>

#include "base/mem.h"
#include "kv/kv.h"

static const struct kv_group_desc full_group = {.page_tokens = 16, .page_bytes = 4096};
/* As of Gemma: most layers see a short window. */
static const struct kv_group_desc mixed_groups[] = {{.page_tokens = 16, .page_bytes = 4096},
						    {.page_tokens = 16, .page_bytes = 4096, .window = 40, .sinks = 4}};
static const struct kv_share everybody, tenant_a = {.scope = {{1, 2}}}, tenant_b = {.scope = {{1, 3}}};

static struct kv *new_kv(const struct kv_group_desc *groups, uint32_t n_groups, uint64_t memory_bytes)
{
	struct kv_config c = {
		.memory_bytes = memory_bytes, .n_groups = n_groups, .groups = groups, .seq_tokens_max = 1 << 24};
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

/* Text number `text`, the first `common` tokens of which all texts have. */
static void fill(uint32_t *ids, uint32_t n, uint32_t common, uint32_t text)
{
	for (uint32_t i = 0; i < n; i++)
		ids[i] = i < common ? i : 1000 * text + i;
}

static struct kv_seq *start(struct kv *kv, const struct kv_share *share, const uint32_t *ids, uint32_t n,
			    struct kv_hit *hit)
{
	struct kv_seq *s = NULL;
	assert_int_equal(kv_seq_new_shared(&s, kv, share, NULL), 0);
	assert_int_equal(kv_match(kv, s, ids, n, hit, NULL), 0);
	check(kv);
	return s;
}

/* Computes up to n tokens; every slot of a group gets the token's id. */
static void compute(struct kv *kv, struct kv_seq *s, const uint32_t *ids, uint32_t n, uint32_t n_groups)
{
	uint32_t have = kv_seq_tokens(s);
	assert_int_equal(kv_reserve(kv, s, n - have, NULL), 0);
	for (uint32_t g = 0; g < n_groups; g++)
		for (uint32_t i = have; i < n; i++)
			((uint32_t *)(void *)kv_host_page(kv, s, g, i / 16))[i % 16] = ids[i];
	kv_commit_ids(kv, s, ids + have, n - have);
	check(kv);
}

/* A request from start to end; returns what it found. */
static struct kv_hit request(struct kv *kv, const struct kv_share *share, const uint32_t *ids, uint32_t n,
			     uint32_t n_groups)
{
	struct kv_hit hit;
	struct kv_seq *s = start(kv, share, ids, n, &hit);
	compute(kv, s, ids, n, n_groups);
	kv_seq_free(kv, s);
	check(kv);
	return hit;
}

static void assert_ids(const struct kv *kv, const struct kv_seq *s, const uint32_t *ids, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(((uint32_t *)(void *)kv_host_page(kv, s, 0, i / 16))[i % 16], ids[i]);
}

/* ---- Sharing ----------------------------------------------------------------------------------------------------- */

static void test_hit_inside_a_page(void **state)
{
	struct kv *kv = new_kv(&full_group, 1, 4 << 20);
	uint32_t a[100], b[100];
	struct kv_hit hit;
	(void)state;
	fill(a, 100, 41, 1);
	fill(b, 100, 41, 2);
	hit = request(kv, &everybody, a, 100, 1);
	assert_int_equal(hit.tokens, 0);
	assert_int_equal(hit.why, KV_NEW);
	struct kv_seq *s = start(kv, &everybody, b, 100, &hit);
	assert_int_equal(hit.tokens, 41);
	assert_int_equal(hit.matched, 41);
	assert_int_equal(hit.why, KV_DIFFERS);
	assert_int_equal(hit.other, a[41]);
	assert_int_equal(kv_stats(kv).pages_copied, 0);
	compute(kv, s, b, 100, 1);
	assert_int_equal(kv_stats(kv).pages_copied, 1); /* the head of the third page */
	assert_int_equal(kv_stats(kv).group[0].pages_used, 7 + 5);
	assert_ids(kv, s, b, 100);
	kv_seq_free(kv, s);
	s = start(kv, &everybody, a, 99, &hit); /* one token must be computed for its logits */
	assert_int_equal(hit.tokens, 99);
	assert_int_equal(hit.why, KV_ALL);
	assert_ids(kv, s, a, 99);
	compute(kv, s, a, 100, 1);
	kv_seq_free(kv, s);
	assert_int_equal(kv_stats(kv).group[0].pages_used, 7 + 5);
	assert_int_equal(kv_stats(kv).tokens_hit, 41 + 99);
	kv_free(kv);
}

/* A second request for a prefix that is being computed learns who computes it and how far, and takes it over. */
static void test_join(void **state)
{
	struct kv *kv = new_kv(&full_group, 1, 4 << 20);
	uint32_t a[200], b[200];
	struct kv_hit hit;
	(void)state;
	fill(a, 200, 150, 1);
	fill(b, 200, 150, 2);
	struct kv_seq *first = start(kv, &tenant_a, a, 200, &hit);
	kv_announce(kv, first, a, 200);
	struct kv_seq *second = start(kv, &tenant_a, b, 200, &hit);
	assert_int_equal(hit.tokens, 0);
	assert_int_equal(hit.pending, 150);
	assert_ptr_equal(hit.leader, first);
	struct kv_seq *stranger = start(kv, &tenant_b, b, 200, &hit);
	assert_int_equal(hit.pending, 0);
	assert_null(hit.leader);
	compute(kv, first, a, 70, 1);
	assert_int_equal(kv_match(kv, second, b, 200, &hit, NULL), 0);
	assert_int_equal(hit.tokens, 70);
	assert_int_equal(hit.pending, 150);
	compute(kv, first, a, 110, 1);
	kv_seq_free(kv, first); /* cancelled: the second goes on from where it got */
	assert_int_equal(kv_match(kv, second, b, 200, &hit, NULL), 0);
	assert_int_equal(hit.tokens, 110);
	assert_int_equal(hit.pending, 0);
	assert_ids(kv, second, b, 110);
	compute(kv, second, b, 200, 1);
	assert_ids(kv, second, b, 200);
	assert_int_equal(kv_stats(kv).tokens_joined, 110);
	kv_seq_free(kv, second);
	kv_seq_free(kv, stranger);
	kv_free(kv);
}

/* Two sequences that have computed the same independently keep one copy. */
static void test_merge(void **state)
{
	struct kv *kv = new_kv(&full_group, 1, 4 << 20);
	uint32_t a[160];
	struct kv_hit hit;
	(void)state;
	fill(a, 160, 160, 0);
	struct kv_seq *s = start(kv, &everybody, a, 160, &hit), *t = start(kv, &everybody, a, 160, &hit);
	for (uint32_t n = 20; n <= 160; n += 20) {
		compute(kv, s, a, n, 1);
		compute(kv, t, a, n, 1);
	}
	assert_int_equal(kv_stats(kv).group[0].pages_used, 10);
	assert_int_equal(kv_stats(kv).pages_merged, 10);
	assert_ids(kv, t, a, 160);
	kv_seq_free(kv, s);
	kv_seq_free(kv, t);
	assert_int_equal(kv_stats(kv).group[0].pages_cached, 10);
	kv_free(kv);
}

/* Of two that go on from the same point inside a page, the first writes in place; a writer that is gone
 * blocks nobody. */
static void test_first_in_place(void **state)
{
	struct kv *kv = new_kv(&full_group, 1, 4 << 20);
	uint32_t a[64], b[64];
	struct kv_hit hit;
	(void)state;
	fill(a, 64, 20, 1);
	fill(b, 64, 20, 2);
	request(kv, &everybody, a, 20, 1);
	struct kv_seq *s = start(kv, &everybody, a, 20, &hit), *t = start(kv, &everybody, b, 20, &hit);
	compute(kv, s, a, 21, 1);
	assert_int_equal(kv_stats(kv).pages_copied, 0);
	compute(kv, t, b, 21, 1);
	assert_int_equal(kv_stats(kv).pages_copied, 1);
	assert_ids(kv, s, a, 21);
	assert_ids(kv, t, b, 21);
	kv_seq_free(kv, s);
	kv_seq_free(kv, t);
	kv_free(kv);
}

static void test_scopes(void **state)
{
	struct kv *kv = new_kv(&full_group, 1, 4 << 20);
	struct kv_share reader = {.scope = {{5, 5}}, .read_public = true};
	uint32_t a[64];
	struct kv_hit hit;
	(void)state;
	fill(a, 64, 64, 0);
	request(kv, &tenant_a, a, 64, 1);
	assert_int_equal(request(kv, &tenant_b, a, 40, 1).tokens, 0);
	assert_int_equal(request(kv, &everybody, a, 30, 1).tokens, 0);
	assert_int_equal(request(kv, &tenant_b, a, 64, 1).tokens, 40);
	kv_explain(kv, &reader, a, 64, &hit);
	assert_int_equal(hit.tokens, 30);
	assert_true(hit.elsewhere);
	assert_int_equal(request(kv, &reader, a, 64, 1).tokens, 30);
	assert_int_equal(request(kv, &everybody, a, 64, 1).tokens, 30); /* what it added is its own */
	kv_explain(kv, &tenant_a, a, 64, &hit);
	assert_int_equal(hit.tokens, 64);
	assert_false(hit.elsewhere);
	kv_free(kv);
}

/* ---- Windows ----------------------------------------------------------------------------------------------------- */

/* While there is memory, every position of a mixed model can be come back to. */
static void test_window_hits(void **state)
{
	struct kv *kv = new_kv(mixed_groups, 2, 16 << 20);
	uint32_t a[600], b[600];
	(void)state;
	fill(a, 600, 333, 1);
	fill(b, 600, 333, 2);
	request(kv, &everybody, a, 600, 2);
	assert_int_equal(request(kv, &everybody, b, 600, 2).tokens, 333);
	assert_int_equal(request(kv, &everybody, a, 599, 2).tokens, 599);
	kv_free(kv);
}

/* When memory is short, windows that nobody can be expected to come back to go first, marked ones late. */
static void test_windows_given_up(void **state)
{
	struct kv *kv = new_kv(mixed_groups, 2, 800 << 10);
	uint32_t a[1000], b[1000];
	struct kv_hit hit;
	(void)state;
	fill(a, 1000, 0, 1);
	struct kv_seq *s = start(kv, &everybody, a, 1000, &hit), *other = NULL;
	compute(kv, s, a, 300, 2);
	kv_mark(kv, s);
	compute(kv, s, a, 1000, 2);
	kv_seq_free(kv, s);
	assert_int_equal(kv_seq_new(&other, kv, NULL), 0);
	while (kv_stats(kv).pages_window_dropped < 46) { /* 53 are needed by no place */
		uint32_t n = kv_seq_tokens(other);
		assert_int_equal(kv_reserve(kv, other, 16, NULL), 0);
		kv_commit(kv, other, 16);
		assert_int_equal(kv_seq_tokens(other), n + 16);
		check(kv);
	}
	assert_int_equal(kv_stats(kv).tokens_evicted, 0);
	memcpy(b, a, sizeof b);
	b[500] = 0;
	kv_explain(kv, &everybody, b, 1000, &hit);
	assert_int_equal(hit.matched, 500);
	assert_int_equal(hit.tokens, 300);
	assert_int_equal(hit.why, KV_WINDOW);
	kv_explain(kv, &everybody, a, 1000, &hit);
	assert_int_equal(hit.tokens, 1000);
	kv_free(kv);
}

/* Rollback beyond the window: a private sequence has lost it, a shared one finds it in the tree. */
static void test_window_rollback(void **state)
{
	struct kv *kv = new_kv(mixed_groups, 2, 16 << 20);
	uint32_t a[300];
	struct kv_hit hit;
	struct kv_seq *private = NULL, *fork = NULL;
	(void)state;
	fill(a, 300, 300, 0);
	assert_int_equal(kv_seq_new(&private, kv, NULL), 0);
	compute(kv, private, a, 300, 2);
	assert_int_equal(kv_truncate(kv, private, 200, NULL), KVIK_ERR_LIMIT);
	assert_int_equal(kv_truncate(kv, private, 299, NULL), 0);
	struct kv_seq *s = start(kv, &everybody, a, 300, &hit);
	compute(kv, s, a, 300, 2);
	assert_int_equal(kv_fork(&fork, kv, s, 77, NULL), 0);
	check(kv);
	assert_int_equal(kv_truncate(kv, s, 200, NULL), 0);
	check(kv);
	assert_int_equal(kv_match(kv, s, a, 300, &hit, NULL), 0); /* and forward again, without computing */
	assert_int_equal(hit.tokens, 300);
	check(kv);
	compute(kv, fork, a, 100, 2);
	assert_ids(kv, fork, a, 100);
	kv_free(kv);
}

/* A stream without end: pages of the window and the sinks, and a table that does not grow with it. */
static void test_endless_stream(void **state)
{
	static const struct kv_group_desc group = {.page_tokens = 16, .page_bytes = 4096, .window = 100, .sinks = 20};
	struct kv *kv = new_kv(&group, 1, 1 << 20);
	struct kv_seq *s = NULL;
	uint64_t tables = 0;
	(void)state;
	assert_int_equal(kv_seq_new(&s, kv, NULL), 0);
	for (uint32_t i = 0; i < 4 << 20; i += 64) {
		assert_int_equal(kv_reserve(kv, s, 64, NULL), 0);
		kv_commit(kv, s, 64);
		if (i == 1 << 20)
			tables = kv_stats(kv).bytes_tables;
	}
	check(kv);
	assert_true(kv_stats(kv).group[0].pages_used <= 2 + 8);
	assert_true(kv_stats(kv).bytes_tables <= tables + 4096);
	assert_int_equal(kv_truncate(kv, s, (4 << 20) - 1, NULL), 0);
	check(kv);
	kv_free(kv);
}

/* ---- Eviction ---------------------------------------------------------------------------------------------------- */

/* Takes pages until only `left` of the cached ones are left. */
static struct kv_seq *press(struct kv *kv, uint32_t left)
{
	struct kv_seq *s = NULL;
	assert_int_equal(kv_seq_new(&s, kv, NULL), 0);
	while (kv_stats(kv).group[0].pages_cached > left) {
		assert_int_equal(kv_reserve(kv, s, 16, NULL), 0);
		kv_commit(kv, s, 16);
		check(kv);
	}
	return s;
}

static uint32_t cached(const struct kv *kv, const uint32_t *ids, uint32_t n, enum kv_why *why)
{
	struct kv_hit hit;
	kv_explain(kv, &everybody, ids, n, &hit);
	*why = hit.why;
	return hit.tokens;
}

/* The tail goes before the head, the unused before the used, and what a sequence sits on stays. */
static void test_eviction_order(void **state)
{
	struct kv *kv = new_kv(&full_group, 1, 1 << 20);
	uint32_t a[640], b[640], c[640];
	enum kv_why why;
	struct kv_hit hit;
	(void)state;
	fill(a, 640, 0, 1);
	fill(b, 640, 0, 2);
	fill(c, 640, 0, 3);
	request(kv, &everybody, a, 640, 1);
	request(kv, &everybody, b, 640, 1);
	request(kv, &everybody, c, 640, 1);
	for (int i = 0; i < 3; i++)
		assert_int_equal(request(kv, &everybody, b, 640, 1).tokens, 640);
	struct kv_seq *pin = start(kv, &everybody, a, 100, &hit);
	struct kv_seq *s = press(kv, 60);
	uint32_t left_c = cached(kv, c, 640, &why);
	assert_true(left_c < 640);
	assert_int_equal(why, KV_EVICTED);
	assert_int_equal(cached(kv, b, 640, &why), 640);
	kv_seq_free(kv, s);
	s = press(kv, 0);
	assert_int_equal(cached(kv, a, 640, &why), 100);
	assert_int_equal(why, KV_EVICTED);
	assert_int_equal(cached(kv, b, 640, &why) + cached(kv, c, 640, &why), 0);
	kv_seq_free(kv, pin);
	kv_free(kv);
}

static void test_priority(void **state)
{
	struct kv *kv = new_kv(&full_group, 1, 1 << 20);
	struct kv_share high = {.priority = 7};
	uint32_t a[640], b[640];
	enum kv_why why;
	(void)state;
	fill(a, 640, 0, 1);
	fill(b, 640, 0, 2);
	request(kv, &high, a, 640, 1);
	for (int i = 0; i < 5; i++)
		request(kv, &everybody, b, 640, 1);
	struct kv_seq *s = press(kv, 40);
	assert_int_equal(cached(kv, a, 640, &why), 640);
	assert_int_equal(cached(kv, b, 640, &why), 0);
	kv_seq_free(kv, s);
	kv_free(kv);
}

static void test_time_to_live(void **state)
{
	struct kv *kv = new_kv(&full_group, 1, 4 << 20);
	struct kv_share brief = {.ttl = 100};
	uint32_t a[300], b[300];
	enum kv_why why;
	(void)state;
	fill(a, 300, 150, 1);
	fill(b, 300, 150, 2);
	kv_clock(kv, 1000);
	request(kv, &brief, a, 300, 1);
	kv_clock(kv, 1060);
	request(kv, &brief, b, 300, 1); /* renews what both have */
	kv_clock(kv, 1100);
	check(kv);
	assert_int_equal(cached(kv, a, 300, &why), 150);
	assert_int_equal(cached(kv, b, 300, &why), 300);
	kv_clock(kv, 1160);
	check(kv);
	assert_int_equal(cached(kv, b, 300, &why), 0);
	assert_int_equal(why, KV_EXPIRED);
	assert_int_equal(kv_stats(kv).tokens_expired, 450);
	assert_int_equal(kv_stats(kv).group[0].pages_used, 0);
	kv_free(kv);
}

/* A reservation that cannot be met says so without emptying the cache. */
static void test_full_keeps_the_cache(void **state)
{
	struct kv *kv = new_kv(&full_group, 1, 1 << 20);
	struct kv_seq *s = NULL;
	uint32_t a[640];
	enum kv_why why;
	(void)state;
	fill(a, 640, 0, 1);
	request(kv, &everybody, a, 640, 1);
	assert_int_equal(kv_seq_new(&s, kv, NULL), 0);
	assert_int_equal(kv_reserve(kv, s, 16 * 300, NULL), KVIK_ERR_FULL);
	assert_int_equal(cached(kv, a, 640, &why), 640);
	check(kv);
	kv_free(kv);
}

/* ---- Prediction -------------------------------------------------------------------------------------------------- */

/* Prompts in turn that together need one and a half times the memory: least recently used misses always, and the ghost
 * list knows that twice the memory would hit always. */
static void test_ghost(void **state)
{
	struct kv *kv = new_kv(&full_group, 1, 8 << 20);
	uint32_t ids[512], rounds = 10, prompts = 96;
	(void)state;
	for (uint32_t i = 0; i < rounds * prompts; i++) {
		fill(ids, 512, 0, i % prompts + 1);
		request(kv, &everybody, ids, 512, 1);
	}
	struct kv_stats st = kv_stats(kv);
	double best = (rounds - 1.0) / rounds;
	assert_true(st.ghost[KV_GHOST_HALF] <= 0.01 && st.ghost[KV_GHOST_SAME] <= 0.01);
	assert_true(fabs(st.ghost[KV_GHOST_DOUBLE] - best) < 0.03);
	assert_true(fabs(st.ghost[KV_GHOST_QUADRUPLE] - best) < 0.03);
	kv_free(kv);
}

/* Popular texts among many that come once: eviction by worth keeps what was hit before, by age it does not. */
static void test_worth_against_age(void **state)
{
	struct kv *kv = new_kv(&full_group, 1, 4 << 20);
	uint32_t ids[640];
	(void)state;
	for (uint32_t i = 0; i < 3000; i++) {
		uint32_t popular = i / 3 % 20 + 1;
		fill(ids, 640, 0, i % 3 == 0 ? popular : 1000 + i);
		request(kv, &everybody, ids, i % 3 == 0 ? 320 : 640, 1);
	}
	struct kv_stats st = kv_stats(kv);
	double hit = (double)st.tokens_hit / (double)st.tokens_queried;
	print_message("%.3f of the tokens hit, %.3f would with eviction by age; %.3f at most\n", hit,
		      st.ghost[KV_GHOST_SAME], 0.2);
	assert_true(hit > 0.15 && st.ghost[KV_GHOST_SAME] < 0.05);
	kv_free(kv);
}

/* ---- Failing allocations ----------------------------------------------------------------------------------------- */

/* Of everything a little, with each error taken as it comes. */
static int exercise(struct kv *kv, const uint32_t *a, const uint32_t *b)
{
	struct kv_share reader = {.scope = {{8, 8}}, .read_public = true, .ttl = 10};
	struct kv_seq *s = NULL, *t = NULL, *f = NULL;
	struct kv_hit hit;
	int rc = kv_seq_new_shared(&s, kv, &everybody, NULL);
	if (!rc && !(rc = kv_reserve(kv, s, 400, NULL)))
		kv_commit_ids(kv, s, a, 400);
	if (!rc)
		rc = kv_fork(&f, kv, s, 205, NULL);
	if (!rc)
		rc = kv_seq_new_shared(&t, kv, &reader, NULL);
	if (!rc)
		rc = kv_match(kv, t, b, 400, &hit, NULL);
	if (!rc && !(rc = kv_reserve(kv, t, 60, NULL)))
		kv_commit_ids(kv, t, b + kv_seq_tokens(t), 60);
	if (!rc)
		rc = kv_truncate(kv, t, 123, NULL);
	return rc;
}

static void test_torture(void **state)
{
	uint32_t a[400], b[400];
	int rc = KVIK_ERR_NOMEM;
	(void)state;
	fill(a, 400, 123, 1);
	fill(b, 400, 123, 2);
	for (long at = 1; rc != 0; at++) {
		struct kv_config c = {
			.memory_bytes = 4 << 20, .n_groups = 2, .groups = mixed_groups, .seq_tokens_max = 1000};
		struct kv *kv = NULL;
		mem_fail_at(at);
		rc = kv_new(&kv, &c, NULL);
		if (rc == 0)
			rc = exercise(kv, a, b);
		mem_fail_at(0);
		assert_true(rc == 0 || rc == KVIK_ERR_NOMEM || rc == KVIK_ERR_LIMIT);
		if (kv)
			check(kv);
		kv_free(kv);
		assert_true(at < 100);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hit_inside_a_page),
		cmocka_unit_test(test_join),
		cmocka_unit_test(test_merge),
		cmocka_unit_test(test_first_in_place),
		cmocka_unit_test(test_scopes),
		cmocka_unit_test(test_window_hits),
		cmocka_unit_test(test_windows_given_up),
		cmocka_unit_test(test_window_rollback),
		cmocka_unit_test(test_endless_stream),
		cmocka_unit_test(test_eviction_order),
		cmocka_unit_test(test_priority),
		cmocka_unit_test(test_time_to_live),
		cmocka_unit_test(test_full_keeps_the_cache),
		cmocka_unit_test(test_ghost),
		cmocka_unit_test(test_worth_against_age),
		cmocka_unit_test(test_torture),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
