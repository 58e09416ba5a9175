/* arch_gemma.c: three generations of Gemma, the language part.
 *
 *   gemma    arXiv 2403.08295   Llama's layer with GELU, and rows of the embedding times sqrt(dim)
 *   gemma2   arXiv 2408.00118   norms before and after attention and feed-forward, a window in every other layer, soft
 *                               caps of scores and logits, a scale of attention of its own
 *   gemma3   arXiv 2503.19786   norms over each head of q and k instead of the cap of scores, five windowed layers to one
 *                               that sees everything, and a rope for each of the two kinds
 *
 * A checkpoint holds the weights of norms less 1; llama.cpp's converter adds it. */
#include <math.h>
#include <string.h>

#include "model/arch.h"
#include "model/bind.h"
#include "model/blocks.h"
#include "model/read.h"

/* What they have in common. */
static void read_common(struct keys *k, struct hparams *h, struct layer_spec *l, const struct read_defaults *defaults)
{
	l->ffn.biases = BIASES_NONE;
	read_sizes(k, h, defaults);
	read_heads(k, h, &l->attention, defaults);
	read_biases(k, "attention_bias", &l->attention.biases);
	h->norms_less_one = keys_hf(k);
	h->embedding_scale = sqrtf((float)h->dim);
}

/* ---- Gemma ------------------------------------------------------------------------------------------------------- */

/* The field was called hidden_act, then hidden_activation, then hidden_act again; its first value, gelu, meant the tanh
 * form. */
static void read_activation(struct keys *k, struct ffn_spec *f)
{
	char act[32] = "";
	keys_text(k, NULL, "hidden_act", act, sizeof act);
	read_ffn_gelu(k, strcmp(act, "gelu") == 0 ? "hidden_activation" : "hidden_act", f);
	keys_has(k, NULL, "hidden_activation");
}

static void read_gemma(struct keys *k, struct hparams *h)
{
	static const struct read_defaults defaults = {.kv_heads = 16, .head_dim = 256, .context = 8192};
	struct layer_spec l = {0};
	read_common(k, h, &l, &defaults);
	read_rope(k, h, &l.attention);
	read_activation(k, &l.ffn);
	hparams_fill(h, &l);
}

const struct arch arch_gemma = {.name = "gemma", .read = read_gemma, .bind = bind_layer, .layer = block_layer};

/* ---- Gemma 2 ----------------------------------------------------------------------------------------------------- */

static const struct tensor_name names[] = {
	{"ffn_norm", "pre_feedforward_layernorm"},
	{"post_attention_norm", "post_attention_layernorm"},
	{"post_ffw_norm", "post_feedforward_layernorm"},
	{NULL, NULL},
};

/* 1 / sqrt(query_pre_attn_scalar). GGUF does not have it: it is the head dimension but for one published model of each
 * generation, which llama.cpp knows by its number of layers. */
static void read_scale(struct keys *k, const struct hparams *h, struct attention_spec *a, uint32_t odd_layers)
{
	float scalar = 256;
	keys_f32(k, NULL, "query_pre_attn_scalar", &scalar);
	if (!keys_hf(k))
		scalar = (float)(h->n_layers == odd_layers && a->heads > 0 ? h->dim / a->heads : a->head_dim);
	a->scale = 1 / sqrtf(scalar);
}

static void read_caps(struct keys *k, struct hparams *h, struct attention_spec *a)
{
	if (!keys_is_null(k, "attn_logit_softcapping"))
		a->soft_cap = 50;
	if (!keys_is_null(k, "final_logit_softcapping"))
		h->logit_cap = 30;
	keys_f32(k, "attn_logit_softcapping", "attn_logit_softcapping", &a->soft_cap);
	keys_f32(k, "final_logit_softcapping", "final_logit_softcapping", &h->logit_cap);
}

static void read_gemma2(struct keys *k, struct hparams *h)
{
	static const struct read_defaults defaults = {.heads = 8, .kv_heads = 4, .head_dim = 256, .context = 8192};
	struct layer_spec l = {.post_norms = true};
	read_common(k, h, &l, &defaults);
	read_scale(k, h, &l.attention, 46);
	read_caps(k, h, &l.attention);
	read_rope(k, h, &l.attention);
	read_ffn_gelu(k, "hidden_activation", &l.ffn);
	keys_has(k, NULL, "hidden_act"); /* says the same, and Transformers does not look at it */
	hparams_fill(h, &l);
	read_windows_period(k, h, 4096, 2);
}

const struct arch arch_gemma2 = {
	.name = "gemma2", .own = names, .read = read_gemma2, .bind = bind_layer, .layer = block_layer};

/* ---- Gemma 3 ----------------------------------------------------------------------------------------------------- */

/* GGUF without a window has none. config.json: transformers 4 wrote the period of the pattern. */
static void read_windows(struct keys *k, struct hparams *h)
{
	uint32_t period = 6;
	keys_u32(k, NULL, "sliding_window_pattern", &period);
	keys_u32(k, NULL, "_sliding_window_pattern", &period);
	if (period == 0)
		keys_fail(k, KVIK_ERR_FORMAT, NULL, "sliding_window_pattern", "is 0");
	else if (keys_hf(k) ? !keys_is_null(k, "sliding_window") : keys_has(k, "attention.sliding_window", NULL))
		read_windows_period(k, h, 4096, period);
}

static void read_gemma3(struct keys *k, struct hparams *h)
{
	static const struct read_defaults defaults = {
		.heads = 8, .vocab = 262208, .kv_heads = 4, .head_dim = 256, .context = 131072};
	struct layer_spec l = {.post_norms = true, .attention.qk_norm = true};
	read_common(k, h, &l, &defaults);
	read_scale(k, h, &l.attention, 62);
	read_ffn_gelu(k, "hidden_activation", &l.ffn);
	keys_f32(k, "final_logit_softcapping", "final_logit_softcapping", &h->logit_cap);
	hparams_fill(h, &l);
	read_windows(k, h);
	read_ropes_local(k, h, l.attention.head_dim, keys_hf(k) ? 1000000 : 10000, l.attention.head_dim, 10000);
}

const struct arch arch_gemma3 = {.name = "gemma3",
				 .hf_name = "gemma3_text",
				 .own = names,
				 .read = read_gemma3,
				 .bind = bind_layer,
				 .layer = block_layer};
