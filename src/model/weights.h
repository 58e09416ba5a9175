/* weights.h: the parameters of a model in the memory of its device, and how they get there from a source.
 *
 * Two passes: the architecture binds every tensor by name (shape and type are checked, sizes added up); then the backend
 * makes room for all, packs the matrices and takes the vectors. Read-only once loaded; any thread. */
#ifndef KVIK_MODEL_WEIGHTS_H
#define KVIK_MODEL_WEIGHTS_H

#include <kvik.h>

#include "format/source.h"
#include "model/device.h"
#include "model/hparams.h"

/* Parameters of a gated delta net; see struct delta_call. */
struct delta_params {
	struct dev_mat *qkv, *gate;     /* [channels][dim], [v_heads * v_dim][dim] */
	struct dev_mat *alpha, *beta;   /* [v_heads][dim] */
	struct dev_mat *out;            /* [dim][v_heads * v_dim] */
	struct dev_f32 *conv;           /* [taps][channels] */
	struct dev_f32 *rate, *dt_bias; /* [v_heads] */
	struct dev_f32 *norm;           /* [v_dim] */
};

/* Parameters of a state space model; see struct ssm_call. */
struct ssm_params {
	struct dev_mat *gate, *xbc, *dt;       /* [heads * head_dim][dim], [channels][dim], [heads][dim] */
	struct dev_mat *out;                   /* [dim][heads * head_dim] */
	struct dev_f32 *conv, *conv_bias;      /* [taps][channels], [channels] */
	struct dev_f32 *rate, *dt_bias, *skip; /* [heads] */
	struct dev_f32 *norm;                  /* [heads * head_dim] */
};

/* Parameters of a short convolution; see struct short_conv_call. */
struct short_conv_params {
	struct dev_mat *in, *out; /* [3 * dim][dim], [dim][dim] */
	struct dev_f32 *conv;     /* [taps][dim] */
	struct dev_f32 *in_bias, *bias, *out_bias;
};

/* Of the embedding that a layer has of its own (arch_gemma4.c). */
struct ple_params {
	struct dev_mat *model;      /* [ple_dim][dim], of the model's embedding */
	struct dev_f32 *norm;       /* [ple_dim] of that */
	struct dev_mat *gate, *out; /* [ple_dim][dim], [dim][ple_dim] */
	struct dev_f32 *post_norm;  /* [dim] */
};

/* Of a dense feed-forward beside experts: norms, [dim]. */
struct both_params {
	struct dev_f32 *router, *experts;          /* of what the router sees, and of what the experts do */
	struct dev_f32 *dense_post, *experts_post; /* of what they give, before it is added up */
};

/* Parameters of latent attention; the layer's q and o are its own. rope, latent: dims of the key. */
struct latent_params {
	struct dev_mat *q_a, *kv_a;       /* [q_rank][dim], [latent + rope][dim] */
	struct dev_f32 *q_norm, *kv_norm; /* [q_rank], [latent] */
	struct dev_mat **k, **v;          /* [heads] of [latent][nope], of [v_dim][latent]; owned */
};

/* Parameters of a layer, on the device; NULL: the layer lacks it. Widths are of its specification. */
struct layer {
	struct dev_f32 *attn_norm, *ffn_norm;           /* [dim] */
	struct dev_f32 *attn_post_norm, *ffn_post_norm; /* [dim] */
	struct dev_f32 *q_norm, *k_norm;                /* [head_dim] */
	struct dev_mat *q, *k, *v, *o; /* rows x cols: [n_heads * head_dim][dim] ... [dim][n_heads * head_dim] */
	struct dev_f32 *q_bias, *k_bias, *v_bias; /* [rows of the matrix] */
	struct dev_f32 *o_bias;
	struct dev_mat *attn_gate; /* as q, of gated attention */
	struct latent_params latent;
	struct delta_params delta;
	struct ssm_params ssm;
	struct short_conv_params conv;
	struct dev_f32 *sinks;            /* [heads] */
	struct dev_mat *gate, *up, *down; /* [ffn_dim][dim], [ffn_dim][dim], [dim][ffn_dim] */
	struct dev_f32 *gate_bias, *up_bias, *down_bias;
	struct dev_mat *router;                          /* [experts][dim] */
	struct dev_f32 *router_bias, *router_correction; /* [experts] */
	struct dev_f32 *expert_scale;                    /* [experts] */
	struct dev_mat *shared_gate;                     /* [1][dim] */
	struct expert *experts;                          /* [experts_all], owned; the shared one last */
	struct both_params both;
	struct ple_params ple;
	struct dev_f32 *out_scale; /* [1] of the layer's output */
};

