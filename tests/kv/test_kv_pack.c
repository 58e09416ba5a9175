/* test_kv_pack.c: pages that nobody has used for long are packed: in place, for all who hold them at once, never under
 * a sequence; they come back when they are taken, and the ceiling holds more of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the headers above */
#include <cmocka.h>

#include "kv/kv.h"

enum { PAGE = 16, PAGE_BYTES = 16384, PACKED_BYTES = 4096, AFTER = 10, TEXT = 100 };

static const struct kv_group_desc full_group = {
	.page_tokens = PAGE, .page_bytes = PAGE_BYTES, .packed_bytes = PACKED_BYTES};
static const struct kv_group_desc mixed_groups[] = {
	{.page_tokens = PAGE, .page_bytes = PAGE_BYTES, .packed_bytes = PACKED_BYTES},
	{.page_tokens = PAGE, .page_bytes = PAGE_BYTES, .packed_bytes = PACKED_BYTES, .window = 20}};
static const struct kv_share everybody, tenant = {.scope = {{1, 2}}, .read_public = true};

/* Of all pages that were converted. */
struct count {
	uint32_t packed, unpacked, tokens;
};

/* The packed form is the number plus one. */
static void convert(void *ctx, uint32_t group, bool pack, uint32_t tokens, const uint8_t *from, uint8_t *to)
{
	struct count *c = ctx;
	(void)group;
	c->packed += pack;
	c->unpacked += !pack;
	c->tokens += tokens;
	for (uint32_t i = 0; i < tokens; i++)
		((uint32_t *)(void *)to)[i] = ((const uint32_t *)(const void *)from)[i] + (pack ? 1 : -1u);
}

static struct kv *new_kv(const struct kv_group_desc *groups, uint32_t n_groups, uint64_t memory_bytes, struct count *c)
{
	struct kv_config config = {.memory_bytes = memory_bytes,
				   .n_groups = n_groups,
				   .groups = groups,
				   .seq_tokens_max = 1 << 20,
				   .pack_after = AFTER,
				   .convert = convert,
				   .convert_ctx = c};
	struct kv *kv = NULL;
	*c = (struct count){0};
	assert_int_equal(kv_new(&kv, &config, NULL), 0);
	return kv;
}

static void check(const struct kv *kv)
{
	const char *broken = kv_check(kv);
	if (broken)
		fail_msg("%s", broken);
}

/* The hand comes round to everything that is due. */
static void let_time_pass(struct kv *kv, uint64_t *now, uint64_t by)
{
	*now += by;
	for (int i = 0; i < 100; i++)
		kv_clock(kv, *now);
	check(kv);
}

static void fill(uint32_t *ids, uint32_t n, uint32_t common, uint32_t text)
{
	for (uint32_t i = 0; i < n; i++)
		ids[i] = i < common ? i : 1000 * text + i;
}

static uint32_t *slot(const struct kv *kv, const struct kv_seq *s, uint32_t g, uint32_t i)
{
	uint8_t *page = kv_host_page(kv, s, g, i / PAGE);
	return page ? (uint32_t *)(void *)page + i % PAGE : NULL;
}

/* A sequence with the first n of these tokens: *hit of them were there, and all hold their ids. */
static struct kv_seq *request(struct kv *kv, const struct kv_share *share, const uint32_t *ids, uint32_t n,
			      uint32_t n_groups, uint32_t *hit)
{
	struct kv_hit h;
	struct kv_seq *s = NULL;
	assert_int_equal(kv_seq_new_shared(&s, kv, share, NULL), 0);
	assert_int_equal(kv_match(kv, s, ids, n, &h, NULL), 0);
	check(kv);
	for (uint32_t g = 0; g < n_groups; g++)
		for (uint32_t i = 0; i < h.tokens; i++)
			if (slot(kv, s, g, i))
				assert_int_equal(*slot(kv, s, g, i), ids[i]);
	assert_int_equal(kv_reserve(kv, s, n - h.tokens, NULL), 0);
	for (uint32_t g = 0; g < n_groups; g++)
		for (uint32_t i = h.tokens; i < n; i++)
			*slot(kv, s, g, i) = ids[i];
	kv_commit_ids(kv, s, ids + h.tokens, n - h.tokens);
	check(kv);
	if (hit)
		*hit = h.tokens;
	return s;
}

