/* test_kv_store.c: pages that leave for a store and come back, one ability at a time. Random operations, with failing and
 * torn I/O, are in test_kv_random.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the headers above */
#include <cmocka.h>

#include "fake_disk.h"

enum { TEXT = 200, TEXTS = 40 };

static const struct kv_group_desc groups[] = {
	{.page_tokens = 16, .page_bytes = 4096},
	{.page_tokens = 16, .page_bytes = 4096, .window = 50},
	{.page_bytes = 4096},
};
static const struct kv_share everybody;

struct world {
	struct kv *kv;
	struct fake_disk disk;
	uint32_t n_groups, n_paged;
};

static void check(const struct world *w)
{
	const char *broken = kv_check(w->kv);
	struct kv_stats st = kv_stats(w->kv);
	if (broken)
		fail_msg("%s", broken);
	assert_true(st.bytes_peak <= st.memory_bytes);
}

/* n_groups 1: full, 2: with a window, 3: with states too. */
static struct world *new_world(uint32_t n_groups, uint64_t memory_bytes, uint64_t cold_bytes, uint32_t io_max)
{
	struct world *w = calloc(1, sizeof *w);
	disk_init(&w->disk, cold_bytes, io_max, 1);
	w->disk.fails_one_in = w->disk.refuses_one_in = 0;
	w->n_groups = n_groups;
	w->n_paged = n_groups < 3 ? n_groups : 2;
	struct kv_config c = {.memory_bytes = memory_bytes,
			      .n_groups = n_groups,
			      .groups = groups,
			      .seq_tokens_max = 1 << 16,
			      .store = &w->disk.store};
	assert_int_equal(kv_new(&w->kv, &c, NULL), 0);
	return w;
}

static uint8_t *page_at(void *ctx, uint32_t group, kv_page page)
{
	struct page_area area = kv_host_pages(((struct world *)ctx)->kv, group);
	return page_address(&area, page);
}

static void run_disk(struct world *w, bool all)
{
	disk_run(&w->disk, w->kv, groups, page_at, w, all);
	check(w);
}

static void end(struct world *w)
{
	run_disk(w, true);
	kv_drop_cached(w->kv);
	run_disk(w, true);
	assert_int_equal(w->disk.n_used, 0);
	for (uint32_t g = 0; g < w->n_groups; g++)
		assert_int_equal(kv_stats(w->kv).group[g].pages_used, 0);
	kv_free(w->kv);
	disk_release(&w->disk);
	free(w);
}

static void fill(uint32_t *ids, uint32_t common, uint32_t text)
{
	for (uint32_t i = 0; i < TEXT; i++)
		ids[i] = i < common ? i : 1000 * text + i;
}

/* What s has is right: each token's slot holds its id, the state the last one's. */
static void check_contents(struct world *w, const struct kv_seq *s, const uint32_t *ids)
{
	uint32_t n = kv_seq_tokens(s);
	for (uint32_t g = 0; g < w->n_paged; g++)
		for (uint32_t i = groups[g].window && n > groups[g].window ? n - groups[g].window + 1 : 0; i < n; i++) {
			const uint8_t *page = kv_host_page(w->kv, s, g, i / 16);
			assert_non_null(page);
			assert_int_equal(((const uint32_t *)(const void *)page)[i % 16], ids[i]);
		}
	kv_page state;
	if (w->n_groups > w->n_paged && n > 0) {
		assert_int_equal(kv_state_at(w->kv, s, w->n_paged, &state), n);
		assert_int_equal(*(uint32_t *)(void *)page_at(w, w->n_paged, state), ids[n - 1]);
	}
}

static void compute(struct world *w, struct kv_seq *s, const uint32_t *ids, uint32_t n)
{
	uint32_t have = kv_seq_tokens(s);
	struct kv_state_step step;
	assert_int_equal(kv_reserve(w->kv, s, n - have, NULL), 0);
	kv_state_begin(w->kv, s);
	for (uint32_t g = 0; g < w->n_paged; g++)
		for (uint32_t i = have; i < n; i++)
			((uint32_t *)(void *)kv_host_page(w->kv, s, g, i / 16))[i % 16] = ids[i];
	if (w->n_groups > w->n_paged) {
		kv_state_step(w->kv, s, w->n_paged, &step);
		for (uint32_t i = 0; i < step.n; i++)
			*(uint32_t *)(void *)page_at(w, w->n_paged, step.page[i]) = ids[step.position[i] - 1];
	}
	kv_commit_ids(w->kv, s, ids + have, n - have);
	check(w);
}

