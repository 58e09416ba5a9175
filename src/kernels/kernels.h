/* kernels.h: the arithmetic of a forward pass as one table of functions per CPU level.
 *
 * The scalar functions are the specification; every level performs the same IEEE operations per output and so gives the
 * same bits (docs/DESIGN.md 5). A function writes only its outputs, allocates nothing and cannot fail. Any thread. */
#ifndef KVIK_KERNELS_KERNELS_H
#define KVIK_KERNELS_KERNELS_H

#include "base/err.h"
#include "base/page_table.h"
#include "kernels/recurrent_layout.h"
#include "kernels/kv_layout.h"
#include "kernels/mat.h"

/* Names the arithmetic: within one id the same model, tokens, KV dtypes and window give the same bits, whatever
 * computes them. tests/engine/hashes.txt is keyed by it; who changes a bit changes the id, and says why there. */
#define NUMERICS_ID "cpu-1"

/* Activations of a batch as a product takes them: f32 for float forms, int8 blocks of 32 for integer forms. The int8
 * arrays are laid out for groups of tokens that are computed together: [group of tokens][block][token of the group], so
 * that one group's blocks are one stream. A group has act_group(tokens) tokens; the last one's room is never cut. */
struct act {
	const float *x; /* [tokens][cols]; may be NULL once the int8 arrays are made */
	int8_t *q;      /* [groups][cols / 32][tokens of a group][32], or NULL where only float forms are met */
	float *scale;   /* [groups][cols / 32][tokens of a group] */
	int32_t *sum16; /* [groups][cols / 16][tokens of a group]: sums of 16 codes */
	uint32_t tokens, cols;
};

#define ACT_GROUP 8 /* tokens of a group at most */

static inline uint32_t act_group(uint32_t tokens)
{
	return tokens < ACT_GROUP ? tokens : ACT_GROUP;
}

/* Tokens that the int8 arrays need room for. */
static inline uint32_t act_rows(uint32_t tokens)
{
	uint32_t group = act_group(tokens);
	return group ? (tokens + group - 1) / group * group : 0;
}

/* One sequence's queries against the pages of one layer and one kv head. */
struct attn {
	const struct kv_layout *layout;
	struct page_table pages;  /* block -> page of tokens block * page_tokens ..; none where nothing is attended */
	struct page_area area;    /* that the pages lie in */
	uint32_t layer, kv_head;  /* within the layout's group */
	const float *q;           /* query i, head h of the group: q + i * q_stride + h * head_dim */
	float *out;               /* the same shape and stride as q */
	size_t q_stride;          /* floats from one query to the next */
	uint32_t heads;           /* query heads that share this kv head */
	uint32_t queries;         /* consecutive positions */
	uint32_t position;        /* absolute position of query 0; it sees itself and what lies before */
	uint32_t window;          /* a query sees the last so many positions, its own included; 0 = all */
	uint32_t sinks;           /* with a window: the first so many positions stay visible */
	float scale;              /* of the scores */
	float soft_cap;           /* scores become soft_cap * tanh(score / soft_cap); 0 = they stay */
	const float *sink_logits; /* [heads] a logit that takes part in the softmax and has no value; NULL = none */
	void *scratch;            /* attn_scratch_bytes(), 64-byte aligned, one per thread */
};
/* heads * queries of one call may not exceed this, unless queries is 1. */
#define ATTN_ROWS_MAX 64
/* shared: some layout is. */
size_t attn_scratch_bytes(uint32_t heads, uint32_t head_dim, bool shared);
/* Positions are cut into segments at multiples of this; what a row sees in one of them is a part: its maximum, sum and
 * weighted values. Parts of a row, merged in ascending order, give the bits of one call over all of them. */
#define ATTN_SEGMENT 256
/* Floats that a part of a row takes, whatever the dtypes; 64-byte aligned parts of one array. */
size_t attn_part_floats(uint32_t head_dim);

/* A causal convolution of each channel with its own weights over consecutive tokens of one sequence: an fma chain over the
 * taps, the oldest first. */
struct conv {
	const float *weight; /* [taps][channels], the last tap being the token's own */
	const float *bias;   /* [channels] or NULL: where the chain begins, else at zero */
	float *state; /* [taps - 1][channels]: the inputs before these tokens, the oldest first; becomes those at their end */
	float *x;      /* of token 0: [channels]: inputs; outputs take their place */
	size_t stride; /* floats of x from one token to the next */
	bool silu;     /* of the outputs */
	uint32_t taps; /* 2..CONV_TAPS_MAX */
	uint32_t channels, tokens;
};

