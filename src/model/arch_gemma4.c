/* arch_gemma4.c: Gemma 4, the language part. Gemma 3 with
 *
 *   heads of two sizes       wider ones in layers that see everything, of which only a part of the dims turns
 *   fewer keys and values    the last layers read those of the last layer of their kind before them; in some models v is k's
 *                            projection; v has a norm without weights, and scores no scale
 *   experts                  beside the dense feed-forward of every layer, with norms of their own (26B-A4B)
 *   layers' own embeddings   each layer looks up a row of its own for the token, adds a projection of the model's embedding,
 *                            and lets it through a gate into the stream (E2B, E4B)
 *
 * and each layer's output times a learned number. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/arch.h"
#include "model/bind.h"
#include "model/blocks.h"
#include "model/read.h"

enum { FULL_DIM = 512, LOCAL_DIM = 256 };

/* ---- What files say ---------------------------------------------------------------------------------------------- */

struct sizes {
	uint32_t heads, full_dim, local_dim;
	uint32_t global_kv;       /* KV heads of layers that see everything; 0 = as the others */
	bool v_may_be_k, doubled; /* doubled: the feed-forward of layers that share */
	uint32_t shared;          /* the last so many layers */
	enum biases biases;
};

/* In what layers that see everything differ. As published: in fields of their own. As transformers 5.23 writes it: in an
 * object for each layer (read_layer), and where that says nothing they do not differ. */
static void read_full(struct keys *k, struct sizes *s)
{
	bool listed = keys_has(k, NULL, "per_layer_config") || keys_is_null(k, "per_layer_config");
	keys_u32(k, "attention.key_length", "global_head_dim", &s->full_dim);
	keys_u32(k, NULL, "num_global_key_value_heads", &s->global_kv);
	if (listed || !s->v_may_be_k)
		s->global_kv = 0;
	if (listed)
		s->full_dim = s->local_dim;
}

static void read_dims(struct keys *k, struct sizes *s)
{
	uint32_t full_v, local_v;
	*s = (struct sizes){.heads = 8, .full_dim = FULL_DIM, .local_dim = LOCAL_DIM, .v_may_be_k = !keys_hf(k)};
	keys_u32(k, "attention.head_count", "num_attention_heads", &s->heads);
	keys_u32(k, "attention.key_length_swa", "head_dim", &s->local_dim);
	keys_bool(k, NULL, "attention_k_eq_v", &s->v_may_be_k);
	read_full(k, s);
	full_v = s->full_dim;
	local_v = s->local_dim;
	keys_u32(k, "attention.value_length", NULL, &full_v);
	keys_u32(k, "attention.value_length_swa", NULL, &local_v);
	if (full_v != s->full_dim || local_v != s->local_dim)
		keys_fail(k, KVIK_ERR_UNSUPPORTED, "attention.value_length", NULL,
			  "is not that of the keys, which kvik does not run");
	keys_u32(k, "attention.shared_kv_layers", "num_kv_shared_layers", &s->shared);
	keys_bool(k, NULL, "use_double_wide_mlp", &s->doubled);
	read_biases(k, "attention_bias", &s->biases);
}

/* The last layer of the same kind before those that share, from `first` on: 1 + its number. */
static uint32_t source_of(const struct hparams *h, uint32_t layer, uint32_t first)
{
	for (uint32_t i = first; i > 0; i--)
		if (h->layers[i - 1].attention.window == h->layers[layer].attention.window)
			return i;
	return layer + 1; /* hparams_check says that there is none */
}

static void read_layer(struct keys *k, struct hparams *h, const struct sizes *s, uint32_t i)
{
	struct layer_spec *l = &h->layers[i];
	struct attention_spec *a = &l->attention;
	bool full = a->window == 0, shares = i + s->shared >= h->n_layers;
	a->heads = s->heads;
	a->kv_heads = 4;
	keys_u32_at(k, "attention.head_count_kv", "num_key_value_heads", i, &a->kv_heads);
	if (full && s->global_kv)
		a->kv_heads = s->global_kv;
	a->head_dim = full ? s->full_dim : s->local_dim;
	keys_u32_layer(k, "per_layer_config", i, "head_dim", &a->head_dim);
	keys_u32_layer(k, "per_layer_config", i, "num_key_value_heads", &a->kv_heads);
	a->biases = s->biases;
	a->v_may_be_k = full && s->v_may_be_k;
	a->shares = shares ? source_of(h, i, h->n_layers - s->shared) : 0;
	keys_u32_at(k, "feed_forward_length", "intermediate_size", i, &l->ffn.dim);
	if (shares && s->doubled)
		l->ffn.dim *= 2;
}

