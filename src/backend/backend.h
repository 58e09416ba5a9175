/* backend.h: what a device must be able to do so that models run on it: a table of functions at the level of blocks (a
 * norm, a product, the attention of a layer), not of kernels. The CPU (cpu/) is one; README.md says what another has to
 * supply.
 *
 * Memory of a device is known above by handles: pointers to types that are defined nowhere, so that the compiler refuses
 * what the host must not do, to read or write behind them. A handle to floats can be moved by dev_at and is otherwise
 * only handed back. Everything that is not a handle is the host's memory.
 *
 * Order: calls on the works of a device happen one after the other, as they are made; they may still be under way when
 * a call returns. The structs of a call are read before it returns; the arrays of the host that it names stay until
 * `end`, and what goes to the host is there after `end`.
 *
 * Thread: whoever holds the device (model/device.h); sizes (mat_bytes, work_bytes) any. No function of a step fails or
 * allocates. */
#ifndef KVIK_BACKEND_BACKEND_H
#define KVIK_BACKEND_BACKEND_H

#include "base/pool.h"
#include "base/wtype.h"
#include "kernels/recurrent_layout.h"
#include "kernels/kv_layout.h"
#include "kv/kv.h"

struct dev;         /* an open device */
struct dev_weights; /* the parameters of a model */
struct dev_pages;   /* the pages of a cache */
struct dev_work;    /* the buffers of steps */
struct dev_mat;     /* a matrix of weights */
struct dev_f32;     /* floats */

/* So many floats further; x NULL: a size in the making. */
static inline struct dev_f32 *dev_at(const struct dev_f32 *x, size_t floats)
{
	return (struct dev_f32 *)((uintptr_t)x + floats * sizeof(float));
}

/* ---- Weights ----------------------------------------------------------------------------------------------------- */

struct mat_desc {
	enum wtype type; /* of the stored rows */
	uint32_t rows, cols;
	bool int8; /* integer types meet int8 activations; else they are expanded to f32 */
};

/* Where a matrix comes from: rows as they are stored, in the order in which a product gives their outputs. */
struct mat_rows {
	/* Row r, where it lies or written to `room`, room_bytes of the backend's that it keeps for this row until it has
	 * taken it. Any thread of the pool. */
	const uint8_t *(*row)(void *ctx, uint32_t r, uint8_t *room);
	void *ctx;
	size_t room_bytes;
};

/* Stored rows that are looked up by number, in the host's memory: the embedding. */
struct row_table {
	enum wtype type;
	const uint8_t *rows;
	uint32_t cols;
	size_t stride; /* bytes from one row to the next; 0 = they lie one after the other */
	float scale;   /* of the rows; 0 = they stay */
};

/* ---- Steps ------------------------------------------------------------------------------------------------------- */

/* The largest of what the steps of a work will ask for. */
struct work_limits {
	uint32_t tokens; /* of a batch */
	uint32_t rows;   /* of a product's input: the same, or more where more logits are wanted */
	uint32_t cols;   /* of a product's input */
	uint32_t kv_heads, heads_per_kv, head_dim;
	bool shared_kv;               /* some layer's values are its keys */
	uint32_t own_heads, own_cols; /* of head_linear: heads, columns of an input; 0: never asked for */
	uint32_t dim;
	uint32_t experts, experts_used; /* the shared one counts; 0: no layer has any */
	uint32_t experts_dim;           /* of the largest expert */
	bool int8;                      /* of the matrices */
	size_t floats;                  /* that the model's own buffers take */
};

/* One sequence's share of a batch: n_tokens consecutive tokens from `position` on. Its pages hold what lies before and
 * have room for these tokens. */
struct batch_seq {
	struct page_table blocks[KV_GROUPS_MAX]; /* block table per group */
	uint32_t position, n_tokens;
	struct kv_state_step state; /* in the group of states; its last position is position + n_tokens */
};

struct batch {
	const uint32_t *ids; /* [n_tokens], sequence after sequence; each below the rows of the embedding */
	const struct batch_seq *seqs;
	uint32_t n_tokens, n_seqs;
	struct dev_pages *pages;
};

