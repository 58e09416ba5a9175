/* test_trace.c: traces: what is read and what is refused; LRU and the optimum against the same done naively; the cache
 * against both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the headers above */
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "bench/trace.h"

enum { BLOCK = 64, TOKEN_BYTES = 64 << 10 };

static int read_text(struct trace *t, const char *text, struct kvik_err *err)
{
	FILE *f = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
	int rc = trace_read(t, f, "text", BLOCK, err);
	fclose(f);
	return rc;
}

static void test_read(void **state)
{
	struct trace t;
	struct kvik_err err;
	(void)state;
	assert_int_equal(
		read_text(
			&t,
			"{\"timestamp\": 5, \"input_length\": 130, \"output_length\": 9, \"hash_ids\": [7, 900, 8]}\n\n"
			"{\"input_length\": 64, \"hash_ids\": [7]}\n",
			&err),
		0);
	assert_int_equal(t.n_requests, 2);
	assert_int_equal(t.n_blocks, 4);
	assert_int_equal(t.n_names, 3);
	assert_int_equal(t.n_tokens, 194);
	assert_int_equal(t.tokens_max, 130);
	assert_int_equal(t.requests[0].ms, 5);
	assert_int_equal(t.blocks[3], 0);
	trace_free(&t);
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *says;
	} wrong[] = {
		{"", "no requests"},
		{"[1]", "line 1: it is no JSON object"},
		{"{\"input_length\": 64, \"hash_ids\": [1]}\n{", "line 2"},
		{"{\"hash_ids\": [1]}", "input_length"},
		{"{\"input_length\": -1, \"hash_ids\": []}", "input_length"},
		{"{\"input_length\": 1e3, \"hash_ids\": [1]}", "input_length"},
		{"{\"input_length\": 64}", "hash_ids are not as many"},
		{"{\"input_length\": 64, \"hash_ids\": [1, 2]}", "is --block right?"},
		{"{\"input_length\": 64, \"hash_ids\": [\"a\"]}", "whole numbers"},
		{"{\"input_length\": 64, \"hash_ids\": [1], \"timestamp\": -3}", "timestamp"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct trace t;
		struct kvik_err err;
		assert_int_equal(read_text(&t, wrong[i].text, &err), KVIK_ERR_FORMAT);
		assert_non_null(strstr(err.text, wrong[i].says));
		trace_free(&t);
	}
}

/* ---- A made-up day: conversations that grow under a common beginning, and texts that come once ----------------------- */

enum { REQUESTS = 200, TALKS = 40, COMMON = 2, MOST = 14 };

static uint32_t below(uint64_t *x, uint32_t n)
{
	*x = *x * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*x >> 33) % n;
}

static void make_day(struct trace *t)
{
	char *text = malloc(REQUESTS * 400), *at = text;
	uint32_t turns[TALKS] = {0};
	uint64_t random = 1;
	struct kvik_err err;
	for (uint32_t i = 0; i < REQUESTS; i++) {
		bool once = i % 3 == 0;
		uint32_t who = below(&random, TALKS), n = once ? 3 + below(&random, 8) : COMMON + 1 + turns[who];
		uint32_t tail = below(&random, 2) ? BLOCK - 1 - below(&random, BLOCK - 1) : BLOCK;
		if (!once && n < MOST)
			turns[who]++;
		at += sprintf(at, "{\"timestamp\":%u,\"input_length\":%u,\"hash_ids\":[", i * 1000,
			      (n - 1) * BLOCK + tail);
		for (uint32_t b = 0; b < n; b++) {
			uint32_t name = once ? 100000 + i * 100 + b : b < COMMON ? b : 1000 + who * 100 + b;
			if (b + 1 == n && tail < BLOCK)
				name += 50; /* other text than the whole block */
			at += sprintf(at, "%s%u", b ? "," : "", name);
		}
		at += sprintf(at, "]}\n");
	}
	assert_int_equal(read_text(t, text, &err), 0);
	free(text);
}

/* The first request behind i that has the block. */
static size_t next_use(const struct trace *t, size_t i, uint32_t block)
{
	while (++i < t->n_requests)
		for (uint32_t k = 0; k < t->requests[i].n_blocks; k++)
			if (t->blocks[t->requests[i].first + k] == block)
				return i;
	return i;
}

