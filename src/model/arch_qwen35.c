/* arch_qwen35.c: Qwen3.5, dense and with experts, and Qwen3-Next before it: of four layers three are gated delta nets (arXiv 2412.06464), one has
 * attention with norms over each head of q and k, a rotation of a quarter of the dims, and an output gate that the
 * projection of q brings with it. With experts one more is used by all tokens, its weight a sigmoid of its own.
 *
 * Positions in text are the same in all three directions of its rotary embedding, which then is an ordinary one. A
 * checkpoint holds the weights of norms less 1, but for that of the delta net; llama.cpp's converter adds it, and sorts
 * value heads so that neighbours have different key heads. Blocks that guess further tokens (MTP) are not read. */
#include <string.h>

#include "model/arch.h"
#include "model/bind.h"
#include "model/blocks.h"
#include "model/read.h"

static void read_delta(struct keys *k, struct delta_spec *d)
{
	uint32_t inner = 0;
	*d = (struct delta_spec){.k_heads = 16, .v_heads = 32, .k_dim = 128, .v_dim = 128, .taps = 4};
	keys_u32(k, NULL, "linear_num_key_heads", &d->k_heads);
	keys_u32(k, NULL, "linear_num_value_heads", &d->v_heads);
	keys_u32(k, NULL, "linear_key_head_dim", &d->k_dim);
	keys_u32(k, NULL, "linear_value_head_dim", &d->v_dim);
	keys_u32(k, NULL, "linear_conv_kernel_dim", &d->taps);
	if (keys_hf(k))
		return;
	keys_need_u32(k, "ssm.group_count", NULL, &d->k_heads);
	keys_need_u32(k, "ssm.time_step_rank", NULL, &d->v_heads);
	keys_need_u32(k, "ssm.state_size", NULL, &d->k_dim);
	keys_need_u32(k, "ssm.conv_kernel", NULL, &d->taps);
	keys_need_u32(k, "ssm.inner_size", NULL, &inner);
	d->v_dim = d->v_heads ? inner / d->v_heads : 0;
	d->interleaved = true;
}

/* Which layers are delta nets: as layer_types names them, else all but every `full_attention_interval`-th. */
static void read_mixers(struct keys *k, struct hparams *h, const struct delta_spec *d)
{
	uint32_t interval = 4;
	bool types = keys_hf(k) && keys_has(k, NULL, "layer_types");
	keys_u32(k, "full_attention_interval", "full_attention_interval", &interval);
	if (types && keys_count(k, NULL, "layer_types") != h->n_layers)
		keys_fail(k, KVIK_ERR_FORMAT, NULL, "layer_types", "does not have one entry per layer");
	if (interval == 0)
		keys_fail(k, KVIK_ERR_FORMAT, "full_attention_interval", "full_attention_interval", "is 0");
	for (uint32_t i = 0; i < h->n_layers && i < HPARAMS_LAYERS_MAX && !k->rc; i++) {
		char type[32] = "linear_attention";
		bool full = (i + 1) % interval == 0;
		if (types) {
			keys_text_at(k, "layer_types", i, type, sizeof type);
			full = strcmp(type, "full_attention") == 0;
			if (!full && strcmp(type, "linear_attention") != 0)
				keys_fail(k, KVIK_ERR_UNSUPPORTED, NULL, "layer_types",
					  "names neither linear_attention nor full_attention");
		}
		if (full)
			continue;
		h->layers[i].mixer = MIXER_DELTA;
		h->layers[i].attention = (struct attention_spec){0};
		h->layers[i].delta = *d;
	}
}

/* A quarter of a head is rotated where config.json says nothing. What is said of images does not matter for text. */
static void read_rotation(struct keys *k, struct hparams *h, const struct attention_spec *a)
{
	read_rope_partial(k, h, a, 4);
	keys_has(k, "rope.dimension_sections", "rope_parameters.mrope_section");
	keys_has(k, NULL, "rope_parameters.mrope_interleaved");
	keys_has(k, NULL, "rope_scaling.mrope_section");
	keys_has(k, NULL, "rope_scaling.mrope_interleaved");
}

/* GGUF counts the blocks that guess further tokens among its layers, at the end. */
static void read_drafts(struct keys *k, struct hparams *h)
{
	uint32_t blocks = 0;
	keys_u32(k, "nextn_predict_layers", "mtp_num_hidden_layers", &blocks);
	keys_has(k, NULL, "mtp_use_dedicated_embeddings");
	h->has_drafts = true;
	if (keys_hf(k))
		return;
	if (blocks >= h->n_layers)
		keys_fail(k, KVIK_ERR_FORMAT, "nextn_predict_layers", NULL, "leaves no layer");
	else
		h->n_layers -= blocks;
}

