/* step.h: the state of one forward pass, as the blocks (blocks.h) and architectures (arch.h) see it. */
#ifndef KVIK_MODEL_STEP_H
#define KVIK_MODEL_STEP_H

#include "model/arch.h"
#include "model/model.h"
#include "model/rope.h"

struct model {
	struct hparams h;
	const struct kernels *kernels;
	struct pool *pool;
	struct weights w;
	struct rope ropes[HPARAMS_ROPES_MAX]; /* as hparams.ropes */
	bool int8;                            /* some matrix takes int8 activations */
};

/* Consecutive tokens of one sequence that lie in one page. */
struct page_run {
	uint32_t seq, token, n; /* token: of the batch */
	uint32_t position;      /* of the first */
};

/* Queries of one kv head that one call of attention takes. */
struct attn_item {
	uint32_t seq, kv_head, token, queries; /* token: of the batch */
	uint32_t position;                     /* of the first */
};

/* Sizes are of tokens_max tokens. */
struct model_work {
	struct region region;
	uint32_t tokens_max, logits_max;
	float *x;         /* [T][dim]: the residual stream */
	float *norm;      /* [T][dim] */
	float *q, *k, *v; /* [T][heads * head_dim] of the widest layer, as those below */
	float *attn;      /* [T][heads * head_dim] */
	float *delta;     /* [T][dim]: what a block adds */
	float *gate, *up; /* [T][ffn_dim] */
	float *cos_row[HPARAMS_ROPES_MAX], *sin_row[HPARAMS_ROPES_MAX]; /* [T][dim / 2] of each rope */
	int8_t *act_q; /* of the widest int8 activations: see struct act */
	float *act_scale;
	int32_t *act_sum16;
	struct page_run *runs;   /* [T] */
	struct attn_item *items; /* [T * kv_heads] */
	uint8_t *scratch;        /* [threads] of scratch_bytes */
	size_t scratch_bytes;
};

struct step {
	const struct model *m;
	struct model_work *w;
	const struct model_batch *b;
	uint32_t n_runs;
	uint32_t n_items, item_heads, item_kv_heads; /* for layers of this shape */
	uint32_t layer;
	const struct layer_spec *spec; /* of the layer */
};

#endif
