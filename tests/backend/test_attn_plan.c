/* test_attn_plan.c: the division of attention among threads: every segment of every query once, in ascending order,
 * within the memory there is; threads that are kept busy, by count. The seed is printed; KVIK_SEED repeats a run. */
#include "../kernels/check.h"

#include "backend/cpu/attn_plan.h"

enum { SEQS_MAX = 24, THREADS_MAX = 64 };

struct room {
	struct attn_plan plan;
	uint32_t items_max, split_max;
};

static void room_new(struct room *r, const struct attn_shape *s, uint32_t tokens)
{
	r->items_max = attn_items_max(tokens, s->kv_heads, s->threads);
	r->split_max = attn_split_max(s->threads);
	r->plan.blocks = calloc(attn_blocks_max(tokens, s->kv_heads), sizeof *r->plan.blocks);
	r->plan.items = calloc(r->items_max, sizeof *r->plan.items);
	r->plan.merges = calloc(r->split_max, sizeof *r->plan.merges);
}

static void room_free(struct room *r)
{
	free(r->plan.blocks);
	free(r->plan.items);
	free(r->plan.merges);
}

/* Segments of the waves' items must follow each other; parts must not share a slot. */
static void check_waves(struct room *r)
{
	struct attn_plan *p = &r->plan;
	uint32_t *done = calloc(p->n_blocks, sizeof *done); /* the segment that is next */
	uint8_t *used = calloc(p->shape.slots, 1);
	for (uint32_t i = 0; i < p->n_blocks; i++)
		done[i] = p->blocks[i].first;
	while (attn_plan_wave(p)) {
		assert_true(p->n_items <= r->items_max && p->n_merges <= r->split_max);
		memset(used, 0, p->shape.slots);
		for (uint32_t i = 0; i < p->n_items; i++) {
			const struct attn_item *it = &p->items[i];
			const struct attn_block *b = &p->blocks[it->block];
			uint32_t rows = b->queries * p->shape.heads;
			assert_true(it->first == done[it->block] && it->first < it->end && it->end <= b->end);
			done[it->block] = it->end;
			for (uint32_t k = 0; b->piece && k < (it->end - it->first) * rows; k++) {
				assert_true(it->slot + k < p->shape.slots && !used[it->slot + k]);
				used[it->slot + k] = 1;
			}
		}
		uint32_t rows = 0;
		for (uint32_t i = 0; i < p->n_merges; i++) {
			const struct attn_merge *m = &p->merges[i];
			const struct attn_block *b = &p->blocks[m->block];
			assert_true(b->piece && b->split < r->split_max && m->row == rows);
			assert_true(m->finishes == (done[m->block] == b->end));
			assert_true(m->begins == (done[m->block] - m->segments == b->first));
			rows += b->queries * p->shape.heads;
		}
		assert_int_equal(rows, p->merge_rows);
	}
	for (uint32_t i = 0; i < p->n_blocks; i++)
		assert_int_equal(done[i], p->blocks[i].end);
	free(done);
	free(used);
}

static void every_segment_once(void **state)
{
	(void)state;
	static const uint32_t windows[] = {0, 0, 1, 300, 4096}, threads[] = {1, 2, 3, 16, 64};
	for (int round = 0; round < 2000; round++) {
		struct batch_seq seqs[SEQS_MAX] = {0};
		struct room r = {0};
		uint32_t n = 1 + random_below(SEQS_MAX), tokens = 0, covered = 0;
		struct attn_shape s = {.threads = threads[random_below(5)],
				       .heads = 1 + random_below(random_below(4) ? 8 : 100),
				       .kv_heads = 1 + random_below(8),
				       .window = windows[random_below(5)],
				       .sinks = random_below(2) * random_below(300)};
		s.slots = attn_rows_max(s.heads) + random_below(2) * random_below(4000);
		for (uint32_t i = 0; i < n; i++) {
			seqs[i].position = random_below(random_below(3) ? 2000 : 100000);
			seqs[i].n_tokens = random_below(2) ? 1 : 1 + random_below(200);
			tokens += seqs[i].n_tokens;
		}
		room_new(&r, &s, tokens);
		attn_plan_make(&r.plan, &s, seqs, n);
		for (uint32_t i = 0; i < r.plan.n_blocks; i++)
			covered += r.plan.blocks[i].queries;
		assert_int_equal(covered, tokens * s.kv_heads);
		check_waves(&r);
		attn_plan_begin(&r.plan); /* another layer */
		check_waves(&r);
		room_free(&r);
	}
}

