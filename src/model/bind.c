/* bind.c: see bind.h. */
#include "model/bind.h"

#include <math.h>

int bind_ends(struct binder *b, struct weights *w, const struct hparams *h)
{
	int rc = bind_embedding(b, &w->embedding);
	if (!rc)
		rc = h->logit_divisor != 0 ? bind_vec_times(b, &w->output_norm, -1, "output_norm.weight", h->dim,
							    1 / h->logit_divisor)
					   : bind_vec(b, &w->output_norm, -1, "output_norm.weight", h->dim, BIND_NORM);
	if (!rc)
		rc = bind_host_vec(b, &w->rope_divisor, -1, "rope_freqs.weight", h->ropes[0].dim / 2);
	if (!rc && h->ple_dim)
		rc = bind_table(b, &w->ple, "per_layer_token_embd.weight", h->ple_dim, h->n_layers);
	if (rc)
		return rc;
	return h->tied ? bind_tied(b, &w->output) : bind_mat(b, &w->output, -1, "output.weight", h->n_vocab, h->dim, 0);
}

static int bind_qkv_biases(struct binder *b, struct layer *l, int i, const struct attention_spec *a, unsigned flags)
{
	uint32_t q_rows = a->heads * a->head_dim, kv_rows = a->kv_heads * a->head_dim;
	int rc = bind_vec(b, &l->q_bias, i, "attn_q.bias", q_rows, flags | BIND_QK_ROWS);
	if (!rc && !a->shares)
		rc = bind_vec(b, &l->k_bias, i, "attn_k.bias", kv_rows, flags | BIND_QK_ROWS);
	if (!rc && !a->shares)
		rc = bind_vec(b, &l->v_bias, i, "attn_v.bias", kv_rows, flags | (a->v_may_be_k ? BIND_OPTIONAL : 0));
	return rc;
}

static unsigned bias_flags(enum biases b)
{
	return b == BIASES_IF_THERE ? BIND_OPTIONAL : 0;
}

/* Gated: head by head, the rows of q and those of the gate. */
static int bind_q(struct binder *b, struct layer *l, int i, const struct attention_spec *a, uint32_t dim)
{
	uint32_t rows = a->heads * a->head_dim;
	if (!a->gated)
		return bind_mat(b, &l->q, i, "attn_q.weight", rows, dim, BIND_QK_ROWS);
	int rc = bind_mat_half(b, &l->q, i, "attn_q.weight", rows, dim, a->head_dim, false);
	return rc ? rc : bind_mat_half(b, &l->attn_gate, i, "attn_q.weight", rows, dim, a->head_dim, true);
}

static int bind_kv(struct binder *b, struct layer *l, int i, const struct attention_spec *a, uint32_t dim)
{
	uint32_t rows = a->kv_heads * a->head_dim;
	int rc = bind_mat(b, &l->k, i, "attn_k.weight", rows, dim, BIND_QK_ROWS);
	return rc ? rc : bind_mat(b, &l->v, i, "attn_v.weight", rows, dim, a->v_may_be_k ? BIND_OPTIONAL : 0);
}

/* Checkpoints hold what the layers had before they shared. */
static int skip_kv(struct binder *b, int i)
{
	bind_unread(b, i, "attn_k.weight");
	bind_unread(b, i, "attn_v.weight");
	bind_unread(b, i, "attn_k_norm.weight");
	bind_unread(b, i, "attn_k.bias");
	bind_unread(b, i, "attn_v.bias");
	return 0;
}

