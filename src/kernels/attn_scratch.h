/* attn_scratch.h: the working memory of one call of attention, carved from the caller's buffer. */
#ifndef KVIK_KERNELS_ATTN_SCRATCH_H
#define KVIK_KERNELS_ATTN_SCRATCH_H

#include "kernels/kernels.h"

enum { ATTN_HEAD_DIM_MAX = KV_HEAD_DIM_MAX };

/* What is known of a row after some segments. */
struct attn_row {
	float max, sum; /* of the segments so far; sum 0: none was visible */
	float old, new; /* weights of the outputs before and of this segment; unless first */
	bool first;     /* this segment is the first visible one */
	bool seen;      /* this segment has a visible position */
};

struct attn_scratch {
	uint32_t dims;        /* head_dim rounded up to whole vectors, or (V in int4) groups */
	float *room;          /* [ATTN_SEGMENT][dims]: V in f32, only where dims is not head_dim, or V is K */
	float *scores;        /* [rows][ATTN_SEGMENT], then the weights */
	float *scaled;        /* V in int4: [groups][rows][ATTN_SEGMENT] weights times scales */
	float *minima;        /* V in int4: [rows][groups] sums of weights times minima */
	float *rotated;       /* K in int4: [rows][head_dim] the queries as the keys are stored */
	float *q_sums;        /* K in int4: [rows][groups] sums of the queries' dims */
	float *out;           /* [rows][dims]: of all segments so far, not yet divided by the sum */
	struct attn_row *row; /* [rows] */
	const float **q;      /* [rows] */
	uint16_t *mask;       /* [queries][pages of a segment] */
};

/* Floats of a row's weighted values: head_dim rounded up to whole vectors, or (V in int4) groups. A part has its
 * maximum and its sum (0: nothing seen) behind them. */
uint32_t attn_dims(const struct kv_layout *l);

/* Sets the pointers (memory: 64-byte aligned, attn_scratch_bytes()) and clears the rows. */
void attn_scratch_carve(struct attn_scratch *s, void *memory, uint32_t rows, const struct kv_layout *l);

#endif