/* out[i] = RMS norm of row pick[i] of x, or (pick NULL) of row i; out may then be x. */
struct norm_call {
	const struct dev_f32 *x;      /* [..][cols] */
	const struct dev_f32 *weight; /* [cols]; NULL: 1 for all */
	struct dev_f32 *out;          /* [rows][cols] */
	const uint32_t *pick;
	float eps;
	uint32_t rows, cols;
};

/* out = in m^T + bias, the bias added to the finished sum. */
struct linear_out {
	const struct dev_mat *m;
	const struct dev_f32 *bias; /* [rows of m] or NULL */
	struct dev_f32 *out;        /* [tokens][rows of m] */
};
enum { LINEAR_OUTS_MAX = 4 };

/* What the gate of a feed-forward goes through. */
enum activation {
	ACTIVATION_SILU,
	ACTIVATION_GELU,   /* its tanh form */
	ACTIVATION_CLAMPED /* of gpt-oss, see kernels.h */
};

/* The attention of a layer, all tokens of the batch. */
struct attention_call {
	struct dev_f32 *q; /* [T][heads][head_dim] */
	struct dev_f32 *
		k; /* [T][kv_heads][head_dim]; of a shared layout the values too; NULL: an earlier layer has stored them */
	const struct dev_f32 *v; /* the same */
	struct dev_f32 *out;     /* as q */
	uint32_t heads, kv_heads, head_dim;
	uint32_t group, layer;             /* where its keys and values lie: group of pages, layer within the group */
	uint32_t window, sinks;            /* attended positions, 0 = all; with a window: the first that stay */
	float scale;                       /* of the scores */
	float soft_cap;                    /* scores become soft_cap * tanh(score / soft_cap); 0 = they stay */
	const struct dev_f32 *sink_logits; /* [heads] of the softmax, without values; NULL = none */
	uint32_t rope_dim;                 /* dims of a head that are rotated, half-split */
	const struct dev_f32 *cos_row, *sin_row; /* [T][rope_dim / 2] */
};

/* Each head with a matrix of its own: out[t][h] = m[h] x[t][h]. Strides in floats. */
struct heads_call {
	const struct dev_f32 *x; /* of token 0, head 0 */
	struct dev_f32 *out;
	size_t x_token, x_head, out_token, out_head;
	struct dev_mat *const *m; /* [heads], of one shape */
	uint32_t heads, tokens;
	uint32_t cols;
};

/* Columns of a matrix to another place: to[r * to_stride + c] = from[r * from_stride + c]. */
struct copy_call {
	const struct dev_f32 *from;
	struct dev_f32 *to;
	size_t from_stride, to_stride;
	uint32_t rows, cols;
};

/* What a gated delta net does between its projections, all tokens of the batch: convolution, delta rule, and a norm of
 * each value head, times silu(gate). The states of each sequence go from one to the next as its kv_state_step says. */
struct delta_call {
	struct dev_f32 *qkv;                  /* [T][channels]; used up, as the next two */
	struct dev_f32 *alpha;                /* [T][v_heads]: decay = e^(rate softplus(alpha + dt_bias)) */
	struct dev_f32 *beta;                 /* [T][v_heads]: their sigmoids are the rates of change */
	const struct dev_f32 *gate;           /* [T][v_heads * v_dim] */
	struct dev_f32 *out;                  /* the same */
	const struct dev_f32 *conv;           /* [taps][channels] */
	const struct dev_f32 *rate, *dt_bias; /* [v_heads] */
	const struct dev_f32 *norm;           /* [v_dim] */
	struct delta_spec net;
	uint32_t group;    /* of the states */
	uint64_t state_at; /* bytes from a page's begin to the layer's state */
	float eps;         /* of the norm */
};

/* What a state space model (Mamba-2) does between its projections: convolution with SiLU, the recurrence, and a norm over
 * each group of heads of the output times silu(gate). */