int bind_attention(struct binder *b, struct layer *l, int i, const struct attention_spec *a)
{
	uint32_t dim = bind_dim(b);
	uint32_t q_rows = a->heads * a->head_dim;
	int rc = bind_vec(b, &l->attn_norm, i, "attn_norm.weight", dim, BIND_NORM);
	if (!rc)
		rc = bind_q(b, l, i, a, dim);
	if (!rc)
		rc = a->shares ? skip_kv(b, i) : bind_kv(b, l, i, a, dim);
	if (!rc)
		rc = bind_mat(b, &l->o, i, "attn_output.weight", dim, q_rows, 0);
	if (!rc && a->biases != BIASES_NONE)
		rc = bind_qkv_biases(b, l, i, a, bias_flags(a->biases));
	if (!rc && a->biases != BIASES_NONE && a->biases != BIASES_QKV)
		rc = bind_vec(b, &l->o_bias, i, "attn_output.bias", dim, bias_flags(a->biases));
	if (!rc && a->qk_norm)
		rc = bind_vec(b, &l->q_norm, i, "attn_q_norm.weight", a->head_dim, BIND_NORM);
	if (!rc && a->qk_norm && !a->shares)
		rc = bind_vec(b, &l->k_norm, i, "attn_k_norm.weight", a->head_dim, BIND_NORM);
	if (!rc && a->sinks)
		rc = bind_vec(b, &l->sinks, i, "attn_sinks.weight", a->heads, 0);
	return rc;
}

static int bind_latent(struct binder *b, struct layer *l, int i, const struct layer_spec *spec, uint32_t dim)
{
	const struct attention_spec *a = &spec->attention;
	const struct latent_spec *x = &spec->latent;
	struct latent_params *p = &l->latent;
	uint32_t rope = bind_rope_dim(b, a->rope), latent = a->head_dim - rope, q_dim = x->nope + rope;
	uint32_t both = x->nope + x->v_dim; /* rows of a head in kv_b */
	int rc = bind_vec(b, &l->attn_norm, i, "attn_norm.weight", dim, BIND_NORM);
	if (!rc && x->q_rank)
		rc = bind_mat(b, &p->q_a, i, "attn_q_a.weight", x->q_rank, dim, 0);
	if (!rc && x->q_rank)
		rc = bind_vec(b, &p->q_norm, i, "attn_q_a_norm.weight", x->q_rank, BIND_NORM);
	if (!rc)
		rc = bind_mat_heads(b, &l->q, i, x->q_rank ? "attn_q_b.weight" : "attn_q.weight", a->heads * q_dim,
				    x->q_rank ? x->q_rank : dim, q_dim, x->nope, rope, x->interleaved);
	if (!rc)
		rc = bind_mat_heads(b, &p->kv_a, i, "attn_kv_a_mqa.weight", a->head_dim, dim, a->head_dim, latent, rope,
				    x->interleaved);
	if (!rc)
		rc = bind_vec(b, &p->kv_norm, i, "attn_kv_a_norm.weight", latent, BIND_NORM);
	if (!rc)
		rc = bind_heads(b, &p->k, i, "attn_k_b.weight", "attn_kv_b.weight", a->heads, latent, x->nope, both, 0,
				true);
	if (!rc)
		rc = bind_heads(b, &p->v, i, "attn_v_b.weight", "attn_kv_b.weight", a->heads, x->v_dim, latent, both,
				x->nope, false);
	return rc ? rc : bind_mat(b, &l->o, i, "attn_output.weight", dim, a->heads * x->v_dim, 0);
}

/* Either apart, or (Qwen3-Next) key head by key head behind each other: q, k, v and the gate of its value heads. */
static int bind_delta_qkv(struct binder *b, struct delta_params *p, int i, const struct delta_spec *d, uint32_t dim)
{
	static const char together[] = "ssm_in.weight";
	uint32_t keys = d->k_heads * d->k_dim, values = d->v_heads * d->v_dim, v = values / d->k_heads;
	uint32_t head = 2 * d->k_dim + 2 * v, all = d->k_heads * head;
	if (bind_has(b, i, together)) {
		const struct row_piece qkv[] = {
			{keys, 0, d->k_dim, head}, {keys, d->k_dim, d->k_dim, head}, {values, 2 * d->k_dim, v, head}};
		const struct row_piece gate = {values, 2 * d->k_dim + v, v, head};
		int rc = bind_mat_pieces(b, &p->qkv, i, together, all, dim, qkv, 3);
		return rc ? rc : bind_mat_pieces(b, &p->gate, i, together, all, dim, &gate, 1);
	}
	int rc = bind_mat(b, &p->qkv, i, "attn_qkv.weight", delta_channels(d), dim, 0);
	return rc ? rc : bind_mat(b, &p->gate, i, "attn_gate.weight", values, dim, 0);
}

