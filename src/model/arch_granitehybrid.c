/* arch_granitehybrid.c: Granite 4 (IBM): state space models (Mamba-2) and a few layers of attention, most without rotation;
 * experts beside one that all tokens use, or that one alone. Embedding, residuals, scores and logits have scales of their
 * own. Source: HF Transformers' GraniteMoeHybrid, llama.cpp's granitehybrid. */
#include <string.h>

#include "model/arch.h"
#include "model/bind.h"
#include "model/blocks.h"
#include "model/read.h"

static const struct tensor_name names[] = {
	{"ssm_in", "mamba.in_proj"},
	{"ssm_conv1d", "mamba.conv1d"},
	{"ssm_dt.bias", "mamba.dt_bias"},
	{"ssm_a", "mamba.A_log"},
	{"ssm_d", "mamba.D"},
	{"ssm_norm", "mamba.norm"},
	{"ssm_out", "mamba.out_proj"},
	{"ffn_gate_inp", "block_sparse_moe.router.layer"},
	{"ffn_gate_up_exps", "block_sparse_moe.input_linear"},
	{"ffn_down_exps", "block_sparse_moe.output_linear"},
	{"ffn_gate_up_shexp", "shared_mlp.input_linear"},
	{"ffn_down_shexp", "shared_mlp.output_linear"},
	{"ffn_gate_up", "shared_mlp.input_linear"}, /* without experts */
	{"ffn_down", "shared_mlp.output_linear"},
	{NULL, NULL},
};

static void read_ssm(struct keys *k, const struct hparams *h, struct ssm_spec *m)
{
	uint32_t expand = 2, inner = 0;
	bool biases = false;
	*m = (struct ssm_spec){.heads = 128, .groups = 1, .state_dim = 256, .taps = 4};
	keys_u32(k, "ssm.time_step_rank", "mamba_n_heads", &m->heads);
	keys_u32(k, "ssm.group_count", "mamba_n_groups", &m->groups);
	keys_u32(k, "ssm.state_size", "mamba_d_state", &m->state_dim);
	keys_u32(k, "ssm.conv_kernel", "mamba_d_conv", &m->taps);
	keys_u32(k, NULL, "mamba_expand", &expand);
	keys_has(k, NULL, "mamba_d_head"); /* what the others give */
	keys_has(k, NULL, "mamba_chunk_size");
	keys_has(k, NULL, "mamba_conv_bias"); /* it is there or not */
	keys_has(k, NULL, "time_step_limit");
	keys_bool(k, NULL, "mamba_proj_bias", &biases);
	if (biases)
		keys_fail(k, KVIK_ERR_UNSUPPORTED, NULL, "mamba_proj_bias", "is true, which kvik does not run");
	inner = expand <= 64 ? expand * h->dim : 0;
	if (!keys_hf(k))
		keys_need_u32(k, "ssm.inner_size", NULL, &inner);
	m->head_dim = m->heads ? inner / m->heads : 0;
	if (m->head_dim * m->heads != inner)
		keys_fail(k, KVIK_ERR_FORMAT, "ssm.time_step_rank", "mamba_n_heads", "does not divide the inner size");
}

static bool is_attention(struct keys *k, uint32_t layer)
{
	char type[32] = "linear_attention";
	uint32_t heads = 0;
	if (!keys_hf(k))
		return keys_u32_at(k, "attention.head_count_kv", NULL, layer, &heads) && heads > 0;
	if (!keys_text_at(k, "layer_types", layer, type, sizeof type))
		keys_text_at(k, "layers_block_type", layer, type, sizeof type);
	return strcmp(type, "attention") == 0 || strcmp(type, "full_attention") == 0;
}