static void read_common(struct keys *k, struct hparams *h, struct layer_spec *l, const struct read_defaults *defaults)
{
	struct delta_spec d;
	bool gated = true;
	read_sizes(k, h, defaults);
	read_drafts(k, h);
	read_heads(k, h, &l->attention, defaults);
	read_biases(k, "attention_bias", &l->attention.biases);
	read_rotation(k, h, &l->attention);
	read_delta(k, &d);
	keys_bool(k, NULL, "attn_output_gate", &gated);
	if (!gated)
		keys_fail(k, KVIK_ERR_UNSUPPORTED, NULL, "attn_output_gate", "is false, which kvik does not run");
	keys_has(k, NULL, "mamba_ssm_dtype"); /* kvik's states are in f32 in any case */
	l->attention.gated = true;
	l->attention.qk_norm = true;
	h->norms_less_one = keys_hf(k);
	hparams_fill(h, l);
	read_mixers(k, h, &d);
}

static void read_dense(struct keys *k, struct hparams *h)
{
	static const struct read_defaults defaults = {
		.heads = 16, .vocab = 248320, .kv_heads = 4, .head_dim = 256, .context = 32768};
	struct layer_spec l = {.ffn.biases = BIASES_NONE};
	read_ffn(k, &l.ffn);
	keys_has(k, NULL, "mlp_only_layers");
	read_common(k, h, &l, &defaults);
}

const struct arch arch_qwen35 = {
	.name = "qwen35", .hf_name = "qwen3_5_text", .read = read_dense, .bind = bind_layer, .layer = block_layer};

/* ---- With experts ------------------------------------------------------------------------------------------------ */

static const struct tensor_name names[] = {
	{"ffn_gate_inp_shexp", "mlp.shared_expert_gate"},
	{"ffn_gate_shexp", "mlp.shared_expert.gate_proj"},
	{"ffn_up_shexp", "mlp.shared_expert.up_proj"},
	{"ffn_down_shexp", "mlp.shared_expert.down_proj"},
	{"ssm_in", "linear_attn.in_proj_qkvz"}, /* of Qwen3-Next, as the next */
	{"ssm_ba", "linear_attn.in_proj_ba"},
	{NULL, NULL},
};

static void read_shared_moe(struct keys *k, struct experts_spec *x)
{
	char act[32] = "silu";
	read_experts(k, "num_experts", x);
	keys_u32(k, "expert_shared_feed_forward_length", "shared_expert_intermediate_size", &x->shared_dim);
	keys_text(k, NULL, "hidden_act", act, sizeof act);
	if (strcmp(act, "silu") != 0)
		keys_fail(k, KVIK_ERR_UNSUPPORTED, NULL, "hidden_act", "is not silu");
	if (keys_count(k, NULL, "mlp_only_layers") > 0)
		keys_fail(k, KVIK_ERR_UNSUPPORTED, NULL, "mlp_only_layers", "is not empty");
	keys_has(k, NULL, "intermediate_size"); /* of layers without experts */
	keys_has(k, "feed_forward_length", NULL);
}

static void read_moe(struct keys *k, struct hparams *h)
{
	static const struct read_defaults defaults = {
		.heads = 16, .vocab = 248320, .kv_heads = 2, .head_dim = 256, .context = 32768};
	struct layer_spec l = {.ffn_kind = FFN_EXPERTS};
	l.experts = (struct experts_spec){
		.n = 256, .used = 8, .dim = 512, .routing.normalize = true, .shared_dim = 512, .shared_gated = true};
	read_shared_moe(k, &l.experts);
	keys_has(k, NULL, "norm_topk_prob"); /* the class does not look at it, nor at this */
	keys_has(k, NULL, "decoder_sparse_step");
	read_common(k, h, &l, &defaults);
}

const struct arch arch_qwen35moe = {.name = "qwen35moe",
				    .hf_name = "qwen3_5_moe_text",
				    .own = names,
				    .read = read_moe,
				    .bind = bind_layer,
				    .layer = block_layer};

/* ---- Qwen3-Next -------------------------------------------------------------------------------------------------- */

static void read_next(struct keys *k, struct hparams *h)
{
	static const struct read_defaults defaults = {
		.heads = 16, .vocab = 151936, .kv_heads = 2, .head_dim = 256, .context = 32768};
	struct layer_spec l = {.ffn_kind = FFN_EXPERTS};
	uint32_t step = 1;
	bool normalize = true;
	l.experts = (struct experts_spec){.n = 512, .used = 10, .dim = 512, .shared_dim = 512, .shared_gated = true};
	keys_bool(k, NULL, "norm_topk_prob", &normalize);
	keys_u32(k, NULL, "decoder_sparse_step", &step);
	if (step != 1)
		keys_fail(k, KVIK_ERR_UNSUPPORTED, NULL, "decoder_sparse_step", "is not 1");
	read_shared_moe(k, &l.experts);
	l.experts.routing.normalize = normalize;
	read_common(k, h, &l, &defaults);
	for (uint32_t i = 0; i < h->n_layers && i < HPARAMS_LAYERS_MAX; i++)
		h->layers[i].delta.interleaved = false; /* in GGUF neither */
}

const struct arch arch_qwen3next = {.name = "qwen3next",
				    .hf_name = "qwen3_next",
				    .own = names,
				    .read = read_next,
				    .bind = bind_layer,
				    .layer = block_layer};
