/* arch_gptoss.c: gpt-oss (arXiv 2508.10925): a window in every other layer, a learned logit in the softmax of each head
 * (a sink), YaRN; experts with biases and a clamped SwiGLU, chosen before the softmax. */
#include <string.h>

#include "model/arch.h"
#include "model/bind.h"
#include "model/blocks.h"
#include "model/read.h"

static void must_be(struct keys *k, const char *hf, float value)
{
	float v = value;
	keys_f32(k, NULL, hf, &v);
	if (v != value)
		keys_fail(k, KVIK_ERR_UNSUPPORTED, NULL, hf, "is not the one that kvik computes (1.702 and 7)");
}

static void read_moe(struct keys *k, struct experts_spec *x)
{
	x->n = 128;
	x->used = 4;
	x->dim = 2880;
	if (keys_hf(k))
		keys_u32(k, NULL, "intermediate_size", &x->dim);
	keys_u32(k, NULL, "num_experts", &x->n);
	keys_u32(k, "expert_count", "num_local_experts", &x->n);
	keys_u32(k, NULL, "experts_per_token", &x->used); /* as it was called at first, beside the other */
	keys_u32(k, "expert_used_count", "num_experts_per_tok", &x->used);
	keys_u32(k, "expert_feed_forward_length", NULL, &x->dim);
	keys_has(k, "feed_forward_length", "hidden_act");
	must_be(k, "swiglu_alpha", 1.702f);
	must_be(k, "swiglu_limit", 7);
	x->routing.score = ROUTER_SOFTMAX_CHOSEN;
	x->activation = ACTIVATION_CLAMPED;
	x->router_bias = x->biases = BIASES_ALL;
	x->interleaved = true;
}

/* All published ones keep the ramp's ends as fractions; GGUF does not say. */
static void read_yarn(struct keys *k, struct hparams *h, const struct attention_spec *a)
{
	read_rope(k, h, a);
	if (!keys_hf(k))
		h->ropes[0].keep_fractions = true;
}

static void read(struct keys *k, struct hparams *h)
{
	static const struct read_defaults defaults = {
		.heads = 64, .vocab = 201088, .kv_heads = 8, .head_dim = 64, .context = 131072};
	struct layer_spec l = {.attention = {.sinks = true, .biases = BIASES_ALL}, .ffn_kind = FFN_EXPERTS};
	read_sizes(k, h, &defaults);
	if (keys_hf(k) && !keys_has(k, NULL, "rms_norm_eps"))
		h->rms_eps = 1e-5f;
	keys_has(k, NULL, "initial_context_length"); /* the rope's, which says it, too */
	read_heads(k, h, &l.attention, &defaults);
	if (keys_has(k, NULL, "attention_bias"))
		read_biases(k, "attention_bias", &l.attention.biases);
	read_yarn(k, h, &l.attention);
	read_moe(k, &l.experts);
	hparams_fill(h, &l);
	if (!keys_is_null(k, "sliding_window"))
		read_windows_period(k, h, 128, 2);
}

static int bind(struct binder *b, struct layer *l, int i, const struct layer_spec *spec)
{
	int rc = bind_attention(b, l, i, &spec->attention);
	if (!rc)
		rc = bind_vec(b, &l->ffn_norm, i, "post_attention_norm.weight", bind_dim(b), 0);
	return rc ? rc : bind_experts(b, l, i, &spec->experts);
}

static const struct tensor_name own[] = {
	{"attn_sinks.weight", "self_attn.sinks"},
	{"post_attention_norm", "post_attention_layernorm"},
	{"ffn_gate_inp", "mlp.router"},
	{"ffn_gate_up_exps.bias", "mlp.experts.gate_up_proj_bias"},
	{"ffn_down_exps.bias", "mlp.experts.down_proj_bias"},
	{NULL, NULL},
};

const struct arch arch_gptoss = {
	.name = "gpt-oss", .hf_name = "gpt_oss", .own = own, .read = read, .bind = bind, .layer = block_layer};
