/* arch_deepseek.c: DeepSeek V2 and V3 (arXiv 2405.04434, 2412.19437): latent attention, dense first layers, then experts
 * with one that all tokens share. V2 weighs by softmax; V3 by sigmoids, and corrects what is chosen. GGUF calls both
 * deepseek2. Layers behind the last one, which predict more tokens, are not used. */
#include <math.h>
#include <string.h>

#include "model/arch.h"
#include "model/bind.h"
#include "model/blocks.h"
#include "model/read.h"

/* ---- Attention --------------------------------------------------------------------------------------------------- */

/* The queries' scale grows with the stretched context: by the square of 1 + 0.1 mscale_all_dim ln(factor). */
static float yarn_scale(struct keys *k, struct rope_params *p)
{
	const char *at =
		keys_object(k, "rope_scaling") ? "rope_scaling.mscale_all_dim" : "rope_parameters.mscale_all_dim";
	float all = 0, log_mul = 0;
	if (keys_f32(k, "rope.scaling.yarn_log_multiplier", NULL, &log_mul)) {
		all = log_mul / 0.1f;
		p->attn_factor = 1; /* llama.cpp takes mscale for equal to it */
	}
	keys_f32(k, NULL, at, &all);
	float by = p->rule != ROPE_PLAIN && p->factor > 1 ? 0.1f * all * logf(p->factor) + 1 : 1;
	return by * by;
}

/* The key of all heads is the rotated dims, then the latent row. */
static void read_latent(struct keys *k, struct hparams *h, struct layer_spec *l)
{
	uint32_t rank = 512, rope = 64, q_dim = 0;
	struct attention_spec *a = &l->attention, rotated = {0};
	l->mixer = MIXER_LATENT;
	l->latent =
		(struct latent_spec){.q_rank = keys_hf(k) ? 1536 : 0, .nope = 128, .v_dim = 128, .interleaved = true};
	keys_need_u32(k, "attention.head_count", "num_attention_heads", &a->heads);
	keys_has(k, "attention.head_count_kv", "num_key_value_heads");
	keys_has(k, NULL, "head_dim");
	keys_has(k, NULL, "qk_head_dim");
	keys_u32(k, "attention.kv_lora_rank", "kv_lora_rank", &rank);
	if (!keys_u32(k, "attention.q_lora_rank", "q_lora_rank", &l->latent.q_rank) && keys_is_null(k, "q_lora_rank"))
		l->latent.q_rank = 0;
	keys_u32(k, "rope.dimension_count", "qk_rope_head_dim", &rope);
	keys_u32(k, NULL, "qk_nope_head_dim", &l->latent.nope);
	keys_u32(k, "attention.value_length_mla", "v_head_dim", &l->latent.v_dim);
	if (keys_u32(k, "attention.key_length_mla", NULL, &q_dim))
		l->latent.nope = q_dim - rope;
	keys_has(k, "attention.key_length", NULL);
	keys_has(k, "attention.value_length", NULL);
	keys_bool(k, NULL, "rope_interleave", &l->latent.interleaved);
	a->kv_heads = 1;
	a->head_dim = rank + rope;
	rotated.head_dim = rope;
	read_rope(k, h, &rotated);
	a->scale = yarn_scale(k, &h->ropes[0]) / sqrtf((float)(l->latent.nope + rope));
}

/* ---- Experts ----------------------------------------------------------------------------------------------------- */

static void read_groups(struct keys *k, struct routing *r)
{
	uint32_t groups = 0, used = 0;
	keys_u32(k, "expert_group_count", "n_group", &groups);
	keys_u32(k, "expert_group_used_count", "topk_group", &used);
	if (groups <= 1 || used == groups)
		return;
	r->groups = groups;
	r->groups_used = used;
	r->group_top = r->score == ROUTER_SIGMOID ? 2 : 1;
}

/* GGUF says 1 for softmax, 2 for sigmoids. */
static void read_scores(struct keys *k, struct experts_spec *x)
{
	uint32_t gating = 1;
	char method[32] = "greedy";
	keys_u32(k, "expert_gating_func", NULL, &gating);
	if (gating > 2)
		keys_fail(k, KVIK_ERR_UNSUPPORTED, "expert_gating_func", NULL,
			  "is neither 1 (softmax) nor 2 (sigmoid)");
	if (gating == 2)
		x->routing.score = ROUTER_SIGMOID;
	x->corrected = x->routing.score == ROUTER_SIGMOID;
	keys_text(k, NULL, "topk_method", method, sizeof method);
	keys_has(k, NULL, "scoring_func");
	if (keys_hf(k) && !x->corrected && strcmp(method, "greedy") == 0) {
		keys_has(k, NULL, "n_group");
		keys_has(k, NULL, "topk_group");
	} else {
		read_groups(k, &x->routing);
	}
}

static void read_shared(struct keys *k, struct experts_spec *x)
{
	uint32_t shared = x->corrected ? 1 : 2;
	keys_u32(k, "expert_shared_count", "n_shared_experts", &shared);
	x->shared_dim = shared * x->dim;
}

static void read_moe(struct keys *k, struct experts_spec *x)
{
	read_experts(k, "n_routed_experts", x);
	keys_f32(k, "expert_weights_scale", "routed_scaling_factor", &x->routing.scale);
	keys_bool(k, "expert_weights_norm", NULL, &x->routing.normalize);
	read_scores(k, x);
	read_shared(k, x);
}

/* ---- The model --------------------------------------------------------------------------------------------------- */

static void read_model(struct keys *k, struct hparams *h, const struct experts_spec *x, uint32_t dense)
{
	static const struct read_defaults defaults = {.context = 4096};
	struct layer_spec l = {.ffn_kind = FFN_EXPERTS, .ffn.biases = BIASES_NONE, .experts = *x};
	read_sizes(k, h, &defaults);
	read_latent(k, h, &l);
	read_ffn(k, &l.ffn);
	read_moe(k, &l.experts);
	if (keys_hf(k))
		keys_bool(k, NULL, "norm_topk_prob",
			  l.experts.corrected ? &l.experts.routing.normalize : &(bool){false});
	keys_u32(k, "leading_dense_block_count", "first_k_dense_replace", &dense);
	h->has_drafts = true;
	keys_has(k, NULL, "num_nextn_predict_layers");
	keys_has(k, NULL, "num_mtp_layers");
	keys_has(k, NULL, "moe_layer_freq");
	keys_has(k, NULL, "ep_size");
	hparams_fill(h, &l);
	for (uint32_t i = 0; i < dense && i < h->n_layers && i < HPARAMS_LAYERS_MAX; i++)
		h->layers[i].ffn_kind = FFN_DENSE;
}

static void read_v2(struct keys *k, struct hparams *h)
{
	read_model(k, h, &(struct experts_spec){.n = 64, .used = 6, .dim = 1407}, 0);
}

static void read_v3(struct keys *k, struct hparams *h)
{
	struct experts_spec x = {.n = 256, .used = 8, .dim = 2048};
	x.routing = (struct routing){.score = ROUTER_SIGMOID, .normalize = true, .scale = 2.5f};
	read_model(k, h, &x, 3);
}

const struct arch arch_deepseek2 = {
	.name = "deepseek2", .hf_name = "deepseek_v2", .read = read_v2, .bind = bind_layer, .layer = block_layer};
/* Of folders alone. */
const struct arch arch_deepseek3 = {
	.name = "deepseek3", .hf_name = "deepseek_v3", .read = read_v3, .bind = bind_layer, .layer = block_layer};