static void test_there_and_back(void **state)
{
	struct count c;
	struct kv *kv = new_kv(&full_group, 1, 4 << 20, &c);
	uint32_t ids[TEXT], hit;
	uint64_t now = 0;
	(void)state;
	fill(ids, TEXT, TEXT, 0);
	struct kv_seq *s = request(kv, &everybody, ids, TEXT, 1, NULL);
	let_time_pass(kv, &now, 1000);
	assert_int_equal(c.packed, 0); /* s holds it all */
	kv_seq_free(kv, s);
	let_time_pass(kv, &now, AFTER - 1);
	assert_int_equal(c.packed, 0); /* used just now */
	uint64_t before = kv_stats(kv).bytes_used;
	let_time_pass(kv, &now, 1);
	struct kv_stats st = kv_stats(kv);
	assert_int_equal(c.packed, 7);
	assert_int_equal(c.tokens, TEXT);
	assert_int_equal(st.group[0].pages_packed, 7);
	assert_int_equal(before - st.bytes_used, 7 * (PAGE_BYTES - PACKED_BYTES));
	s = request(kv, &everybody, ids, 50, 1, &hit);
	assert_int_equal(hit, 50);
	assert_int_equal(c.unpacked, 4); /* what it takes, no more */
	kv_seq_free(kv, s);
	let_time_pass(kv, &now, 1000);
	assert_int_equal(c.packed, 11);
	kv_drop_cached(kv);
	check(kv);
	assert_int_equal(kv_stats(kv).group[0].pages_used, 0);
	kv_free(kv);
}

/* A text that parts inside a page, and one that another scope has taken over: each page is packed once. */
static void test_shared_pages_are_packed_once(void **state)
{
	struct count c;
	struct kv *kv = new_kv(&full_group, 1, 4 << 20, &c);
	uint32_t ids[TEXT], other[TEXT], hit;
	uint64_t now = 0;
	(void)state;
	fill(ids, TEXT, TEXT, 0);
	fill(other, TEXT, 40, 1);
	kv_seq_free(kv, request(kv, &everybody, ids, TEXT, 1, NULL));
	kv_seq_free(kv, request(kv, &everybody, other, TEXT, 1, NULL));
	kv_seq_free(kv, request(kv, &tenant, ids, TEXT, 1, &hit));
	assert_int_equal(hit, TEXT);
	uint32_t pages = kv_stats(kv).group[0].pages_used;
	assert_int_equal(pages, 7 + 5);
	let_time_pass(kv, &now, 1000);
	assert_int_equal(c.packed, pages);
	struct kv_seq *s = request(kv, &everybody, other, TEXT, 1, &hit), *t = request(kv, &tenant, ids, TEXT, 1, &hit);
	assert_int_equal(c.unpacked, pages);
	let_time_pass(kv, &now, 1000);
	assert_int_equal(c.packed, pages);
	kv_seq_free(kv, s);
	let_time_pass(kv, &now, 1000);
	assert_int_equal(c.packed, pages + 5); /* the other text's own */
	kv_seq_free(kv, t);
	kv_free(kv);
}