/* Who leaves is looked for among all: the least recently used, or who is used again last (equally late: the deeper). */
static uint64_t naive_hits(const struct trace *t, uint32_t room, bool knows_future)
{
	uint64_t *used = calloc(t->n_names, sizeof *used), clock = 0, hits = 0; /* used 0: not there */
	uint32_t n = 0, *depth = calloc(t->n_names, sizeof *depth);
	for (size_t i = 0; i < t->n_requests; i++) {
		const struct trace_request *q = &t->requests[i];
		const uint32_t *b = t->blocks + q->first;
		for (uint32_t k = 0; k < q->n_blocks && used[b[k]]; k++)
			hits++;
		for (uint32_t k = q->n_blocks; k-- > 0;) {
			n += used[b[k]] == 0;
			used[b[k]] = ++clock;
			depth[b[k]] = k;
		}
		size_t *next = calloc(t->n_names, sizeof *next);
		for (uint32_t x = 0; x < t->n_names && n > room && knows_future; x++)
			next[x] = used[x] ? next_use(t, i, x) : 0;
		for (; n > room; n--) {
			uint32_t who = UINT32_MAX;
			for (uint32_t x = 0; x < t->n_names; x++) {
				if (!used[x])
					continue;
				bool goes =
					who == UINT32_MAX || (knows_future ? next[x] > next[who] : used[x] < used[who]);
				if (!goes && knows_future && next[x] == next[who])
					goes = depth[x] > depth[who];
				who = goes ? x : who;
			}
			used[who] = 0;
		}
		free(next);
	}
	free(used);
	free(depth);
	return hits;
}

static void test_models(void **state)
{
	static const uint32_t rooms[] = {5, 20, 60, 150, 100000};
	struct trace t;
	struct kvik_err err;
	uint64_t all, lru, best;
	(void)state;
	make_day(&t);
	assert_int_equal(trace_hits_all(&t, &all, &err), 0);
	for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++) {
		assert_int_equal(trace_hits_lru(&t, rooms[i], &lru, &err), 0);
		assert_int_equal(trace_hits_optimal(&t, rooms[i], &best, &err), 0);
		assert_int_equal(lru, naive_hits(&t, rooms[i], false));
		assert_int_equal(best, naive_hits(&t, rooms[i], true));
		assert_true(lru <= best && best <= all);
	}
	assert_int_equal(best, all);
	assert_int_equal(lru, all);
	trace_free(&t);
}

static struct trace_result replay(const struct trace *t, uint32_t blocks, uint32_t disk_blocks)
{
	uint64_t block_bytes = (uint64_t)t->block_tokens * TOKEN_BYTES;
	const struct trace_room room = {.memory_bytes = blocks * block_bytes,
					.disk_bytes = disk_blocks * block_bytes,
					.token_bytes = TOKEN_BYTES,
					.prefill_rate = 100,
					.read_rate = 1e9};
	struct trace_result r;
	struct kvik_err err;
	assert_int_equal(trace_replay(t, &room, &r, &err), 0);
	assert_true(r.bytes_peak <= room.memory_bytes);
	assert_int_equal(r.requests, t->n_requests);
	return r;
}

static void test_cache(void **state)
{
	struct trace t;
	struct kvik_err err;
	uint64_t all, lru, best;
	(void)state;
	make_day(&t);
	assert_int_equal(trace_hits_all(&t, &all, &err), 0);
	struct trace_result r = replay(&t, 20000, 0);
	assert_int_equal(r.blocks_hit, all); /* nothing is lost that there is room for */
	assert_true(r.tokens_read == 0 && r.bytes_written == 0);
	assert_int_equal(trace_hits_lru(&t, 50, &lru, &err), 0);
	assert_int_equal(trace_hits_optimal(&t, 50, &best, &err), 0);
	r = replay(&t, 50, 0);
	print_message("room for 50 of %u blocks: %lu hit, LRU %lu, optimum %lu, all %lu\n", t.n_names, r.blocks_hit,
		      lru, best, all);
	assert_true(r.blocks_hit > lru && r.blocks_hit <= best && best < all);
	r = replay(&t, 50, 20000);
	print_message("and a disk: %lu hit, %lu of %lu tokens read\n", r.blocks_hit, r.tokens_read, r.tokens);
	assert_true(r.blocks_hit * 100 >= all * 95);
	assert_true(r.tokens_read > 0 && r.bytes_read >= r.tokens_read * TOKEN_BYTES && r.bytes_written > 0);
	trace_free(&t);
}

/* Longer than memory: a miss and no error. */
static void test_too_long(void **state)
{
	struct trace t;
	(void)state;
	make_day(&t);
	struct trace_result r = replay(&t, 9, 0);
	assert_true(r.refused > 0 && r.blocks_hit > 0);
	trace_free(&t);
}

static void test_conversations(void **state)
{
	struct trace t;
	struct kvik_err err;
	uint64_t all;
	(void)state;
	assert_int_equal(trace_conversations(&t, 50, 300, 100, 1, &err), 0);
	assert_int_equal(t.n_requests, 150);
	assert_int_equal(t.n_names, 150);
	assert_int_equal(t.n_tokens, 150 * 300);
	assert_int_equal(trace_hits_all(&t, &all, &err), 0);
	assert_int_equal(all, 300);
	struct trace_result r = replay(&t, 45, 2000);
	assert_int_equal(r.blocks_hit, 300); /* the disk has what memory has no room for */
	assert_true(r.tokens_read > 0);
	trace_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_read),     cmocka_unit_test(test_refused),
					   cmocka_unit_test(test_models),   cmocka_unit_test(test_cache),
					   cmocka_unit_test(test_too_long), cmocka_unit_test(test_conversations)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