struct ssm_call {
	struct dev_f32 *xbc;                         /* [T][channels]; used up, as dt */
	struct dev_f32 *dt;                          /* [T][heads]: step = softplus(dt + dt_bias) */
	struct dev_f32 *decay;                       /* [T][heads]: room for e^(rate step) */
	const struct dev_f32 *gate;                  /* [T][heads * head_dim] */
	struct dev_f32 *out;                         /* the same */
	const struct dev_f32 *conv;                  /* [taps][channels] */
	const struct dev_f32 *conv_bias;             /* [channels] or NULL */
	const struct dev_f32 *rate, *dt_bias, *skip; /* [heads] */
	const struct dev_f32 *norm;                  /* [heads * head_dim] */
	struct ssm_spec net;
	uint32_t group;
	uint64_t state_at;
	float eps; /* of the norm */
};

/* out = c * conv(b * x) */
struct short_conv_call {
	struct dev_f32 *bcx;        /* [T][3 * dim]: b, c, x; used up */
	struct dev_f32 *out;        /* [T][dim] */
	const struct dev_f32 *conv; /* [taps][dim] */
	const struct dev_f32 *bias; /* [dim] or NULL */
	struct short_conv_spec net;
	uint32_t group;
	uint64_t state_at;
};

struct expert {
	struct dev_mat *gate, *up, *down;
	struct dev_f32 *gate_bias, *up_bias, *down_bias; /* [rows of the matrix] or NULL */
};

/* How a router's logits become weights. */
enum router_score {
	ROUTER_SOFTMAX,        /* over all experts; the likeliest are chosen */
	ROUTER_SOFTMAX_CHOSEN, /* over the chosen, those with the largest logits */
	ROUTER_SIGMOID         /* of each by itself */
};

/* The experts with the largest scores are chosen (of equals the lower index) and weighted by their scores. */
struct routing {
	enum router_score score;
	bool normalize; /* the weights of the chosen ones add up to 1 */
	float scale;    /* of the weights; 0 = 1 */
	/* Groups of neighbouring experts (0 = one): only those of the groups_used best are chosen from. A group is as
	 * good as the sum of its group_top (1 or 2) best. */
	uint32_t groups, groups_used, group_top;
};

/* A feed-forward of experts: out = sum over the chosen ones, ascending, then the shared one, of weight *
 * down(activation(gate x) * up x). */
struct experts_call {
	const struct dev_f32 *x;           /* [T][dim] */
	const struct dev_f32 *router_x;    /* [T][dim]: what router and shared gate see, where it is not x; or NULL */
	struct dev_f32 *out;               /* [T][dim] */
	const struct dev_mat *router;      /* [n][dim] */
	const struct dev_f32 *router_bias; /* [n] or NULL */
	const struct dev_f32 *correction;  /* [n] or NULL: added to the scores while experts are chosen */
	const struct dev_f32 *scale;       /* [n] or NULL: of each expert's weight, once that is known */
	const struct dev_mat *shared_gate; /* [1][dim] or NULL: the shared one's weight is the sigmoid of it, else 1 */
	const struct expert *experts;      /* [n], the shared one behind them */
	uint32_t n, used, dim, expert_dim;
	enum activation activation;
	uint32_t shared_dim; /* 0: there is no shared one */
	struct routing routing;
};

/* ---- The table --------------------------------------------------------------------------------------------------- */

struct backend {
	const char *name;
	const char *numerics; /* of its arithmetic: equal bits come from equal ones alone */

	/* host: threads of the host, borrowed; level: of its arithmetic, NULL for the best. ARG, NOMEM. */
	int (*open)(struct dev **out, struct pool *host, const char *level, struct kvik_err *err);
	void (*close)(struct dev *d);
	const char *(*level)(const struct dev *d);

	/* What a matrix takes, a multiple of 64. UNSUPPORTED. */
	int (*mat_bytes)(size_t *bytes, const struct mat_desc *m, struct kvik_err *err);
	/* Room for these matrices (for which mat_bytes gave sizes that add up) and floats. NOMEM. */
	int (*weights_new)(struct dev_weights **out, struct dev *d, const struct mat_desc *mats, size_t n_mats,
			   size_t n_floats, struct kvik_err *err);
	void (*weights_free)(struct dev_weights *w);
	struct dev_mat *(*weights_mat)(struct dev_weights *w, size_t i);
	struct dev_f32 *(*weights_floats)(struct dev_weights *w);
	/* Packs a matrix; the rows are read by the time it returns. NOMEM. */
	int (*mat_load)(struct dev_weights *w, size_t i, const struct mat_rows *rows, struct kvik_err *err);
	void (*floats_load)(struct dev_weights *w, struct dev_f32 *to, const float *from, size_t n);