/* The part of the threads' time that is work, each taking the next item when it is free; an item takes its
 * positions. */
static double busy(const struct attn_shape *s, const struct batch_seq *seqs, uint32_t n, uint32_t tokens)
{
	struct room r = {0};
	uint64_t total = 0, all = 0;
	room_new(&r, s, tokens);
	attn_plan_make(&r.plan, s, seqs, n);
	while (attn_plan_wave(&r.plan)) {
		uint64_t ends[THREADS_MAX] = {0}, last = 0;
		for (uint32_t i = 0; i < r.plan.n_items; i++) {
			const struct attn_item *it = &r.plan.items[i];
			const struct attn_block *b = &r.plan.blocks[it->block];
			uint64_t seen = b->position + b->queries, from = (uint64_t)it->first * ATTN_SEGMENT;
			uint64_t to = (uint64_t)it->end * ATTN_SEGMENT < seen ? (uint64_t)it->end * ATTN_SEGMENT : seen;
			uint32_t free_thread = 0;
			for (uint32_t t = 1; t < s->threads; t++)
				if (ends[t] < ends[free_thread])
					free_thread = t;
			ends[free_thread] += to - from;
			total += to - from;
			last = ends[free_thread] > last ? ends[free_thread] : last;
		}
		all += last * s->threads;
	}
	room_free(&r);
	return (double)total / (double)all;
}

static void one_stream_keeps_all_threads_busy(void **state)
{
	(void)state;
	static const struct {
		uint32_t threads, heads, kv_heads, position;
		double least;
	} cases[] = {
		{16, 8, 1, 8191, 0.95}, /* a model with one kv head at depth 8192 */
		{16, 8, 1, 8192, 0.95}, {16, 7, 2, 8191, 0.95}, {16, 4, 8, 8191, 0.95}, {16, 128, 1, 65535, 0.95},
		{2, 8, 1, 8191, 0.95},  {2, 4, 8, 8191, 0.95},  {3, 4, 8, 8191, 0.85},  {64, 8, 1, 131071, 0.95},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct batch_seq q = {.position = cases[i].position, .n_tokens = 1};
		struct attn_shape s = {.threads = cases[i].threads,
				       .heads = cases[i].heads,
				       .kv_heads = cases[i].kv_heads,
				       .slots = cases[i].threads * 512};
		double got = busy(&s, &q, 1, 1);
		if (got < cases[i].least)
			fail_msg("case %zu: %u threads are busy to %.2f", i, cases[i].threads, got);
	}
}

/* A long text beside short ones. */
static void unequal_streams_share(void **state)
{
	(void)state;
	struct batch_seq q[8] = {{.position = 60000, .n_tokens = 1}};
	for (int i = 1; i < 8; i++)
		q[i] = (struct batch_seq){.position = 500, .n_tokens = 1};
	struct attn_shape s = {.threads = 4, .heads = 4, .kv_heads = 2, .slots = 2048};
	assert_true(busy(&s, q, 8, 8) > 0.9);
}

/* Parts cost a little: where whole blocks do, nothing is cut. */
static void what_is_even_stays_whole(void **state)
{
	(void)state;
	struct batch_seq q = {.position = 8191, .n_tokens = 1}, many = {.position = 4096, .n_tokens = 512};
	struct attn_shape s = {.threads = 2, .heads = 4, .kv_heads = 8, .slots = 1024};
	struct room r = {0};
	room_new(&r, &s, 512);
	attn_plan_make(&r.plan, &s, &q, 1);
	assert_int_equal(r.plan.n_split, 0);
	attn_plan_make(&r.plan, &s, &many, 1);
	assert_int_equal(r.plan.n_split, 0);
	q.position = 100; /* one segment cannot be cut */
	attn_plan_make(&r.plan, &s, &q, 1);
	assert_int_equal(r.plan.n_split, 0);
	room_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_segment_once),
		cmocka_unit_test(one_stream_keeps_all_threads_busy),
		cmocka_unit_test(unequal_streams_share),
		cmocka_unit_test(what_is_even_stays_whole),
	};
	random_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