/* The same of alpha and beta; together beta comes first. */
static int bind_delta_rates(struct binder *b, struct delta_params *p, int i, const struct delta_spec *d, uint32_t dim)
{
	static const char together[] = "ssm_ba.weight";
	uint32_t run = d->v_heads / d->k_heads;
	if (bind_has(b, i, together)) {
		int rc = bind_mat_half(b, &p->beta, i, together, d->v_heads, dim, run, false);
		return rc ? rc : bind_mat_half(b, &p->alpha, i, together, d->v_heads, dim, run, true);
	}
	int rc = bind_mat(b, &p->alpha, i, "ssm_alpha.weight", d->v_heads, dim, 0);
	return rc ? rc : bind_mat(b, &p->beta, i, "ssm_beta.weight", d->v_heads, dim, 0);
}

static int bind_delta(struct binder *b, struct layer *l, int i, const struct delta_spec *d, uint32_t dim)
{
	struct delta_params *p = &l->delta;
	uint32_t channels = delta_channels(d), values = d->v_heads * d->v_dim;
	int rc = bind_vec(b, &l->attn_norm, i, "attn_norm.weight", dim, BIND_NORM);
	if (!rc)
		rc = bind_delta_qkv(b, p, i, d, dim);
	if (!rc)
		rc = bind_delta_rates(b, p, i, d, dim);
	if (!rc)
		rc = bind_mat(b, &p->out, i, "ssm_out.weight", dim, values, 0);
	if (!rc)
		rc = bind_taps(b, &p->conv, i, "ssm_conv1d.weight", channels, d->taps);
	if (!rc)
		rc = bind_vec(b, &p->rate, i, "ssm_a", d->v_heads, bind_is_hf(b) ? BIND_LOG_RATE : 0);
	if (!rc)
		rc = bind_vec(b, &p->dt_bias, i, "ssm_dt.bias", d->v_heads, 0);
	if (!rc)
		rc = bind_vec(b, &p->norm, i, "ssm_norm.weight", d->v_dim, 0);
	return rc;
}

static int bind_ssm_in(struct binder *b, struct ssm_params *p, int i, const struct ssm_spec *m, uint32_t dim)
{
	static const char name[] = "ssm_in.weight";
	uint32_t inner = ssm_inner(m), channels = ssm_channels(m), all = inner + channels + m->heads;
	const struct row_piece gate = {inner, 0, inner, all}, xbc = {channels, inner, channels, all},
			       dt = {m->heads, inner + channels, m->heads, all};
	int rc = bind_mat_pieces(b, &p->gate, i, name, all, dim, &gate, 1);
	if (!rc)
		rc = bind_mat_pieces(b, &p->xbc, i, name, all, dim, &xbc, 1);
	return rc ? rc : bind_mat_pieces(b, &p->dt, i, name, all, dim, &dt, 1);
}

static int bind_ssm(struct binder *b, struct layer *l, int i, const struct ssm_spec *m, uint32_t dim)
{
	struct ssm_params *p = &l->ssm;
	uint32_t inner = ssm_inner(m), channels = ssm_channels(m);
	int rc = bind_vec(b, &l->attn_norm, i, "attn_norm.weight", dim, BIND_NORM);
	if (!rc)
		rc = bind_ssm_in(b, p, i, m, dim);
	if (!rc)
		rc = bind_mat(b, &p->out, i, "ssm_out.weight", dim, inner, 0);
	if (!rc)
		rc = bind_taps(b, &p->conv, i, "ssm_conv1d.weight", channels, m->taps);
	if (!rc)
		rc = bind_vec(b, &p->conv_bias, i, "ssm_conv1d.bias", channels, BIND_OPTIONAL);
	if (!rc)
		rc = bind_vec(b, &p->rate, i, "ssm_a", m->heads, BIND_FLAT | (bind_is_hf(b) ? BIND_LOG_RATE : 0));
	if (!rc)
		rc = bind_vec(b, &p->dt_bias, i, "ssm_dt.bias", m->heads, 0);
	if (!rc)
		rc = bind_vec(b, &p->skip, i, "ssm_d", m->heads, BIND_FLAT);
	return rc ? rc : bind_vec(b, &p->norm, i, "ssm_norm.weight", inner, BIND_FLAT);
}

