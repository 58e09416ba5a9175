/* attn_plan.h: how the attention of a layer is divided among threads; pure, so that a test can count.
 *
 * A block is some queries of one kv head of one sequence: one call of the kernel, which reads each page once for all of
 * them. Where blocks are too few or too unequal to keep all threads busy (one stream of a model with one kv head; one
 * long text beside short ones), the large ones are cut into runs of the fixed segments of positions (ATTN_SEGMENT). The
 * parts of a row are then merged in ascending order, so its bits do not tell.
 *
 * Parts take memory: the work comes in waves, each of as many parts as there are slots; after a wave its parts go into
 * the states of their rows. A layer without cut blocks has one wave and no parts. Owner: the step. */
#ifndef KVIK_BACKEND_CPU_ATTN_PLAN_H
#define KVIK_BACKEND_CPU_ATTN_PLAN_H

#include "backend/backend.h"
#include "kernels/kernels.h"

struct attn_block {
	uint32_t seq, kv_head;
	uint32_t token, queries; /* token: of the batch */
	uint32_t position;       /* of the first query */
	uint32_t first, end;     /* segments that it sees */
	uint32_t piece;          /* segments of an item; 0: it stays whole */
	uint32_t split;          /* its number among the cut blocks */
};

/* What a thread takes at once: a whole block, or some of its segments. */
struct attn_item {
	uint32_t block;
	uint32_t first, end; /* segments */
	uint32_t slot;       /* of the first part, which are [segment][row of the block] */
};

/* The parts of a cut block in a wave. */
struct attn_merge {
	uint32_t block, slot, segments;
	uint32_t row;          /* rows of the wave's merges before */
	bool begins, finishes; /* the block */
};

struct attn_shape {
	uint32_t threads;
	uint32_t heads, kv_heads; /* heads: query heads of a kv head */
	uint32_t window, sinks;
	uint32_t slots; /* parts that a wave may have; at least attn_rows_max(heads) */
};

struct attn_plan {
	struct attn_shape shape;
	struct attn_block *blocks; /* [attn_blocks_max] */
	uint32_t n_blocks, n_split;
	/* The wave at hand. */
	struct attn_item *items;                          /* [attn_items_max] */
	struct attn_merge *merges;                        /* [attn_split_max] */
	uint32_t n_items, n_pieces, n_merges, merge_rows; /* pieces: items of cut blocks */
	/* Where the next one begins. */
	uint32_t block, segment;
};

uint32_t attn_blocks_max(uint32_t tokens, uint32_t kv_heads);
uint32_t attn_items_max(uint32_t tokens, uint32_t kv_heads, uint32_t threads);
uint32_t attn_split_max(uint32_t threads);
/* Rows of a block at most. */
uint32_t attn_rows_max(uint32_t heads);

/* The blocks of these sequences; the arrays of p must be there. */
void attn_plan_make(struct attn_plan *p, const struct attn_shape *shape, const struct batch_seq *seqs, uint32_t n_seqs);
/* Back to the first wave. */
void attn_plan_begin(struct attn_plan *p);
/* The next wave; false: there is none. */
bool attn_plan_wave(struct attn_plan *p);

#endif
