/* step.h: the state of one forward pass, as the blocks (blocks.h) and architectures (arch.h) see it. Nothing here lies in
 * memory that the host may read: buffers are handles (backend.h), and what is done with them the backend does. */
#ifndef KVIK_MODEL_STEP_H
#define KVIK_MODEL_STEP_H

#include "model/arch.h"
#include "model/model.h"
#include "model/rope.h"

struct model {
	struct hparams h;
	const struct backend *backend;
	struct device *device;
	struct weights w;
	struct rope ropes[HPARAMS_ROPES_MAX]; /* as hparams.ropes */
	bool int8;
};

/* Sizes are of tokens_max tokens, T; of the widest layer. */
struct model_work {
	const struct backend *backend;
	struct dev_work *dev;
	uint32_t tokens_max, logits_max;
	struct dev_f32 *x;         /* [T][dim]: the residual stream */
	struct dev_f32 *norm;      /* [T, or logits_max][dim] */
	struct dev_f32 *q, *k, *v; /* [T][heads * head_dim] */
	struct dev_f32 *attn;      /* [T][heads * head_dim] */
	struct dev_f32 *attn_gate; /* the same, of gated attention */
	/* Of gated delta nets, in the place of q, k, v and attn, a layer being one or the other; see struct delta_call. */
	struct dev_f32 *qkv, *delta_gate, *delta_out, *alpha, *beta;
	struct dev_f32 *delta;     /* [T][dim]: what a block adds */
	struct dev_f32 *gate, *up; /* [T][ffn_dim] */
	struct dev_f32 *beside;    /* [T][dim], where feed-forwards are beside each other */
	struct dev_f32 *embedded;  /* [T][dim]: as x began, and */
	struct dev_f32 *ple;       /* [T][ple_dim], where layers have embeddings of their own */
	struct dev_f32 *cos_row[HPARAMS_ROPES_MAX], *sin_row[HPARAMS_ROPES_MAX]; /* [T][dim / 2] of each rope */
	float *angles; /* the host's, owned: [2][T][dim / 2] of each rope, cosines, then sines */
};

struct step {
	const struct model *m;
	const struct backend *backend;
	struct dev_work *dev; /* w's, which all functions of the backend take */
	struct model_work *w;
	const struct model_batch *b;
	uint32_t layer;
	const struct layer_spec *spec; /* of the layer */
};

#endif