/* The head dimension of all layers of a kind, which have one rope; if there are none, dim. */
static uint32_t same_dim(struct keys *k, const struct hparams *h, bool full, uint32_t dim)
{
	bool any = false;
	for (uint32_t i = 0; i < h->n_layers; i++) {
		const struct attention_spec *a = &h->layers[i].attention;
		if ((a->window == 0) != full)
			continue;
		if (any && a->head_dim != dim)
			keys_fail(k, KVIK_ERR_UNSUPPORTED, NULL, "per_layer_config",
				  "gives layers of one kind different head dimensions, which kvik does not run");
		dim = a->head_dim;
		any = true;
	}
	return dim;
}

static void read_layers(struct keys *k, struct hparams *h, struct sizes *s)
{
	if (h->n_layers > HPARAMS_LAYERS_MAX) /* hparams_check says so */
		return;
	if (s->shared >= h->n_layers && h->n_layers > 0) {
		keys_fail(k, KVIK_ERR_FORMAT, "attention.shared_kv_layers", "num_kv_shared_layers",
			  "is not below the number of layers");
		return;
	}
	for (uint32_t i = 0; i < h->n_layers; i++)
		read_layer(k, h, s, i);
	s->full_dim = same_dim(k, h, true, s->full_dim);
	s->local_dim = same_dim(k, h, false, s->local_dim);
}

/* Which layers see everything; the last one does, whatever config.json says. */
static void read_windows(struct keys *k, struct hparams *h, uint32_t window)
{
	read_windows_period(k, h, window, 6);
	if (keys_hf(k) && h->n_layers > 0 && h->n_layers <= HPARAMS_LAYERS_MAX)
		h->layers[h->n_layers - 1].attention.window = 0;
}

/* In every layer, beside its dense feed-forward. */
static void read_moe(struct keys *k, struct hparams *h)
{
	struct experts_spec x = {.routing = {.score = ROUTER_SOFTMAX, .normalize = true},
				 .scaled = true,
				 .router_bias = BIASES_NONE,
				 .biases = BIASES_NONE,
				 .activation = ACTIVATION_GELU};
	bool moe = false;
	if (keys_hf(k))
		keys_bool(k, NULL, "enable_moe_block", &moe);
	else
		moe = keys_has(k, "expert_count", NULL);
	if (!moe) { /* then these say nothing */
		keys_has(k, NULL, "num_experts");
		keys_has(k, NULL, "top_k_experts");
		keys_has(k, NULL, "moe_intermediate_size");
		return;
	}
	keys_need_u32(k, "expert_count", "num_experts", &x.n);
	keys_need_u32(k, "expert_used_count", "top_k_experts", &x.used);
	keys_need_u32(k, "expert_feed_forward_length", "moe_intermediate_size", &x.dim);
	for (uint32_t i = 0; i < h->n_layers && i < HPARAMS_LAYERS_MAX; i++) {
		h->layers[i].ffn_kind = FFN_BOTH;
		h->layers[i].experts = x;
	}
}

/* What kvik does not compute. */
static void read_others(struct keys *k)
{
	char both[16] = "";
	if (keys_hf(k))
		keys_text(k, NULL, "use_bidirectional_attention", both, sizeof both);
	if (strcmp(both, "all") == 0)
		keys_fail(k, KVIK_ERR_UNSUPPORTED, NULL, "use_bidirectional_attention",
			  "lets tokens see what follows, which kvik does not run");
}

