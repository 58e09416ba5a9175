/* arch_granite.c: Granite 3 (arXiv 2408.13359 is its recipe): Llama's layer with four numbers: embedding, scores, what a block
 * adds and logits are each multiplied by one. llama.cpp's converter alternates rows of q and k as Llama's. */
#include "model/arch.h"
#include "model/bind.h"
#include "model/blocks.h"
#include "model/read.h"

static void read_multipliers(struct keys *k, struct hparams *h, struct attention_spec *a)
{
	if (keys_hf(k))
		a->scale = 1;
	keys_f32(k, "attention.scale", "attention_multiplier", &a->scale);
	keys_f32(k, "embedding_scale", "embedding_multiplier", &h->embedding_scale);
	keys_f32(k, "residual_scale", "residual_multiplier", &h->residual_scale);
	keys_f32(k, "logit_scale", "logits_scaling", &h->logit_divisor);
}

static void read(struct keys *k, struct hparams *h)
{
	static const struct read_defaults defaults = {.context = 2048};
	struct layer_spec l = {0};
	read_sizes(k, h, &defaults);
	read_heads(k, h, &l.attention, &defaults);
	read_biases(k, "attention_bias", &l.attention.biases);
	read_rope(k, h, &l.attention);
	keys_has(k, "rope.scaling.finetuned", NULL);
	read_multipliers(k, h, &l.attention);
	read_ffn(k, &l.ffn);
	read_biases(k, "mlp_bias", &l.ffn.biases);
	hparams_fill(h, &l);
	h->qk_permuted = !keys_hf(k);
}

const struct arch arch_granite = {.name = "granite", .read = read, .bind = bind_layer, .layer = block_layer};