static struct kv_seq *start(struct world *w, const uint32_t *ids, struct kv_hit *hit)
{
	struct kv_seq *s = NULL;
	assert_int_equal(kv_seq_new_shared(&s, w->kv, &everybody, NULL), 0);
	assert_int_equal(kv_match(w->kv, s, ids, TEXT, hit, NULL), 0);
	check_contents(w, s, ids);
	return s;
}

/* Texts one after another, more than fit; the disk works meanwhile. */
static void many_texts(struct world *w, uint32_t common)
{
	uint32_t ids[TEXT];
	struct kv_hit hit;
	for (uint32_t i = 1; i <= TEXTS; i++) {
		fill(ids, common, i);
		struct kv_seq *s = start(w, ids, &hit);
		compute(w, s, ids, TEXT);
		kv_seq_free(w->kv, s);
		kv_clock(w->kv, i); /* as after each step: writes ahead */
		run_disk(w, true);
	}
}

/* Loads a text as one that waits does: ask, let the disk work, ask again. */
static struct kv_seq *load(struct world *w, const uint32_t *ids, struct kv_hit *hit)
{
	struct kv_seq *s = start(w, ids, hit);
	for (int turns = 0; kv_load(w->kv, s, ids, TEXT); turns++) {
		assert_true(turns < 1000);
		run_disk(w, true);
		assert_int_equal(kv_match(w->kv, s, ids, TEXT, hit, NULL), 0);
		check_contents(w, s, ids);
	}
	check(w);
	return s;
}

/* Everything that was ever computed is found, though memory holds but a part of it. */
static void there_and_back(uint32_t n_groups, uint32_t common, uint32_t io_max, uint32_t least)
{
	struct world *w = new_world(n_groups, 1 << 20, 8 << 20, io_max);
	uint32_t ids[TEXT], whole = 0, cold = 0;
	struct kv_hit hit;
	many_texts(w, common);
	for (uint32_t i = 1; i <= TEXTS; i++) {
		fill(ids, common, i);
		struct kv_seq *s = load(w, ids, &hit);
		cold += hit.why == KV_ALL;
		whole += hit.tokens == TEXT;
		kv_seq_free(w->kv, s);
		kv_clock(w->kv, TEXTS + i);
		run_disk(w, true);
	}
	print_message("%u of %u texts whole; %lu pages written, %lu read, %lu refused\n", whole, TEXTS, w->disk.written,
		      w->disk.read, w->disk.refused);
	assert_true(whole >= least && w->disk.read > 50);
	assert_int_equal(whole, cold);
	end(w);
}

static void test_full_attention(void **state)
{
	(void)state;
	there_and_back(1, 0, 64, TEXTS);
	there_and_back(1, 75, 64, TEXTS);
	there_and_back(1, 0, 20, 0); /* fewer tickets than a text has pages */
}

static void test_windows(void **state)
{
	(void)state; /* what must leave while an eighth of the memory is under way is dropped */
	there_and_back(2, 0, 64, TEXTS * 9 / 10);
	there_and_back(2, 75, 64, TEXTS * 9 / 10);
}

static void test_states(void **state)
{
	(void)state;
	there_and_back(3, 0, 64, TEXTS * 3 / 4);
}

/* A text that is cold by itself: what it would take to load it is seen, and asking for less is possible. */
static void test_look_up(void **state)
{
	struct world *w = new_world(1, 1 << 20, 8 << 20, 64);
	uint32_t ids[TEXT];
	struct kv_hit hit;
	uint32_t seen = 0;
	(void)state;
	many_texts(w, 0);
	for (uint32_t i = 1; i <= TEXTS && !seen; i++) {
		fill(ids, 0, i);
		struct kv_seq *s = start(w, ids, &hit);
		if (hit.tokens == 0 && hit.stored == TEXT) {
			seen = hit.stored;
			assert_int_equal(hit.why, KV_EVICTED);
			assert_true(kv_load(w->kv, s, ids, 40));
			run_disk(w, true);
			assert_int_equal(w->disk.read, 3);
			assert_int_equal(kv_match(w->kv, s, ids, TEXT, &hit, NULL), 0);
			assert_int_equal(hit.tokens, 48);
		}
		kv_seq_free(w->kv, s);
	}
	assert_int_equal(seen, TEXT);
	end(w);
}

