/* arch_glm4.c: GLM-4-0414 (arXiv 2406.12793), dense: norms before and after attention and feed-forward, whose gate and up
 * are one matrix; half of a head is rotated, the dims of a pair being neighbours, in both kinds of files. */
#include "model/arch.h"
#include "model/bind.h"
#include "model/blocks.h"
#include "model/read.h"

static void read(struct keys *k, struct hparams *h)
{
	static const struct read_defaults defaults = {.kv_heads = 2, .head_dim = 128, .context = 131072};
	struct layer_spec l = {.ffn = {.biases = BIASES_NONE, .fused = true}, .post_norms = true};
	bool biases = true;
	read_sizes(k, h, &defaults);
	if (keys_hf(k) && !keys_has(k, NULL, "rms_norm_eps"))
		h->rms_eps = 0.00000015625f;
	read_heads(k, h, &l.attention, &defaults);
	keys_bool(k, NULL, "attention_bias", &biases);
	if (keys_hf(k))
		l.attention.biases = biases ? BIASES_QKV : BIASES_NONE;
	read_rope_partial(k, h, &l.attention, 2);
	read_ffn(k, &l.ffn);
	hparams_fill(h, &l);
	h->qk_permuted = true;
}

static const struct tensor_name own[] = {
	{"post_attention_norm", "post_self_attn_layernorm"},
	{"post_ffw_norm", "post_mlp_layernorm"},
	{"ffn_up", "mlp.gate_up_proj"},
	{NULL, NULL},
};

const struct arch arch_glm4 = {.name = "glm4", .own = own, .read = read, .bind = bind_layer, .layer = block_layer};
