/* arch_llama.c: Llama 2 and 3.x (arXiv 2307.09288, 2407.21783), and what shares their shape: pre-norm, rotary grouped
 * attention, SwiGLU. GGUF calls Mistral so too, hence the windows, and
 * Mixtral (arch_mixtral.c), hence the experts. */
#include "model/arch.h"
#include "model/bind.h"
#include "model/blocks.h"
#include "model/read.h"

static void read(struct keys *k, struct hparams *h)
{
	static const struct read_defaults defaults = {.context = 2048};
	struct layer_spec l = {0};
	read_sizes(k, h, &defaults);
	read_heads(k, h, &l.attention, &defaults);
	read_biases(k, "attention_bias", &l.attention.biases);
	read_rope(k, h, &l.attention);
	read_ffn(k, &l.ffn);
	read_biases(k, "mlp_bias", &l.ffn.biases);
	l.experts = (struct experts_spec){.used = 2, .dim = l.ffn.dim, .routing.normalize = true};
	if (keys_u32(k, "expert_count", NULL, &l.experts.n) && l.experts.n > 0) {
		l.ffn_kind = FFN_EXPERTS;
		read_experts(k, NULL, &l.experts);
	}
	hparams_fill(h, &l);
	read_windows_gguf(k, h);
	h->qk_permuted = !keys_hf(k);
}

const struct arch arch_llama = {.name = "llama", .read = read, .bind = bind_layer, .layer = block_layer};
