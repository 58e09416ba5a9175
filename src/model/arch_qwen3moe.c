/* arch_qwen3moe.c: Qwen3 with experts (arXiv 2505.09388): Qwen3's attention, a feed-forward of experts in all layers but
 * those that config.json keeps dense (mlp_only_layers, decoder_sparse_step). */
#include "model/arch.h"
#include "model/bind.h"
#include "model/blocks.h"
#include "model/read.h"

static void read_experts(struct keys *k, struct experts_spec *x)
{
	if (!keys_u32(k, NULL, "num_local_experts", &x->n)) /* as transformers 5 writes it */
		keys_need_u32(k, "expert_count", "num_experts", &x->n);
	x->used = 8;
	x->dim = 768;
	keys_u32(k, "expert_used_count", "num_experts_per_tok", &x->used);
	keys_u32(k, "expert_feed_forward_length", "moe_intermediate_size", &x->dim);
	x->normalize = !keys_hf(k); /* GGUF does not say: all published ones do */
	keys_bool(k, NULL, "norm_topk_prob", &x->normalize);
}

/* Which layers stay dense. */
static void read_dense(struct keys *k, struct hparams *h)
{
	uint32_t step = 1, layer = 0;
	keys_u32(k, NULL, "decoder_sparse_step", &step);
	for (uint32_t i = 0; i < h->n_layers && i < HPARAMS_LAYERS_MAX && step > 0; i++)
		if ((i + 1) % step != 0)
			h->layers[i].ffn_kind = FFN_DENSE;
	for (uint32_t i = 0; i < keys_count(k, NULL, "mlp_only_layers"); i++)
		if (keys_u32_at(k, NULL, "mlp_only_layers", i, &layer) && layer < h->n_layers &&
		    layer < HPARAMS_LAYERS_MAX)
			h->layers[layer].ffn_kind = FFN_DENSE;
}

static void read(struct keys *k, struct hparams *h)
{
	static const struct read_defaults defaults = {.kv_heads = 4, .context = 32768};
	struct layer_spec l = {.attention.qk_norm = true, .ffn_kind = FFN_EXPERTS, .ffn.biases = BIASES_NONE};
	read_sizes(k, h, &defaults);
	read_heads(k, h, &l.attention, &defaults);
	read_biases(k, "attention_bias", &l.attention.biases);
	read_rope(k, h, &l.attention);
	read_ffn(k, &l.ffn);
	read_experts(k, &l.experts);
	hparams_fill(h, &l);
	read_dense(k, h);
	read_windows_gguf(k, h);
	read_windows_qwen(k, h);
}

const struct arch arch_qwen3moe = {
	.name = "qwen3moe", .hf_name = "qwen3_moe", .read = read, .bind = bind_layer, .layer = block_layer};
