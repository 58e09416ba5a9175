/* arch_lfm2.c: LFM2 (Liquid AI): most layers mix by a short gated convolution, some by attention with norms over each head
 * of q and k. Source: HF Transformers' Lfm2, llama.cpp's lfm2. */
#include <math.h>
#include <string.h>

#include "model/arch.h"
#include "model/bind.h"
#include "model/blocks.h"
#include "model/read.h"

static const struct tensor_name names[] = {
	{"output_norm", "embedding_norm"},
	{"output_norm", "token_embd_norm"}, /* GGUF's */
	{"attn_norm", "operator_norm"},
	{"attn_output", "self_attn.out_proj"},
	{"attn_q_norm", "self_attn.q_layernorm"},
	{"attn_k_norm", "self_attn.k_layernorm"},
	{"ffn_norm", "ffn_norm"},
	{"ffn_gate", "feed_forward.w1"},
	{"ffn_up", "feed_forward.w3"},
	{"ffn_down", "feed_forward.w2"},
	{"shortconv.in_proj", "conv.in_proj"},
	{"shortconv.conv", "conv.conv"},
	{"shortconv.out_proj", "conv.out_proj"},
	{NULL, NULL},
};

/* config.json says a size that is cut to two thirds, times a factor, and rounded up. */
static void read_ffn_dim(struct keys *k, struct ffn_spec *f)
{
	uint32_t multiple = 256;
	double factor = 1;
	bool adjust = true;
	f->dim = 12288;
	f->biases = BIASES_NONE;
	if (!keys_u32(k, "feed_forward_length", "block_ff_dim", &f->dim))
		keys_u32(k, NULL, "intermediate_size", &f->dim);
	if (!keys_hf(k))
		return;
	keys_has(k, NULL, "intermediate_size");
	keys_bool(k, NULL, "block_auto_adjust_ff_dim", &adjust);
	keys_u32(k, NULL, "block_multiple_of", &multiple);
	bool times =
		keys_f64(k, NULL, "block_ffn_dim_multiplier", &factor) || !keys_is_null(k, "block_ffn_dim_multiplier");
	if (!adjust)
		return;
	if (multiple == 0 || f->dim > 1 << 24 || !(factor > 0 && factor < 100)) {
		keys_fail(k, KVIK_ERR_FORMAT, NULL, "block_multiple_of", "gives no size of the feed-forward");
		return;
	}
	f->dim = (uint32_t)(2 * (uint64_t)f->dim / 3);
	if (times)
		f->dim = (uint32_t)(factor * f->dim);
	f->dim = (f->dim + multiple - 1) / multiple * multiple;
}

static bool is_attention(struct keys *k, uint32_t layer)
{
	char type[32] = "";
	uint32_t heads = 0, at = 0;
	if (!keys_hf(k))
		return keys_u32_at(k, "attention.head_count_kv", NULL, layer, &heads) && heads > 0;
	if (keys_text_at(k, "layer_types", layer, type, sizeof type))
		return strcmp(type, "conv") != 0;
	if (!keys_has(k, NULL, "full_attn_idxs"))
		return true;
	for (uint32_t i = 0; keys_u32_at(k, NULL, "full_attn_idxs", i, &at); i++)
		if (at == layer)
			return true;
	return false;
}

/* GGUF's number of kv heads is an array, 0 where there is no attention. */
static void read_attention(struct keys *k, struct hparams *h, struct attention_spec *a)
{
	a->heads = 32;
	a->kv_heads = keys_hf(k) ? 8 : 0;
	keys_u32(k, "attention.head_count", "num_attention_heads", &a->heads);
	if (keys_hf(k))
		keys_u32(k, NULL, "num_key_value_heads", &a->kv_heads);
	for (uint32_t i = 0; i < h->n_layers && a->kv_heads == 0 && !keys_hf(k); i++)
		keys_u32_at(k, "attention.head_count_kv", NULL, i, &a->kv_heads);
	if (a->heads == 0 || h->dim % a->heads != 0) {
		keys_fail(k, KVIK_ERR_FORMAT, "attention.head_count", "num_attention_heads",
			  "does not divide the hidden size");
		return;
	}
	a->head_dim = h->dim / a->heads;
	a->scale = 1 / sqrtf((float)a->head_dim);
	a->qk_norm = true;
	a->biases = BIASES_NONE;
}

static void read(struct keys *k, struct hparams *h)
{
	static const struct read_defaults defaults = {.vocab = 65536, .context = 128000};
	struct layer_spec l = {.ffn_kind = FFN_DENSE};
	uint32_t taps = 3;
	bool tied = true;
	if (keys_hf(k) && !keys_has(k, NULL, "tie_word_embeddings"))
		h->tied = keys_bool(k, NULL, "tie_embedding", &tied) ? tied : true;
	keys_has(k, NULL, "tie_embedding");
	read_sizes(k, h, &defaults);
	h->rms_eps = keys_hf(k) ? 1e-5f : h->rms_eps;
	keys_f32(k, NULL, "norm_eps", &h->rms_eps);
	read_attention(k, h, &l.attention);
	read_rope(k, h, &l.attention);
	read_ffn_dim(k, &l.ffn);
	keys_u32(k, "shortconv.l_cache", "conv_L_cache", &taps);
	keys_has(k, NULL, "conv_bias"); /* biases are there or not */
	/* of earlier configurations: what is said elsewhere, too */
	static const char *const said[] = {"block_dim",
					   "block_mlp_init_scale",
					   "block_norm_eps",
					   "block_out_init_scale",
					   "block_use_swiglu",
					   "block_use_xavier_init",
					   "conv_dim",
					   "conv_dim_out",
					   "conv_use_xavier_init",
					   "num_heads",
					   "use_pos_enc"};
	for (size_t i = 0; i < sizeof said / sizeof *said; i++)
		keys_has(k, NULL, said[i]);
	hparams_fill(h, &l);
	for (uint32_t i = 0; i < h->n_layers && i < HPARAMS_LAYERS_MAX && !k->rc; i++)
		if (!is_attention(k, i)) {
			h->layers[i].mixer = MIXER_CONV;
			h->layers[i].attention = (struct attention_spec){0};
			h->layers[i].conv = (struct short_conv_spec){.dim = h->dim, .taps = taps};
		}
}

const struct arch arch_lfm2 = {
	.name = "lfm2", .hf_name = "lfm2", .own = names, .read = read, .bind = bind_layer, .layer = block_layer};
