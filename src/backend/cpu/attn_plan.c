/* attn_plan.c: see attn_plan.h. Costs are counted in segments times what a segment takes: a share that does not depend
 * on the rows (reading K and V) and one that does. */
#include "backend/cpu/attn_plan.h"

enum { PIECES_PER_THREAD = 4, READ_COST = 8 };

uint32_t attn_blocks_max(uint32_t tokens, uint32_t kv_heads)
{
	return tokens * kv_heads;
}

/* Of a wave: enough that the last ones to finish do not show. */
static uint32_t pieces_max(uint32_t threads)
{
	return 4 * PIECES_PER_THREAD * threads;
}

uint32_t attn_items_max(uint32_t tokens, uint32_t kv_heads, uint32_t threads)
{
	return attn_blocks_max(tokens, kv_heads) + pieces_max(threads);
}

/* Each takes more than 1 / (PIECES_PER_THREAD * threads) of all. */
uint32_t attn_split_max(uint32_t threads)
{
	return PIECES_PER_THREAD * threads;
}

uint32_t attn_rows_max(uint32_t heads)
{
	return heads < ATTN_ROWS_MAX ? ATTN_ROWS_MAX : heads;
}

/* ---- Blocks ------------------------------------------------------------------------------------------------------ */

static uint32_t rows_of(const struct attn_plan *p, const struct attn_block *b)
{
	return b->queries * p->shape.heads;
}

/* The first position that the block's first query sees through the window. */
static uint32_t window_start(const struct attn_plan *p, const struct attn_block *b)
{
	uint32_t window = p->shape.window;
	return window && b->position + 1 > window ? b->position + 1 - window : 0;
}

/* Between the sinks and the window lie segments that nobody sees. */
static bool has_gap(const struct attn_plan *p, const struct attn_block *b)
{
	return p->shape.sinks > 0 && window_start(p, b) > p->shape.sinks;
}

static uint64_t cost_of(const struct attn_plan *p, const struct attn_block *b)
{
	uint32_t segments = b->end - window_start(p, b) / ATTN_SEGMENT;
	return (uint64_t)segments * (READ_COST + rows_of(p, b));
}

static void add_blocks(struct attn_plan *p, uint32_t seq, const struct batch_seq *q, uint32_t token)
{
	uint32_t heads = p->shape.heads, most = heads < ATTN_ROWS_MAX ? ATTN_ROWS_MAX / heads : 1;
	for (uint32_t done = 0; done < q->n_tokens; done += most) {
		uint32_t left = q->n_tokens - done;
		struct attn_block b = {.seq = seq,
				       .token = token + done,
				       .queries = left < most ? left : most,
				       .position = q->position + done};
		b.first = has_gap(p, &b) ? 0 : window_start(p, &b) / ATTN_SEGMENT;
		b.end = (b.position + b.queries - 1) / ATTN_SEGMENT + 1;
		for (b.kv_head = 0; b.kv_head < p->shape.kv_heads; b.kv_head++)
			p->blocks[p->n_blocks++] = b;
	}
}

/* ---- Cutting ----------------------------------------------------------------------------------------------------- */

/* When the last thread is done, if each takes the next whole block when it is free. */
static uint64_t whole_time(const struct attn_plan *p)
{
	uint64_t busy[POOL_THREADS_MAX] = {0}, end = 0;
	for (uint32_t i = 0; i < p->n_blocks; i++) {
		uint32_t least = 0;
		for (uint32_t t = 1; t < p->shape.threads; t++)
			if (busy[t] < busy[least])
				least = t;
		busy[least] += cost_of(p, &p->blocks[i]);
		end = busy[least] > end ? busy[least] : end;
	}
	return end;
}

/* Whether whole blocks keep the threads busy to nine tenths. */
static bool is_even(const struct attn_plan *p, uint64_t total, uint64_t largest)
{
	uint64_t threads = p->shape.threads;
	return threads == 1 || largest * threads * PIECES_PER_THREAD <= total ||
	       whole_time(p) * threads * 9 <= total * 10;
}

static void cut_block(struct attn_plan *p, struct attn_block *b, uint64_t share)
{
	uint32_t rows = rows_of(p, b), fits = p->shape.slots / (rows * p->shape.threads);
	uint64_t piece = share / (READ_COST + rows);
	if (piece > fits)
		piece = fits;
	b->piece = piece > 0 ? (uint32_t)piece : 1;
	b->split = p->n_split++;
}

void attn_plan_make(struct attn_plan *p, const struct attn_shape *shape, const struct batch_seq *seqs, uint32_t n_seqs)
{
	uint64_t total = 0, largest = 0;
	uint32_t token = 0;
	p->shape = *shape;
	p->n_blocks = p->n_split = 0;
	for (uint32_t i = 0; i < n_seqs; token += seqs[i++].n_tokens)
		add_blocks(p, i, &seqs[i], token);
	for (uint32_t i = 0; i < p->n_blocks; i++) {
		uint64_t cost = cost_of(p, &p->blocks[i]);
		total += cost;
		largest = cost > largest ? cost : largest;
	}
	uint64_t share = total / (PIECES_PER_THREAD * shape->threads);
	bool even = is_even(p, total, largest);
	for (uint32_t i = 0; i < p->n_blocks && !even; i++) {
		struct attn_block *b = &p->blocks[i];
		if (cost_of(p, b) > share && b->end - b->first > 1 && !has_gap(p, b))
			cut_block(p, b, share);
	}
	attn_plan_begin(p);
}

/* ---- Waves ------------------------------------------------------------------------------------------------------- */

void attn_plan_begin(struct attn_plan *p)
{
	p->block = 0;
	p->segment = p->n_blocks ? p->blocks[0].first : 0;
}

static void next_block(struct attn_plan *p)
{
	p->block++;
	if (p->block < p->n_blocks)
		p->segment = p->blocks[p->block].first;
}

/* As much of the cut block at hand as there are slots for; false: there are none left. */
static bool take_pieces(struct attn_plan *p, uint32_t *slot)
{
	const struct attn_block *b = &p->blocks[p->block];
	uint32_t rows = rows_of(p, b), from = p->segment;
	struct attn_merge m = {.block = p->block, .slot = *slot, .row = p->merge_rows, .begins = from == b->first};
	while (p->segment < b->end && p->n_pieces < pieces_max(p->shape.threads)) {
		uint32_t left = b->end - p->segment, n = b->piece < left ? b->piece : left;
		uint32_t room = (p->shape.slots - *slot) / rows;
		n = n < room ? n : room;
		if (n == 0)
			break;
		p->items[p->n_items++] = (struct attn_item){p->block, p->segment, p->segment + n, *slot};
		p->n_pieces++;
		*slot += n * rows;
		p->segment += n;
	}
	m.segments = p->segment - from;
	m.finishes = p->segment == b->end;
	if (m.segments > 0) {
		p->merges[p->n_merges++] = m;
		p->merge_rows += rows;
	}
	if (m.finishes)
		next_block(p);
	return m.finishes;
}

bool attn_plan_wave(struct attn_plan *p)
{
	uint32_t slot = 0;
	p->n_items = p->n_pieces = p->n_merges = p->merge_rows = 0;
	while (p->block < p->n_blocks) {
		const struct attn_block *b = &p->blocks[p->block];
		if (b->piece == 0) {
			p->items[p->n_items++] = (struct attn_item){p->block, b->first, b->end, 0};
			next_block(p);
		} else if (!take_pieces(p, &slot)) {
			break;
		}
	}
	return p->n_items > 0;
}