/* GGUF's number of kv heads is an array, 0 where there is no attention. */
static void read_attention(struct keys *k, struct hparams *h, struct attention_spec *a)
{
	a->heads = 32;
	keys_u32(k, "attention.head_count", "num_attention_heads", &a->heads);
	if (keys_hf(k) && !keys_u32(k, NULL, "num_key_value_heads", &a->kv_heads))
		a->kv_heads = a->heads;
	for (uint32_t i = 0; i < h->n_layers && a->kv_heads == 0 && !keys_hf(k); i++)
		keys_u32_at(k, "attention.head_count_kv", NULL, i, &a->kv_heads);
	if (a->heads == 0 || h->dim % a->heads != 0) {
		keys_fail(k, KVIK_ERR_FORMAT, "attention.head_count", "num_attention_heads",
			  "does not divide the hidden size");
		return;
	}
	a->head_dim = h->dim / a->heads;
	a->scale = 1;
	keys_f32(k, "attention.scale", "attention_multiplier", &a->scale);
	a->biases = BIASES_NONE;
	read_biases(k, "attention_bias", &a->biases);
}

/* Without a rotation: one of no pair. */
static void read_rotation(struct keys *k, struct hparams *h, const struct attention_spec *a)
{
	char type[32] = "nope";
	bool turns = true;
	read_rope(k, h, a);
	if (keys_hf(k)) {
		keys_text(k, NULL, "position_embedding_type", type, sizeof type);
		turns = strcmp(type, "rope") == 0;
	} else {
		keys_bool(k, "rope.scaling.finetuned", NULL, &turns);
	}
	if (!turns)
		h->ropes[0] = (struct rope_params){
			.rule = ROPE_PLAIN, .theta = 10000, .factor = 1, .dim = a->head_dim, .still = a->head_dim / 2};
}

static void read_feed_forward(struct keys *k, struct layer_spec *l)
{
	struct experts_spec *x = &l->experts;
	uint32_t shared = 1024;
	*x = (struct experts_spec){.n = 8, .used = 2, .routing.score = ROUTER_SOFTMAX_CHOSEN};
	read_ffn(k, &l->ffn);
	l->ffn.biases = BIASES_NONE;
	if (keys_hf(k))
		keys_u32(k, NULL, "num_local_experts", &x->n);
	else if (!keys_u32(k, "expert_count", NULL, &x->n))
		x->n = 0;
	keys_u32(k, "expert_used_count", "num_experts_per_tok", &x->used);
	x->dim = l->ffn.dim;
	x->router_bias = x->biases = BIASES_NONE;
	if (!keys_hf(k))
		shared = l->ffn.dim;
	keys_u32(k, "expert_shared_feed_forward_length", "shared_intermediate_size", &shared);
	l->ffn_kind = x->n > 0 ? FFN_EXPERTS : FFN_DENSE;
	x->shared_dim = x->n > 0 ? shared : 0;
	l->ffn.dim = x->n > 0 ? 0 : shared;
	if (x->n == 0)
		*x = (struct experts_spec){0};
}

static void read(struct keys *k, struct hparams *h)
{
	static const struct read_defaults defaults = {.vocab = 32000, .context = 2048};
	struct layer_spec l = {0};
	struct ssm_spec ssm;
	read_sizes(k, h, &defaults);
	keys_f32(k, "embedding_scale", "embedding_multiplier", &h->embedding_scale);
	keys_f32(k, "residual_scale", "residual_multiplier", &h->residual_scale);
	keys_f32(k, "logit_scale", "logits_scaling", &h->logit_divisor);
	read_attention(k, h, &l.attention);
	read_rotation(k, h, &l.attention);
	read_feed_forward(k, &l);
	read_ssm(k, h, &ssm);
	h->qk_permuted = !keys_hf(k);
	hparams_fill(h, &l);
	for (uint32_t i = 0; i < h->n_layers && i < HPARAMS_LAYERS_MAX && !k->rc; i++)
		if (!is_attention(k, i)) {
			h->layers[i].mixer = MIXER_SSM;
			h->layers[i].attention = (struct attention_spec){0};
			h->layers[i].ssm = ssm;
		}
}

const struct arch arch_granitehybrid = {.name = "granitehybrid",
					.hf_name = "granitemoehybrid",
					.own = names,
					.read = read,
					.bind = bind_layer,
					.layer = block_layer};
