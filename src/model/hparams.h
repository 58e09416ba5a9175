/* hparams.h: what a model is, the same whatever the file it came from: sizes that hold for all of it, and one
 * specification per layer. Layers of one model may differ in everything below: in kind, heads, dims, window, rope and
 * feed-forward. Read-only once made; any thread. */
#ifndef KVIK_MODEL_HPARAMS_H
#define KVIK_MODEL_HPARAMS_H

#include "backend/backend.h"
#include "model/rope.h"

enum { HPARAMS_LAYERS_MAX = 1024, HPARAMS_ROPES_MAX = 4, HPARAMS_UNKNOWN_MAX = 200 };

/* How a layer lets tokens see each other. Each kind has its specification below; that of another is all zeros. */
enum mixer {
	MIXER_ATTENTION, /* over keys and values of each token */
	MIXER_LATENT,    /* over one latent row of each token, which is key and value of all heads */
	MIXER_DELTA,     /* gated delta net: a state that sums up all tokens so far */
	MIXER_SSM,       /* state space model (Mamba-2): another such state */
	MIXER_CONV       /* short convolution: the state is the inputs that it still sees */
};

/* The others have keys and values of each token. */
static inline bool mixer_keeps_state(enum mixer m)
{
	return m >= MIXER_DELTA;
}

/* What a file says of biases; one that says nothing (GGUF) has those whose tensors are there. */
enum biases { BIASES_IF_THERE, BIASES_NONE, BIASES_ALL, BIASES_QKV /* not of o */ };

struct attention_spec {
	uint32_t heads, kv_heads;
	uint32_t head_dim;
	uint32_t window; /* attended positions, 0 = all */
	uint32_t rope;   /* which of hparams.ropes turns q and k */
	float scale;     /* of the scores */
	float soft_cap;  /* scores become soft_cap * tanh(score / soft_cap); 0 = they stay */
	bool qk_norm;    /* RMS norm over each head of q and k */
	bool gated; /* the output is multiplied by the sigmoid of a projection, whose rows lie behind q's, head by head */
	bool v_norm;        /* RMS norm over each head of v, without weights */
	bool v_may_be_k;    /* a layer without a projection of v takes k's, as it is before its norm */
	uint32_t shares;    /* 1 + the earlier layer whose keys and values this one reads; 0 = it has its own */
	bool sinks;         /* each head has a learned logit in its softmax, without a value */
	enum biases biases; /* of q, k, v and o */
};

/* Beside its attention, which has one kv head: rotated dims of the key, then the latent row. */
struct latent_spec {
	uint32_t q_rank;  /* of the queries' two factors; 0 = one matrix */
	uint32_t nope;    /* dims of a head's query that are not rotated, of its own product with the latent row */
	uint32_t v_dim;   /* of a head's output, of its own product with the latent row */
	bool interleaved; /* rotated pairs are neighbours in the source */
};

enum ffn { FFN_DENSE, FFN_EXPERTS, FFN_BOTH /* beside each other, see block_both */ };

struct ffn_spec {
	uint32_t dim;
	enum activation activation;
	enum biases biases;
	bool fused; /* ffn_up has the rows of gate, then those of up */
};

/* A router gives each token some of the experts, each a feed-forward of its own. */
struct experts_spec {
	uint32_t n, used;
	uint32_t dim; /* of an expert's feed-forward */
	struct routing routing;
	bool corrected;      /* a vector is added to the scores while experts are chosen; their weights do without */
	uint32_t shared_dim; /* of one more expert, which all tokens use; 0 = there is none */
	bool shared_gated;   /* its weight is the sigmoid of a row of its own; else 1 */
	bool scaled;         /* each expert's weight is multiplied by a learned number */
	enum biases router_bias, biases;
	enum activation activation;
	bool interleaved; /* where gate and up are one tensor, their rows alternate, and matrices of floats lie by columns */
};

/* With the shared one. */
static inline uint32_t experts_all(const struct experts_spec *x)
{
	return x->n + (x->shared_dim > 0);
}

struct layer_spec {
	enum mixer mixer;
	struct attention_spec attention; /* of MIXER_ATTENTION, MIXER_LATENT */
	struct latent_spec latent;       /* of MIXER_LATENT */
	struct delta_spec delta;         /* of MIXER_DELTA */
	struct ssm_spec ssm;             /* of MIXER_SSM */
	struct short_conv_spec conv;     /* of MIXER_CONV */
	enum ffn ffn_kind;
	struct ffn_spec ffn;         /* of FFN_DENSE, FFN_BOTH */
	struct experts_spec experts; /* of FFN_EXPERTS, FFN_BOTH */
	bool post_norms;             /* RMS norms of what attention and feed-forward add */
};

/* What a sequence keeps of the layer, in bytes, a multiple of 64; 0: keys and values of each token. */
uint64_t layer_state_bytes(const struct layer_spec *l);

struct arch;

struct hparams {
	const struct arch *arch;
	uint32_t n_layers, dim, n_vocab;
	uint32_t context; /* tokens the model was trained for */
	float rms_eps;
	bool norms_less_one;   /* the file holds the weights of RMS norms less 1 */
	float embedding_scale; /* of the embedding's rows; 0 = they stay */
	uint32_t ple_dim;     /* floats of the embedding that each layer has of its own; 0 = none (see arch_gemma4.c) */
	float residual_scale; /* of what mixers and feed-forwards add; 0 = 1 */
	float logit_divisor;  /* of the logits; 0 = 1 */
	float logit_cap;      /* logits become logit_cap * tanh(logit / logit_cap); 0 = they stay */
	bool tied;            /* the output matrix is the embedding */
	bool untied;          /* the configuration says so, but the file holds two that differ */
	bool qk_permuted;     /* rows of q and k alternate the halves of a rotated pair (GGUF's llama) */
	uint32_t n_ropes;
	struct rope_params ropes[HPARAMS_ROPES_MAX];
	struct layer_spec layers[HPARAMS_LAYERS_MAX];
	bool nested;                       /* the language part of a larger model (vision, audio) */
	bool has_drafts;                   /* may hold blocks that guess further tokens */
	uint32_t draft_parts;              /* tensors of these, which are not read */
	uint32_t other_parts;              /* tensors of the other parts, which are not read */
	char unknown[HPARAMS_UNKNOWN_MAX]; /* fields of the file that kvik does not know: "a, b"; "" = none */
};

/* Every layer as l; beyond HPARAMS_LAYERS_MAX there is no room, and hparams_check says so. */
void hparams_fill(struct hparams *h, const struct layer_spec *l);

/* FORMAT, naming the field (in words that both origins share); what: the file, for the text. */
int hparams_check(const struct hparams *h, const char *what, struct kvik_err *err) MUST_CHECK;

/* The largest over the layers, for buffers. */
struct hparams_widths {
	uint32_t q, kv; /* floats of a token's queries, of its keys (or values) */
	uint32_t heads, kv_heads;
	uint32_t rows; /* query heads that share a kv head */
	uint32_t head_dim, ffn_dim, rope_dim;
	bool gated;                         /* some attention is */
	uint32_t experts, experts_used;     /* the shared one counts; 0: no layer has any */
	uint32_t experts_dim;               /* of the largest expert */
	bool both;                          /* some feed-forward is FFN_BOTH */
	uint32_t latent_heads, latent_cols; /* of latent attention: heads; the widest row that one multiplies */
	uint32_t channels, v_heads,
		values; /* of recurrent layers: of the convolution; heads, and all their value dims */
};
struct hparams_widths hparams_widths(const struct hparams *h);

#endif