/* window, ple_dim: what config.json means where it leaves them out. */
static void read_with(struct keys *k, struct hparams *h, uint32_t context, uint32_t window, uint32_t ple_dim)
{
	struct read_defaults defaults = {.vocab = 262144, .context = context};
	struct layer_spec l = {.post_norms = true,
			       .attention = {.qk_norm = true, .v_norm = true, .scale = 1},
			       .ffn = {.activation = ACTIVATION_GELU, .biases = BIASES_NONE}};
	struct sizes s;
	read_sizes(k, h, &defaults);
	read_dims(k, &s);
	read_ffn_activation(k, "hidden_activation");
	keys_f32(k, "final_logit_softcapping", "final_logit_softcapping", &h->logit_cap);
	h->ple_dim = keys_hf(k) ? ple_dim : 0;
	keys_u32(k, "embedding_length_per_layer_input", "hidden_size_per_layer_input", &h->ple_dim);
	keys_has(k, NULL, "vocab_size_per_layer_input"); /* the table's shape says it */
	hparams_fill(h, &l);
	read_windows(k, h, window);
	read_layers(k, h, &s);
	read_ropes_local(k, h, s.full_dim, keys_hf(k) ? 1000000 : 10000, s.local_dim, 10000);
	if (keys_hf(k) && !keys_object(k, "rope_parameters")) /* a quarter of the dims turn */
		h->ropes[0].still = s.full_dim / 2 - s.full_dim / 8;
	read_moe(k, h);
	read_others(k);
	h->embedding_scale = sqrtf((float)h->dim);
}

static void read(struct keys *k, struct hparams *h)
{
	read_with(k, h, 131072, 512, 256);
}

/* 12B, whose pictures and sounds enter without towers of their own. */
static void read_unified(struct keys *k, struct hparams *h)
{
	read_with(k, h, 262144, 1024, 0);
}

/* ---- Tensors ----------------------------------------------------------------------------------------------------- */

/* The projections of all layers are one tensor, those of a layer after the other's. */
static int bind_ple(struct binder *b, struct layer *l, int i, const struct hparams *h)
{
	uint32_t n = h->ple_dim, all = n * h->n_layers;
	int rc = bind_mat_part(b, &l->ple.model, "per_layer_model_proj.weight", (uint32_t)i * n, n, all, h->dim);
	if (!rc)
		rc = bind_vec_times(b, &l->ple.norm, -1, "per_layer_proj_norm.weight", n, sqrtf(0.5f));
	if (!rc)
		rc = bind_mat(b, &l->ple.gate, i, "inp_gate.weight", n, h->dim, 0);
	if (!rc)
		rc = bind_mat(b, &l->ple.out, i, "proj.weight", h->dim, n, 0);
	return rc ? rc : bind_vec(b, &l->ple.post_norm, i, "post_norm.weight", h->dim, 0);
}

static int bind(struct binder *b, struct layer *l, int i, const struct layer_spec *spec)
{
	const struct hparams *h = bind_hparams(b);
	int rc = bind_layer(b, l, i, spec);
	if (!rc)
		rc = bind_vec(b, &l->out_scale, i, "layer_output_scale.weight", 1, BIND_OPTIONAL);
	return rc || h->ple_dim == 0 ? rc : bind_ple(b, l, i, h);
}

static void layer(struct step *s, const struct layer *l)
{
	block_layer(s, l);
	if (s->m->h.ple_dim)
		block_ple(s, l);
	if (l->out_scale)
		block_out_scale(s, l);
}

static const struct tensor_name own[] = {
	{"ffn_norm", "pre_feedforward_layernorm"},
	{"post_attention_norm", "post_attention_layernorm"},
	{"post_ffw_norm", "post_feedforward_layernorm"},
	{"layer_output_scale.weight", "layer_scalar"},
	{"per_layer_token_embd", "embed_tokens_per_layer"},
	{"per_layer_model_proj", "per_layer_model_projection"},
	{"per_layer_proj_norm", "per_layer_projection_norm"},
	{"inp_gate", "per_layer_input_gate"},
	{"proj", "per_layer_projection"},
	{"post_norm", "post_per_layer_input_norm"},
	{"ffn_gate_inp", "router.proj"},
	{"ffn_gate_inp.scale", "router.scale"},
	{"ffn_down_exps.scale", "router.per_expert_scale"},
	{"ffn_gate_up_exps.weight", "experts.gate_up_proj"},
	{"ffn_down_exps.weight", "experts.down_proj"},
	{"pre_ffw_norm_2", "pre_feedforward_layernorm_2"},
	{"post_ffw_norm_1", "post_feedforward_layernorm_1"},
	{"post_ffw_norm_2", "post_feedforward_layernorm_2"},
	{NULL, NULL},
};

const struct arch arch_gemma4 = {
	.name = "gemma4", .hf_name = "gemma4_text", .own = own, .read = read, .bind = bind, .layer = layer};

const struct arch arch_gemma4_unified = {.name = "gemma4",
					 .hf_name = "gemma4_unified_text",
					 .own = own,
					 .read = read_unified,
					 .bind = bind,
					 .layer = layer};