struct weights {
	struct layer *layers; /* [n_layers] */
	uint32_t n_layers;
	const struct source_tensor *ple;       /* [n_vocab][n_layers * ple_dim]: the same; NULL: layers have none */
	const struct source_tensor *embedding; /* rows are expanded when they are used; borrowed from the source */
	struct dev_f32 *output_norm;           /* [dim] */
	struct dev_mat *output;                /* [n_vocab][dim] */
	float *rope_divisor;                   /* [ropes[0].dim / 2] or NULL: the host's, owned */
	const struct backend *backend;
	struct dev_weights *packed; /* all of the above but the embedding and the divisors */
	uint64_t bytes;             /* of packed */
	uint64_t parameters;
};

struct weights_params {
	const struct backend *backend;
	struct device *device; /* of this backend; to load */
	bool int8;             /* integer types meet int8 activations; else they are expanded to f32 */
	int quantize;          /* enum wtype that float matrices become at load, or -1 */
	kvik_progress_fn *progress;
	void *progress_user;
};

/* Binding: architectures call these, in any order, once per parameter. */
struct binder;

enum bind_flags {
	BIND_OPTIONAL = 1, /* may be absent: then nothing is written */
	BIND_QK_ROWS = 2,  /* rows of q or k: brought back to half-split order where the source permuted them */
	BIND_NORM = 4,     /* weights of an RMS norm, which the source may hold less 1 */
	BIND_LOG_RATE = 8, /* a vector v that becomes -e^v */
	BIND_FLOATS = 16,  /* no file quantises it */
	BIND_FLAT = 32     /* a vector that the source may hold with more dimensions */
};

/* layer < 0: name is the whole name ("output_norm.weight"), else "blk.LAYER.NAME". Errors: FORMAT (absent, or of
 * another shape), UNSUPPORTED, NOMEM. */
int bind_mat(struct binder *b, struct dev_mat **m, int layer, const char *name, uint32_t rows, uint32_t cols,
	     unsigned flags) MUST_CHECK;
/* Room for n experts. */
int bind_experts_new(struct binder *b, struct layer *l, uint32_t n) MUST_CHECK;
/* Matrix `which` of each of the n experts of l (rows x cols): slices of GGUF's "ffn_gate_exps.weight" [n][rows][cols],
 * ffn_up_exps and ffn_down_exps, or of ffn_gate_up_exps [n][gate, then up][cols], or a checkpoint's matrices of single
 * experts. */
enum expert_part { EXPERT_GATE, EXPERT_UP, EXPERT_DOWN };
int bind_expert_mats(struct binder *b, struct layer *l, int layer, enum expert_part which, uint32_t n, uint32_t rows,
		     uint32_t cols) MUST_CHECK;
/* Their biases: rows of "ffn_gate_exps.bias" [n][rows] and so on. */
int bind_expert_biases(struct binder *b, struct layer *l, int layer, enum expert_part which, uint32_t n,
		       uint32_t rows) MUST_CHECK;
/* Rows of a tensor: so many of them, in runs of `run`, the first from row `first` on, each next one `period` rows further. */
struct row_piece {
	uint32_t rows, first, run, period;
};
enum { ROW_PIECES_MAX = 3 };
/* A matrix that is put together of pieces of a tensor of `all` rows. */
int bind_mat_pieces(struct binder *b, struct dev_mat **m, int layer, const char *name, uint32_t all, uint32_t cols,
		    const struct row_piece *pieces, uint32_t n) MUST_CHECK;