/* A read that fails costs the tokens, no more; the text is computed again. */
static void test_read_fails(void **state)
{
	struct world *w = new_world(1, 1 << 20, 8 << 20, 64);
	uint32_t ids[TEXT];
	struct kv_hit hit;
	(void)state;
	many_texts(w, 0);
	w->disk.fails_one_in = 1;
	for (uint32_t i = 1; i <= TEXTS; i++) {
		fill(ids, 0, i);
		struct kv_seq *s = load(w, ids, &hit);
		compute(w, s, ids, TEXT);
		kv_seq_free(w->kv, s);
		check(w);
	}
	assert_true(kv_stats(w->kv).io_failed > 0 && kv_stats(w->kv).tokens_lost > 0);
	end(w);
}

/* A new cache learns from the store what it had: all of it is cold, and comes back with its contents. */
static void test_adopt(void **state)
{
	(void)state;
	for (uint32_t n_groups = 1; n_groups <= 3; n_groups++) {
		struct world *w = new_world(n_groups, 1 << 20, 8 << 20, 64);
		uint32_t ids[TEXT], n;
		struct kv_hit hit;
		bool taken;
		for (uint32_t i = 1; i <= 10; i++)
			for (uint32_t start_at = 0; start_at < TEXT; start_at += n) {
				uint64_t places[64];
				uint32_t n_places = 0;
				n = start_at == 0 ? 75 : start_at == 75 ? 128 - 75 : TEXT - 128;
				uint32_t end_at = start_at + n;
				fill(ids, 75, i);
				for (uint32_t g = 0; g < w->n_groups; g++) {
					bool is_state = g >= w->n_paged;
					uint32_t last = is_state ? 0 : (end_at - 1) / 16;
					for (uint32_t b = is_state ? 0 : start_at / 16; b <= last; b++) {
						uint32_t *bytes = calloc(1, 4096);
						for (uint32_t k = 0; k < 16 && b * 16 + k < end_at && !is_state; k++)
							bytes[k] = ids[b * 16 + k];
						if (is_state)
							bytes[0] = ids[end_at - 1];
						places[n_places++] = disk_new_place(&w->disk, (uint8_t *)bytes);
					}
				}
				assert_int_equal(
					kv_adopt(w->kv, &everybody, ids, start_at, end_at, places, &taken, NULL), 0);
				assert_int_equal(taken, start_at > 0 || i == 1);
				for (uint32_t k = 0; k < n_places && !taken; k++)
					disk_forget(&w->disk, places[k]);
				check(w);
			}
		assert_int_equal(kv_adopt(w->kv, &everybody, ids, 100, 300, NULL, &taken, NULL), KVIK_ERR_ARG);
		for (uint32_t i = 1; i <= 10; i++) {
			fill(ids, 75, i);
			kv_explain(w->kv, &everybody, ids, TEXT, &hit);
			assert_int_equal(hit.stored, TEXT);
			struct kv_seq *s = load(w, ids, &hit);
			assert_int_equal(hit.tokens, TEXT);
			kv_seq_free(w->kv, s);
		}
		end(w);
	}
}

/* A sequence goes away while its pages are being read, and the text is dropped. */
static void test_cancel_while_reading(void **state)
{
	struct world *w = new_world(1, 1 << 20, 8 << 20, 64);
	uint32_t ids[TEXT];
	struct kv_hit hit;
	(void)state;
	many_texts(w, 0);
	for (uint32_t i = 1; i <= TEXTS; i++) {
		fill(ids, 0, i);
		struct kv_seq *s = start(w, ids, &hit);
		bool loading = kv_load(w->kv, s, ids, TEXT);
		disk_take(&w->disk, w->kv, groups, page_at, w);
		kv_seq_free(w->kv, s);
		check(w);
		if (loading && i % 2)
			kv_drop_cached(w->kv);
		check(w);
		run_disk(w, true);
	}
	end(w);
}

/* Without a disk that answers, nothing waits and the ceiling holds: what does not fit the ring is dropped. */
static void test_disk_stands_still(void **state)
{
	struct world *w = new_world(1, 1 << 20, 8 << 20, 16);
	uint32_t ids[TEXT];
	struct kv_hit hit;
	(void)state;
	for (uint32_t i = 1; i <= 3 * TEXTS; i++) {
		fill(ids, 0, i);
		struct kv_seq *s = start(w, ids, &hit);
		compute(w, s, ids, TEXT);
		kv_seq_free(w->kv, s);
		check(w);
	}
	assert_true(kv_stats(w->kv).tokens_evicted > 0);
	end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full_attention),
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_look_up),
		cmocka_unit_test(test_read_fails),
		cmocka_unit_test(test_cancel_while_reading),
		cmocka_unit_test(test_disk_stands_still),
		cmocka_unit_test(test_adopt),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