static int bind_conv(struct binder *b, struct layer *l, int i, const struct short_conv_spec *c, uint32_t dim)
{
	struct short_conv_params *p = &l->conv;
	int rc = bind_vec(b, &l->attn_norm, i, "attn_norm.weight", dim, BIND_NORM);
	if (!rc)
		rc = bind_mat(b, &p->in, i, "shortconv.in_proj.weight", 3 * c->dim, dim, 0);
	if (!rc)
		rc = bind_vec(b, &p->in_bias, i, "shortconv.in_proj.bias", 3 * c->dim, BIND_OPTIONAL);
	if (!rc)
		rc = bind_taps(b, &p->conv, i, "shortconv.conv.weight", c->dim, c->taps);
	if (!rc)
		rc = bind_vec(b, &p->bias, i, "shortconv.conv.bias", c->dim, BIND_OPTIONAL);
	if (!rc)
		rc = bind_mat(b, &p->out, i, "shortconv.out_proj.weight", dim, c->dim, 0);
	return rc ? rc : bind_vec(b, &p->out_bias, i, "shortconv.out_proj.bias", dim, BIND_OPTIONAL);
}

static int bind_mixer(struct binder *b, struct layer *l, int i, const struct layer_spec *spec)
{
	uint32_t dim = bind_dim(b);
	switch (spec->mixer) {
	case MIXER_DELTA: return bind_delta(b, l, i, &spec->delta, dim);
	case MIXER_SSM: return bind_ssm(b, l, i, &spec->ssm, dim);
	case MIXER_CONV: return bind_conv(b, l, i, &spec->conv, dim);
	case MIXER_LATENT: return bind_latent(b, l, i, spec, dim);
	default: return bind_attention(b, l, i, &spec->attention);
	}
}

static int bind_ffn_biases(struct binder *b, struct layer *l, int i, const struct ffn_spec *f, uint32_t dim)
{
	unsigned flags = bias_flags(f->biases);
	int rc = bind_vec(b, &l->gate_bias, i, "ffn_gate.bias", f->dim, flags);
	if (!rc)
		rc = bind_vec(b, &l->up_bias, i, "ffn_up.bias", f->dim, flags);
	if (!rc)
		rc = bind_vec(b, &l->down_bias, i, "ffn_down.bias", dim, flags);
	return rc;
}

static int bind_router(struct binder *b, struct layer *l, int i, const struct experts_spec *x, uint32_t dim)
{
	int rc = bind_mat(b, &l->router, i, "ffn_gate_inp.weight", x->n, dim, 0);
	if (!rc && x->router_bias != BIASES_NONE)
		rc = bind_vec(b, &l->router_bias, i, "ffn_gate_inp.bias", x->n, bias_flags(x->router_bias));
	if (!rc && x->corrected)
		rc = bind_vec(b, &l->router_correction, i, "exp_probs_b.bias", x->n, 0);
	if (!rc && x->scaled)
		rc = bind_vec(b, &l->expert_scale, i, "ffn_down_exps.scale", x->n, 0);
	if (!rc && x->shared_gated)
		rc = bind_mat(b, &l->shared_gate, i, "ffn_gate_inp_shexp.weight", 1, dim, 0);
	return rc;
}

/* Gate and up, apart or one behind the other in `both`. */
static int bind_gate_up(struct binder *b, struct dev_mat **gate, struct dev_mat **up, int i, const char *const names[3],
			uint32_t inner, uint32_t dim)
{
	const char *both = names[2];
	if (bind_has(b, i, both)) {
		int rc = bind_mat_half(b, gate, i, both, inner, dim, inner, false);
		return rc ? rc : bind_mat_half(b, up, i, both, inner, dim, inner, true);
	}
	int rc = bind_mat(b, gate, i, names[0], inner, dim, 0);
	return rc ? rc : bind_mat(b, up, i, names[1], inner, dim, 0);
}

