/* arch_mixtral.c: Mixtral (arXiv 2401.04088): Mistral's attention, eight experts of which a token uses two. GGUF calls it
 * llama (arch_llama.c). */
#include "model/arch.h"
#include "model/bind.h"
#include "model/blocks.h"
#include "model/read.h"

static void read(struct keys *k, struct hparams *h)
{
	static const struct read_defaults defaults = {.kv_heads = 8, .context = 131072};
	struct layer_spec l = {.attention.biases = BIASES_NONE, .ffn_kind = FFN_EXPERTS};
	uint32_t window = 0;
	read_sizes(k, h, &defaults);
	h->rms_eps = 1e-5f;
	keys_f32(k, NULL, "rms_norm_eps", &h->rms_eps);
	read_heads(k, h, &l.attention, &defaults);
	read_rope(k, h, &l.attention);
	read_ffn(k, &l.ffn);
	l.experts = (struct experts_spec){.n = 8, .used = 2, .dim = l.ffn.dim, .routing.normalize = true};
	read_experts(k, "num_local_experts", &l.experts);
	hparams_fill(h, &l);
	if (!keys_is_null(k, "sliding_window") && keys_u32(k, NULL, "sliding_window", &window))
		read_windows_hf(k, h, window, 0);
}

/* As published; transformers 5 keeps them under the shared names. */
static const struct tensor_name own[] = {{"ffn_gate_inp", "block_sparse_moe.gate"},
					 {"ffn_gate_exps", "block_sparse_moe.experts.#.w1"},
					 {"ffn_up_exps", "block_sparse_moe.experts.#.w3"},
					 {"ffn_down_exps", "block_sparse_moe.experts.#.w2"},
					 {NULL, NULL}};

const struct arch arch_mixtral = {
	.name = "mixtral", .own = own, .read = read, .bind = bind_layer, .layer = block_layer};
