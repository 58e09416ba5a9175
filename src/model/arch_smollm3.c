/* arch_smollm3.c: SmolLM3: Llama's layer; every fourth, or those that no_rope_layers names with 0, rotates nothing (NoPE,
 * arXiv 2501.18795). */
#include "model/arch.h"
#include "model/bind.h"
#include "model/blocks.h"
#include "model/read.h"

/* GGUF does not say which; llama.cpp takes every fourth. */
static void read_still_layers(struct keys *k, struct hparams *h)
{
	uint32_t interval = 4;
	uint64_t n = keys_count(k, NULL, "no_rope_layers");
	keys_u32(k, NULL, "no_rope_layer_interval", &interval);
	if (n > 0 && n != h->n_layers)
		keys_fail(k, KVIK_ERR_FORMAT, NULL, "no_rope_layers", "does not have one entry per layer");
	h->ropes[1] = h->ropes[0];
	h->ropes[1].still = h->ropes[0].dim / 2;
	h->n_ropes = 2;
	for (uint32_t i = 0; i < h->n_layers && i < HPARAMS_LAYERS_MAX && !k->rc; i++) {
		uint32_t turns = interval == 0 || (i + 1) % interval != 0;
		if (n > 0)
			keys_u32_at(k, NULL, "no_rope_layers", i, &turns);
		h->layers[i].attention.rope = turns ? 0 : 1;
	}
}

static void read(struct keys *k, struct hparams *h)
{
	static const struct read_defaults defaults = {.kv_heads = 4, .context = 32768};
	struct layer_spec l = {0};
	read_sizes(k, h, &defaults);
	read_heads(k, h, &l.attention, &defaults);
	read_biases(k, "attention_bias", &l.attention.biases);
	read_rope(k, h, &l.attention);
	read_ffn(k, &l.ffn);
	read_biases(k, "mlp_bias", &l.ffn.biases);
	hparams_fill(h, &l);
	read_still_layers(k, h);
	read_windows_qwen(k, h);
	h->qk_permuted = !keys_hf(k);
}

const struct arch arch_smollm3 = {.name = "smollm3", .read = read, .bind = bind_layer, .layer = block_layer};