/* Rollback and forks to where the window has moved on take packed pages from the tree. */
static void test_windows_come_back(void **state)
{
	struct count c;
	struct kv *kv = new_kv(mixed_groups, 2, 4 << 20, &c);
	uint32_t ids[TEXT];
	uint64_t now = 0;
	struct kv_seq *f = NULL;
	(void)state;
	fill(ids, TEXT, TEXT, 0);
	struct kv_seq *s = request(kv, &everybody, ids, TEXT, 2, NULL);
	let_time_pass(kv, &now, 1000);
	assert_int_equal(c.packed, 5); /* window pages that s has left behind */
	assert_int_equal(kv_fork(&f, kv, s, 40, NULL), 0);
	check(kv);
	assert_int_equal(kv_truncate(kv, s, 60, NULL), 0);
	check(kv);
	for (uint32_t i = 40 - 19; i < 40; i++)
		assert_int_equal(*slot(kv, f, 1, i), ids[i]);
	for (uint32_t i = 60 - 19; i < 60; i++)
		assert_int_equal(*slot(kv, s, 1, i), ids[i]);
	assert_true(c.unpacked > 0);
	kv_seq_free(kv, f);
	kv_free(kv);
}

/* What is computed anew takes the place of what was packed. */
static void test_computed_again(void **state)
{
	struct count c;
	struct kv *kv = new_kv(&full_group, 1, 4 << 20, &c);
	uint32_t ids[TEXT];
	uint64_t now = 0;
	struct kv_seq *s;
	(void)state;
	fill(ids, TEXT, TEXT, 0);
	kv_seq_free(kv, request(kv, &everybody, ids, TEXT, 1, NULL));
	let_time_pass(kv, &now, 1000);
	assert_int_equal(kv_seq_new_shared(&s, kv, &everybody, NULL), 0); /* does not ask for it */
	assert_int_equal(kv_reserve(kv, s, TEXT, NULL), 0);
	for (uint32_t i = 0; i < TEXT; i++)
		*slot(kv, s, 0, i) = ids[i];
	kv_commit_ids(kv, s, ids, TEXT);
	check(kv);
	assert_int_equal(c.unpacked, 0);
	assert_int_equal(kv_stats(kv).group[0].pages_packed, 0);
	assert_int_equal(kv_stats(kv).group[0].pages_used, 7);
	kv_seq_free(kv, s);
	kv_free(kv);
}

/* Under the same ceiling more is kept; a hit that does not fit says FULL and changes nothing. */
static void test_more_is_kept(void **state)
{
	enum { TEXTS = 60 };
	struct count c;
	struct kv *kv = new_kv(&full_group, 1, 40 * PAGE_BYTES, &c);
	uint32_t ids[TEXT], hits = 0, hit;
	uint64_t now = 0;
	struct kv_seq *held[40] = {NULL};
	(void)state;
	for (uint32_t i = 0; i < TEXTS; i++) {
		fill(ids, TEXT, 0, i + 1);
		kv_seq_free(kv, request(kv, &everybody, ids, TEXT, 1, NULL));
		let_time_pass(kv, &now, 1000);
	}
	struct kv_stats st = kv_stats(kv);
	assert_true(st.bytes_peak <= st.memory_bytes);
	assert_true(st.group[0].pages_used > 2 * 40);
	uint32_t n = 0;
	int rc = 0;
	for (uint32_t i = TEXTS; i-- > 0 && !rc;) { /* takes them all back, as long as there is room */
		struct kv_hit h;
		fill(ids, TEXT, 0, i + 1);
		assert_int_equal(kv_seq_new_shared(&held[n++], kv, &everybody, NULL), 0);
		rc = kv_match(kv, held[n - 1], ids, TEXT, &h, NULL);
		check(kv);
		hits += !rc && h.tokens == TEXT;
		hit = kv_seq_tokens(held[n - 1]);
		assert_true(!rc || hit == 0);
	}
	assert_int_equal(rc, KVIK_ERR_FULL);
	assert_true(hits >= 4);
	kv_free(kv);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),    cmocka_unit_test(test_shared_pages_are_packed_once),
		cmocka_unit_test(test_windows_come_back), cmocka_unit_test(test_computed_again),
		cmocka_unit_test(test_more_is_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
