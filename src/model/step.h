/* step.h: the state of one forward pass, as the blocks (blocks.h) and architectures (arch.h) see it. */
#ifndef KVIK_MODEL_STEP_H
#define KVIK_MODEL_STEP_H

#include "model/arch.h"
#include "model/attn_plan.h"
#include "model/model.h"
#include "model/rope.h"

struct model {
	struct hparams h;
	const struct kernels *kernels;
	struct device *device;
	struct weights w;
	struct rope ropes[HPARAMS_ROPES_MAX]; /* as hparams.ropes */
	bool int8;                            /* some matrix takes int8 activations */
};

/* Consecutive tokens of one sequence that lie in one page. */
struct page_run {
	uint32_t seq, token, n; /* token: of the batch */
	uint32_t position;      /* of the first */
};

/* Of layers with experts; see experts.c. */
struct experts_work {
	float *logits;            /* [T][experts] of the router */
	struct expert_choice *of; /* [T][used]: of a token, the likeliest first */
	uint32_t *first;          /* [experts + 1]: where an expert's tokens begin */
	struct expert_choice *by; /* [T * used]: by expert, then token */
	float *in, *out;          /* [T][dim]: the tokens of one expert */
};

/* A token's use of an expert. */
struct expert_choice {
	uint32_t expert, token;
	float weight;
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
	struct experts_work experts;
	float *cos_row[HPARAMS_ROPES_MAX], *sin_row[HPARAMS_ROPES_MAX]; /* [T][dim / 2] of each rope */
	int8_t *act_q; /* of the widest int8 activations: see struct act */
	float *act_scale;
	int32_t *act_sum16;
	struct page_run *runs; /* [T] */
	struct attn_plan plan;
	float *parts;      /* [part_slots][part_floats]: of cut blocks of attention, see attn_plan.h */
	float *part_state; /* [cut blocks][part_rows][part_floats] */
	uint32_t part_slots, part_rows;
	size_t part_floats;
	uint8_t *scratch; /* [threads] of scratch_bytes */
	size_t scratch_bytes;
};

struct step {
	const struct model *m;
	struct model_work *w;
	const struct model_batch *b;
	uint32_t n_runs;
	bool planned; /* work.plan is of these sequences */
	uint32_t layer;
	const struct layer_spec *spec; /* of the layer */
};

#endif
