/* hparams.h: the hyperparameters of a model, the same whatever the file they came from. */
#ifndef KVIK_FORMAT_HPARAMS_H
#define KVIK_FORMAT_HPARAMS_H

#include "base/err.h"

#define HPARAMS_LAYERS_MAX 1024

enum arch { ARCH_LLAMA, ARCH_MISTRAL, ARCH_QWEN2, ARCH_QWEN3, ARCH_COUNT };

enum rope_scaling { ROPE_SCALING_NONE, ROPE_SCALING_LINEAR, ROPE_SCALING_LLAMA3, ROPE_SCALING_YARN };

struct hparams {
	enum arch arch;
	uint32_t n_layers, dim, n_heads, n_kv_heads, head_dim, ffn_dim, n_vocab;
	uint32_t context; /* tokens the model was trained for */
	float rms_eps;

	float rope_theta;
	uint32_t rope_dim; /* rotated dims of a head */
	enum rope_scaling rope_scaling;
	float rope_factor;                    /* LINEAR, LLAMA3, YARN */
	float rope_context;                   /* LLAMA3, YARN: original context */
	float rope_low_freq, rope_high_freq;  /* LLAMA3 */
	float rope_beta_fast, rope_beta_slow; /* YARN */
	float rope_attn_factor;               /* YARN; 0 = 1 + 0.1 ln(factor) */
	bool rope_keep_fractions;             /* YARN: "truncate": false */

	uint32_t window[HPARAMS_LAYERS_MAX]; /* per layer: attended positions, 0 = all */
	bool tied;                           /* the output matrix is the embedding */
	bool qk_permuted;                    /* rows of q and k alternate the halves of a rotated pair (GGUF's llama) */
};

const char *arch_name(enum arch a); /* "llama" */

/* FORMAT or LIMIT, naming the field (in words that both origins share); what: the file, for the text. */
int hparams_check(const struct hparams *h, const char *what, struct kvik_err *err) MUST_CHECK;

#endif