	/* Memory for the pages of a cache, whose groups have these layouts and (where page_bytes is not 0) packed ones;
	 * both [n], borrowed. *memory is what the cache is given. NOMEM. */
	int (*pages_new)(struct dev_pages **out, struct dev *d, const struct kv_layout *own,
			 const struct kv_layout *packed, uint32_t n, struct kv_memory *memory, struct kvik_err *err);
	void (*pages_free)(struct dev_pages *p); /* after the cache */
	/* All bytes of a page from the host. */
	void (*page_write)(struct dev_pages *p, uint32_t group, kv_page page, const void *from);
	/* And to it. */
	void (*page_read)(struct dev_pages *p, uint32_t group, kv_page page, void *to);
	/* Where a committed page lies, if the host can read and write it there; else NULL. */
	void *(*page_at)(struct dev_pages *p, uint32_t group, kv_page page);

	/* *floats: limits.floats of the device's memory. NOMEM. */
	int (*work_new)(struct dev_work **out, struct dev *d, const struct work_limits *l, struct dev_f32 **floats,
			struct kvik_err *err);
	void (*work_free)(struct dev_work *w);
	uint64_t (*work_bytes)(const struct work_limits *l, uint32_t threads);

	/* A step: begin, any of what follows, end. b, and what it points to, stays until then. */
	void (*begin)(struct dev_work *w, const struct batch *b);
	void (*end)(struct dev_work *w);
	void (*write)(struct dev_work *w, struct dev_f32 *to, const float *from, size_t n);
	void (*read)(struct dev_work *w, float *to, const struct dev_f32 *from, size_t n);

	void (*embed)(struct dev_work *w, const struct row_table *t,
		      struct dev_f32 *out); /* [T][cols] of the batch's ids */
	void (*norm)(struct dev_work *w, const struct norm_call *c);
	/* x += y, or (factor not 1) x += factor * y */
	void (*add)(struct dev_work *w, struct dev_f32 *x, const struct dev_f32 *y, float factor, uint32_t rows,
		    uint32_t cols);
	void (*scale)(struct dev_work *w, struct dev_f32 *x, const struct dev_f32 *factor, uint32_t rows,
		      uint32_t cols); /* x *= factor[0] */
	/* gate = activation(gate) * up */
	void (*gated)(struct dev_work *w, enum activation a, struct dev_f32 *gate, const struct dev_f32 *up,
		      uint32_t rows, uint32_t cols);
	/* x *= sigmoid(gate) */
	void (*sigmoid_mul)(struct dev_work *w, struct dev_f32 *x, const struct dev_f32 *gate, uint32_t rows,
			    uint32_t cols);
	/* Matrices of the same columns, x: [tokens][columns]. */
	void (*linear)(struct dev_work *w, const struct dev_f32 *x, uint32_t tokens, const struct linear_out *outs,
		       uint32_t n);
	void (*head_linear)(struct dev_work *w, const struct heads_call *c);
	void (*copy)(struct dev_work *w, const struct copy_call *c);
	/* Rotates q and k; stores k and v in the pages. Without k: rotates q. */
	void (*rope_write)(struct dev_work *w, const struct attention_call *c);
	/* out = softmax(q K) V of what the pages hold. */
	void (*attention)(struct dev_work *w, const struct attention_call *c);
	void (*delta)(struct dev_work *w, const struct delta_call *c);
	void (*ssm)(struct dev_work *w, const struct ssm_call *c);
	void (*short_conv)(struct dev_work *w, const struct short_conv_call *c);
	void (*experts)(struct dev_work *w, const struct experts_call *c);
	/* As linear, into the host's memory: [n][rows of m]; then cap * tanh(logit / cap), where cap is above 0. */
	void (*logits)(struct dev_work *w, const struct dev_f32 *x, uint32_t n, const struct dev_mat *m, float cap,
		       float *to);
};

extern const struct backend backend_cpu;

#endif
