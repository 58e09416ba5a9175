/* arch_qwen3moe.c: Qwen3 with experts (arXiv 2505.09388): Qwen3's attention, a feed-forward of experts in all layers but
 * those that config.json keeps dense (mlp_only_layers, decoder_sparse_step). */
#include "model/arch.h"
#include "model/bind.h"
#include "model/blocks.h"
#include "model/read.h"

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

/* Where a window is used, all layers have it, whatever max_window_layers says. */
static void read_windows(struct keys *k, struct hparams *h)
{
	uint32_t window = 4096;
	bool use = false;
	keys_bool(k, NULL, "use_sliding_window", &use);
	keys_u32(k, NULL, "sliding_window", &window);
	keys_has(k, NULL, "max_window_layers");
	keys_has(k, NULL, "layer_types");
	for (uint32_t i = 0; use && !keys_is_null(k, "sliding_window") && i < h->n_layers && i < HPARAMS_LAYERS_MAX;
	     i++)
		h->layers[i].attention.window = window;
	read_windows_gguf(k, h);
}

static void read(struct keys *k, struct hparams *h)
{
	static const struct read_defaults defaults = {.kv_heads = 4, .context = 32768};
	struct layer_spec l = {.attention.qk_norm = true, .ffn_kind = FFN_EXPERTS, .ffn.biases = BIASES_NONE};
	l.experts = (struct experts_spec){
		.used = 8, .dim = 768, .routing.normalize = !keys_hf(k)}; /* all published GGUFs do */
	read_sizes(k, h, &defaults);
	read_heads(k, h, &l.attention, &defaults);
	read_biases(k, "attention_bias", &l.attention.biases);
	read_rope(k, h, &l.attention);
	read_ffn(k, &l.ffn);
	read_experts(k, "num_experts", &l.experts);
	keys_bool(k, NULL, "norm_topk_prob", &l.experts.routing.normalize);
	hparams_fill(h, &l);
	read_dense(k, h);
	read_windows(k, h);
}

const struct arch arch_qwen3moe = {
	.name = "qwen3moe", .hf_name = "qwen3_moe", .read = read, .bind = bind_layer, .layer = block_layer};