static int bind_shared_expert(struct binder *b, struct expert *e, int i, uint32_t inner, uint32_t dim)
{
	static const char *const names[] = {"ffn_gate_shexp.weight", "ffn_up_shexp.weight", "ffn_gate_up_shexp.weight"};
	int rc = bind_gate_up(b, &e->gate, &e->up, i, names, inner, dim);
	if (!rc)
		rc = bind_mat(b, &e->down, i, "ffn_down_shexp.weight", dim, inner, 0);
	return rc;
}

/* Which some GGUF files name after the mixer that it follows. */
static int bind_ffn_norm(struct binder *b, struct layer *l, int i, uint32_t dim)
{
	static const char usual[] = "ffn_norm.weight", other[] = "post_attention_norm.weight";
	const char *name = !bind_has(b, i, usual) && bind_has(b, i, other) ? other : usual;
	return bind_vec(b, &l->ffn_norm, i, name, dim, BIND_NORM);
}

/* Matrices of one kind after each other: those of a stacked tensor are packed together. */
int bind_experts(struct binder *b, struct layer *l, int i, const struct experts_spec *x)
{
	static const enum expert_part parts[] = {EXPERT_GATE, EXPERT_UP, EXPERT_DOWN};
	uint32_t dim = bind_dim(b);
	int rc = bind_router(b, l, i, x, dim);
	if (!rc)
		rc = bind_experts_new(b, l, experts_all(x));
	for (size_t p = 0; p < 3 && !rc; p++) {
		bool down = parts[p] == EXPERT_DOWN;
		rc = bind_expert_mats(b, l, i, parts[p], x->n, down ? dim : x->dim, down ? x->dim : dim);
		if (!rc && x->biases == BIASES_ALL)
			rc = bind_expert_biases(b, l, i, parts[p], x->n, down ? dim : x->dim);
	}
	return rc || !x->shared_dim ? rc : bind_shared_expert(b, &l->experts[x->n], i, x->shared_dim, dim);
}

static int bind_ffn(struct binder *b, struct layer *l, int i, const struct ffn_spec *f, uint32_t dim)
{
	const char *const names[] = {"ffn_gate.weight", "ffn_up.weight",
				     f->fused ? "ffn_up.weight" : "ffn_gate_up.weight"};
	int rc = bind_ffn_norm(b, l, i, dim);
	if (!rc)
		rc = bind_gate_up(b, &l->gate, &l->up, i, names, f->dim, dim);
	if (!rc)
		rc = bind_mat(b, &l->down, i, "ffn_down.weight", dim, f->dim, 0);
	return rc || f->biases == BIASES_NONE ? rc : bind_ffn_biases(b, l, i, f, dim);
}

static int bind_both_norms(struct binder *b, struct both_params *p, int i, uint32_t dim)
{
	int rc = bind_vec_times(b, &p->router, i, "ffn_gate_inp.scale", dim, 1 / sqrtf((float)dim));
	if (!rc)
		rc = bind_vec(b, &p->experts, i, "pre_ffw_norm_2.weight", dim, BIND_NORM);
	if (!rc)
		rc = bind_vec(b, &p->dense_post, i, "post_ffw_norm_1.weight", dim, BIND_NORM);
	return rc ? rc : bind_vec(b, &p->experts_post, i, "post_ffw_norm_2.weight", dim, BIND_NORM);
}

int bind_layer(struct binder *b, struct layer *l, int i, const struct layer_spec *spec)
{
	uint32_t dim = bind_dim(b);
	int rc = bind_mixer(b, l, i, spec);
	if (!rc && spec->post_norms)
		rc = bind_vec(b, &l->attn_post_norm, i, "post_attention_norm.weight", dim, BIND_NORM);
	if (!rc && spec->post_norms)
		rc = bind_vec(b, &l->ffn_post_norm, i, "post_ffw_norm.weight", dim, BIND_NORM);
	if (rc)
		return rc;
	rc = spec->ffn_kind == FFN_EXPERTS ? bind_ffn_norm(b, l, i, dim) : bind_ffn(b, l, i, &spec->ffn, dim);
	if (!rc && spec->ffn_kind == FFN_BOTH)
		rc = bind_both_norms(b, &l->both, i, dim);
	return rc || spec->ffn_kind == FFN_DENSE ? rc : bind_experts(b, l, i, &spec->experts);
}