/* The gated delta rule (arXiv 2412.06464) of one head over consecutive tokens: per token, in their order,
 *     change = beta (v - decay state^T k)
 *     state = decay state + k change^T
 *     out = state^T q
 * A lane owns a value dim: its sums are fma chains over the key dims, ascending, from zero. `adds`: the recurrence of a
 * state space model, where
 *     change = beta v
 *     out = state^T q + skip v */
struct delta {
	const float *q, *k, *v; /* of token 0: [k_dim], [k_dim], [v_dim]; floats from one token to the next: stride */
	const float *decay, *beta; /* of token 0; from one to the next: gate_stride */
	float *out;                /* of token 0: [v_dim]; from one to the next: out_stride */
	size_t stride, gate_stride, out_stride;
	float *state; /* [tiles of 16 value dims][k_dim][16]: see recurrent_layout.h */
	uint32_t tokens, k_dim, v_dim;
	bool adds;
	float skip;
};

struct kernels {
	const char *name; /* "scalar", "avx2", "avx512" */

	/* out[t * out_stride + row] for the rows of tiles tile..tile_end (MAT_TILE_ROWS each). */
	void (*mat_mul)(const struct mat *m, const struct act *a, uint32_t tile, uint32_t tile_end, float *out,
			size_t out_stride);
	/* One token's row of x to int8, into q, scale and sum16; cols a multiple of 32. */
	void (*act_quantize)(const struct act *a, uint32_t token);

	/* out may be x; weight NULL: 1 for all */
	void (*rms_norm)(const float *x, const float *weight, float eps, uint32_t n, float *out);
	void (*add)(float *x, const float *y, uint32_t n); /* x += y */
	/* out = act(gate) * up; out may be gate. SiLU; GELU in its tanh form; gpt-oss' clamped SwiGLU, where it is
	 * g * sigmoid(1.702 g) * (u + 1) with g = min(gate, 7), u = up within -7..7. */
	void (*silu_mul)(const float *gate, const float *up, uint32_t n, float *out);
	void (*gelu_mul)(const float *gate, const float *up, uint32_t n, float *out);
	void (*clamped_mul)(const float *gate, const float *up, uint32_t n, float *out);
	void (*soft_cap)(float *x, float cap, uint32_t n); /* x = cap * tanh(x / cap) */
	/* Rotates dims 0..rope_dim of each head in place, half-split: pairs (i, i + rope_dim / 2);
	 * cos, sin: [rope_dim / 2]. */
	void (*rope)(float *x, uint32_t heads, uint32_t head_dim, uint32_t rope_dim, const float *cos_row,
		     const float *sin_row);

	/* Stores one token's K and V ([kv_heads][head_dim] each; of a shared layout only K) of a layer into slot (0..page_tokens-1) of a page. */
	void (*kv_write)(const struct kv_layout *l, uint8_t *page, uint32_t layer, uint32_t slot, const float *k,
			 const float *v);
	void (*attention)(const struct attn *a);
	/* The parts of segments first..end-1 of the call: parts[segment - first][row][attn_part_floats], row being
	 * query * heads + head. a->out is not used. */
	void (*attention_parts)(const struct attn *a, uint32_t first, uint32_t end, float *parts);
	/* Takes n parts of one row, `stride` floats apart, into the row's state: a part of all before, zeroed at first. */
	void (*attention_merge)(const struct kv_layout *l, const float *parts, size_t stride, uint32_t n, float *state);
	/* The row's output [head_dim] when its last part is in; sink: of the row's head, or NULL. */
	void (*attention_finish)(const struct kv_layout *l, const float *state, const float *sink, float *out);

	void (*l2_norm)(float *x, float eps, float scale, uint32_t n);    /* x = scale x / sqrt(|x|^2 + eps) */
	void (*sigmoid_mul)(float *x, const float *gate, uint32_t n);     /* x *= sigmoid(gate) */
	void (*conv)(const struct conv *c, uint32_t first, uint32_t end); /* channels first..end-1 */
	void (*delta)(const struct delta *d);
};

/* level: "scalar", "avx2", "avx512", or NULL for the best this CPU has. ARG: unknown, or not on this CPU. */
int kernels_select(const struct kernels **out, const char *level, struct kvik_err *err) MUST_CHECK;

#endif
