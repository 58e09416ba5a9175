/* attn_scratch.h: the working memory of one call of attention, carved from the caller's buffer. */
#ifndef KVIK_KERNELS_ATTN_SCRATCH_H
#define KVIK_KERNELS_ATTN_SCRATCH_H

#include "kernels/kernels.h"

enum { ATTN_SEGMENT = 256, ATTN_HEAD_DIM_MAX = 512 };

struct attn_scratch {
	uint32_t dims;              /* head_dim rounded up to whole vectors */
	float *room;                /* [dims][16]: a page's K or V in f32 */
	float *tight;               /* the same before rows are padded */
	float *scores;              /* [rows][ATTN_SEGMENT], then the weights */
	float *part, *out;          /* [rows][dims]: of the segment, and of all so far; not yet divided by sum */
	float *part_max, *part_sum; /* [rows] */
	float *max, *sum;           /* [rows] */
	const float **q;            /* [rows] */
	uint16_t *mask;             /* [rows][pages of a segment] */
	bool *seen;                 /* [rows]: the segment has a visible position */
	uint32_t any[ATTN_SEGMENT / KV_PAGE_TOKENS]; /* positions of the page that any row sees */
};

/* Sets the pointers (memory: 64-byte aligned, attn_scratch_bytes()) and zeroes sum. */
void attn_scratch_carve(struct attn_scratch *s, void *memory, uint32_t rows, uint32_t head_dim);

#endif