/* Half of a tensor's 2 * rows rows: every other run of `run` rows, from the first one on, or the second. */
int bind_mat_half(struct binder *b, struct dev_mat **m, int layer, const char *name, uint32_t rows, uint32_t cols,
		  uint32_t run, bool second) MUST_CHECK;
/* A matrix of heads of `run` rows, of which `rotated` from row `at` on come in pairs of neighbours if interleaved. */
int bind_mat_heads(struct binder *b, struct dev_mat **m, int layer, const char *name, uint32_t rows, uint32_t cols,
		   uint32_t run, uint32_t at, uint32_t rotated, bool interleaved) MUST_CHECK;
/* A matrix for each head, mats: [heads], new: slices of a tensor [heads][rows][cols]; or, where that is absent, of
 * `both` [heads * run][..], from row `at` of each head on: its rows, or (turned) its columns. */
int bind_heads(struct binder *b, struct dev_mat ***mats, int layer, const char *name, const char *both, uint32_t heads,
	       uint32_t rows, uint32_t cols, uint32_t run, uint32_t at, bool turned) MUST_CHECK;
/* Weights of a convolution: [channels][taps] in the source, [taps][channels] on the device. */
int bind_taps(struct binder *b, struct dev_f32 **v, int layer, const char *name, uint32_t channels,
	      uint32_t taps) MUST_CHECK;
/* A synthetic model, which has what is asked for, says no. */
bool bind_has(const struct binder *b, int layer, const char *name);
bool bind_is_hf(const struct binder *b); /* the source is a Hugging Face folder */
int bind_vec(struct binder *b, struct dev_f32 **v, int layer, const char *name, uint32_t n, unsigned flags) MUST_CHECK;
/* As bind_vec with BIND_OPTIONAL, into the host's memory: freed with mem_free. */
int bind_host_vec(struct binder *b, float **v, int layer, const char *name, uint32_t n) MUST_CHECK;
/* The output matrix of a tied model. */
int bind_tied(struct binder *b, struct dev_mat **m) MUST_CHECK;
int bind_embedding(struct binder *b, const struct source_tensor **t) MUST_CHECK;
/* A table that stays where it lies: for each token `pieces` rows of `piece` floats, one after the other. */
int bind_table(struct binder *b, const struct source_tensor **t, const char *name, uint32_t piece,
	       uint32_t pieces) MUST_CHECK;
/* Rows first .. of a matrix that has `all`, of the whole model. */
int bind_mat_part(struct binder *b, struct dev_mat **m, const char *name, uint32_t first, uint32_t rows, uint32_t all,
		  uint32_t cols) MUST_CHECK;
/* As bind_vec, each element times factor. */
int bind_vec_times(struct binder *b, struct dev_f32 **v, int layer, const char *name, uint32_t n,
		   float factor) MUST_CHECK;
/* A parameter that the checkpoint may hold and nobody reads. */
void bind_unread(struct binder *b, int layer, const char *name);
uint32_t bind_dim(const struct binder *b); /* of the model */
const struct hparams *bind_hparams(const struct binder *b);
uint32_t bind_rope_dim(const struct binder *b, uint32_t rope);

/* Release with weights_release, also after an error. The source must outlive w. */
int weights_load(struct weights *w, const struct source *s, const struct hparams *h, const struct weights_params *p,
		 struct kvik_err *err) MUST_CHECK;
void weights_release(struct weights *w);
/* Bytes that weights_load would allocate for the packed parameters; without p->device. */
int weights_measure(uint64_t *bytes, const struct source *s, const struct hparams *h, const struct weights_params *p,
		    struct kvik_err *err) MUST_CHECK;

/* Describes the tensors that a synthetic model of these hyperparameters has. NOMEM, LIMIT. */
int weights_describe(struct source *s, const struct hparams *h, struct kvik_err *err) MUST_CHECK;

/* Sum of the bytes of all tensors as stored. */
uint64_t weights_stored_bytes(const struct source *s);
/* Sum of the elements of all tensors. */
uint64_t weights_parameters(const struct source *s);

#endif
