/* blocks.c: the parts that layers are made of, see blocks.h: which of the backend's functions in which order. */
#include "model/blocks.h"

#include <math.h>

void block_embed(struct step *s)
{
	const struct source_tensor *e = s->m->w.embedding;
	struct row_table t = {.type = e->type, .rows = e->data, .cols = s->m->h.dim, .scale = s->m->h.embedding_scale};
	s->backend->embed(s->dev, &t, s->w->x);
	if (s->m->h.ple_dim)
		s->backend->embed(s->dev, &t, s->w->embedded);
}

/* out = RMS norm of x, both [T][dim] */
static void norm(struct step *s, const struct dev_f32 *x, const struct dev_f32 *weight, struct dev_f32 *out)
{
	s->backend->norm(s->dev, &(struct norm_call){.x = x,
						     .weight = weight,
						     .out = out,
						     .eps = s->m->h.rms_eps,
						     .rows = s->b->batch.n_tokens,
						     .cols = s->m->h.dim});
}

void block_norm(struct step *s, const struct dev_f32 *weight)
{
	norm(s, s->w->x, weight, s->w->norm);
}

void block_post_norm(struct step *s, const struct dev_f32 *weight)
{
	norm(s, s->w->delta, weight, s->w->delta);
}

void block_add(struct step *s)
{
	float factor = s->m->h.residual_scale != 0 ? s->m->h.residual_scale : 1;
	s->backend->add(s->dev, s->w->x, s->w->delta, factor, s->b->batch.n_tokens, s->m->h.dim);
}

/* x += delta, normed where there is a post-norm. */
static void add_normed(struct step *s, const struct dev_f32 *post_norm)
{
	if (post_norm)
		block_post_norm(s, post_norm);
	block_add(s);
}

/* x += delta, where delta = m in + bias, normed where there is a post-norm. */
static void add_linear(struct step *s, const struct dev_mat *m, const struct dev_f32 *bias,
		       const struct dev_f32 *post_norm, const struct dev_f32 *in)
{
	struct linear_out out = {m, bias, s->w->delta};
	s->backend->linear(s->dev, in, s->b->batch.n_tokens, &out, 1);
	add_normed(s, post_norm);
}

/* ---- Attention --------------------------------------------------------------------------------------------------- */

void block_qkv(struct step *s, const struct layer *l)
{
	struct model_work *w = s->w;
	struct linear_out all[LINEAR_OUTS_MAX] = {{l->q, l->q_bias, w->q},
						  {l->k, l->k_bias, w->k},
						  {l->v, l->v_bias, w->v},
						  {l->attn_gate, NULL, w->attn_gate}};
	struct linear_out outs[LINEAR_OUTS_MAX];
	uint32_t n = 0;
	for (uint32_t i = 0; i < LINEAR_OUTS_MAX; i++) /* those that the layer has */
		if (all[i].m)
			outs[n++] = all[i];
	block_norm(s, l->attn_norm);
	s->backend->linear(s->dev, w->norm, s->b->batch.n_tokens, outs, n);
}

static void head_norm(struct step *s, const struct dev_f32 *x, const struct dev_f32 *weight, uint32_t heads,
		      struct dev_f32 *out)
{
	s->backend->norm(s->dev, &(struct norm_call){.x = x,
						     .weight = weight,
						     .out = out,
						     .eps = s->m->h.rms_eps,
						     .rows = s->b->batch.n_tokens * heads,
						     .cols = s->spec->attention.head_dim});
}

void block_head_norms(struct step *s, const struct layer *l)
{
	const struct attention_spec *a = &s->spec->attention;
	struct model_work *w = s->w;
	head_norm(s, w->q, l->q_norm, a->heads, w->q);
	if (a->shares)
		return;
	if (a->v_norm)
		head_norm(s, l->v ? w->v : w->k, NULL, a->kv_heads, w->v);
	head_norm(s, w->k, l->k_norm, a->kv_heads, w->k);
}

static struct attention_call attention_call(const struct step *s)
{
	const struct attention_spec *a = &s->spec->attention;
	const struct kvplan *plan = s->b->plan;
	uint32_t group = plan->group[s->layer];
	return (struct attention_call){.q = s->w->q,
				       .k = a->shares ? NULL : s->w->k,
				       .v = s->w->v,
				       .out = s->w->attn,
				       .heads = a->heads,
				       .kv_heads = a->kv_heads,
				       .head_dim = a->head_dim,
				       .group = group,
				       .layer = plan->index[s->layer],
				       .window = plan->desc[group].window,
				       .sinks = plan->desc[group].sinks,
				       .scale = a->scale,
				       .soft_cap = a->soft_cap,
				       .sink_logits = s->m->w.layers[s->layer].sinks,
				       .rope_dim = s->m->h.ropes[a->rope].dim,
				       .cos_row = s->w->cos_row[a->rope],
				       .sin_row = s->w->sin_row[a->rope]};
}

void block_rope(struct step *s)
{
	struct attention_call c = attention_call(s);
	s->backend->rope_write(s->dev, &c);
}

void block_attention(struct step *s)
{
	struct attention_call c = attention_call(s);
	s->backend->attention(s->dev, &c);
	if (s->spec->attention.gated)
		s->backend->sigmoid_mul(s->dev, s->w->attn, s->w->attn_gate, s->b->batch.n_tokens,
					c.heads * c.head_dim);
}

void block_attention_out(struct step *s, const struct layer *l)
{
	add_linear(s, l->o, l->o_bias, l->attn_post_norm, s->w->attn);
}

/* ---- Latent attention -------------------------------------------------------------------------------------------- */

/* Of the norms of latent rows, whatever the model's others have, as the reference. */
#define LATENT_EPS 1e-6f

static void norm_rows(struct step *s, struct dev_f32 *x, const struct dev_f32 *weight, uint32_t cols)
{
	s->backend->norm(s->dev, &(struct norm_call){.x = x,
						     .weight = weight,
						     .out = x,
						     .eps = LATENT_EPS,
						     .rows = s->b->batch.n_tokens,
						     .cols = cols});
}

static void copy_cols(struct step *s, struct dev_f32 *to, size_t to_stride, const struct dev_f32 *from,
		      size_t from_stride, uint32_t rows, uint32_t cols)
{
	s->backend->copy(s->dev, &(struct copy_call){.from = from,
						     .to = to,
						     .from_stride = from_stride,
						     .to_stride = to_stride,
						     .rows = rows,
						     .cols = cols});
}

/* norm -> k: the rotated dims, then the latent row, normed. attn is room. */
static void latent_key(struct step *s, const struct layer *l, uint32_t rope, uint32_t latent)
{
	struct model_work *w = s->w;
	uint32_t tokens = s->b->batch.n_tokens, both = rope + latent;
	struct linear_out out = {l->latent.kv_a, NULL, w->v};
	s->backend->linear(s->dev, w->norm, tokens, &out, 1);
	copy_cols(s, w->attn, latent, w->v, both, tokens, latent);
	norm_rows(s, w->attn, l->latent.kv_norm, latent);
	copy_cols(s, w->k, both, dev_at(w->v, latent), both, tokens, rope);
	copy_cols(s, dev_at(w->k, rope), both, w->attn, latent, tokens, latent);
}

/* norm -> attn: [T][heads][nope, then rope] */
static void latent_queries(struct step *s, const struct layer *l)
{
	struct model_work *w = s->w;
	struct linear_out a = {l->latent.q_a, NULL, w->q}, out = {l->q, NULL, w->attn};
	uint32_t rank = s->spec->latent.q_rank;
	if (rank) {
		s->backend->linear(s->dev, w->norm, s->b->batch.n_tokens, &a, 1);
		norm_rows(s, w->q, l->latent.q_norm, rank);
	}
	s->backend->linear(s->dev, rank ? w->q : w->norm, s->b->batch.n_tokens, &out, 1);
}

/* Absorbed: a head's query meets the latent row through the head's key matrix, and its output leaves through the value
 * matrix, so that the cache holds one row for all heads. The attention's output has the rotated dims in front, unused. */
void block_latent(struct step *s, const struct layer *l)
{
	const struct attention_spec *a = &s->spec->attention;
	const struct latent_spec *x = &s->spec->latent;
	struct model_work *w = s->w;
	uint32_t tokens = s->b->batch.n_tokens, rope = s->m->h.ropes[a->rope].dim, latent = a->head_dim - rope;
	size_t q_dim = x->nope + rope, row = (size_t)a->heads * a->head_dim;
	block_norm(s, l->attn_norm);
	latent_key(s, l, rope, latent);
	latent_queries(s, l);
	copy_cols(s, w->q, a->head_dim, dev_at(w->attn, x->nope), q_dim, tokens * a->heads, rope);
	s->backend->head_linear(s->dev, &(struct heads_call){.x = w->attn,
							     .out = dev_at(w->q, rope),
							     .x_token = a->heads * q_dim,
							     .x_head = q_dim,
							     .out_token = row,
							     .out_head = a->head_dim,
							     .m = l->latent.k,
							     .heads = a->heads,
							     .tokens = tokens,
							     .cols = x->nope});
	block_rope(s);
	block_attention(s);
	s->backend->head_linear(s->dev, &(struct heads_call){.x = dev_at(w->attn, rope),
							     .out = w->q,
							     .x_token = row,
							     .x_head = a->head_dim,
							     .out_token = (size_t)a->heads * x->v_dim,
							     .out_head = x->v_dim,
							     .m = l->latent.v,
							     .heads = a->heads,
							     .tokens = tokens,
							     .cols = latent});
	add_linear(s, l->o, l->o_bias, l->attn_post_norm, w->q);
}

/* ---- Gated delta net --------------------------------------------------------------------------------------------- */

void block_delta(struct step *s, const struct layer *l)
{
	const struct delta_params *p = &l->delta;
	struct model_work *w = s->w;
	struct linear_out outs[] = {{p->qkv, NULL, w->qkv},
				    {p->gate, NULL, w->delta_gate},
				    {p->alpha, NULL, w->alpha},
				    {p->beta, NULL, w->beta}};
	block_norm(s, l->attn_norm);
	s->backend->linear(s->dev, w->norm, s->b->batch.n_tokens, outs, 4);
	s->backend->delta(s->dev, &(struct delta_call){.qkv = w->qkv,
						       .alpha = w->alpha,
						       .beta = w->beta,
						       .gate = w->delta_gate,
						       .out = w->delta_out,
						       .conv = p->conv,
						       .rate = p->rate,
						       .dt_bias = p->dt_bias,
						       .norm = p->norm,
						       .net = s->spec->delta,
						       .group = s->b->plan->state_group,
						       .state_at = s->b->plan->state_at[s->layer],
						       .eps = s->m->h.rms_eps});
	add_linear(s, p->out, NULL, l->attn_post_norm, w->delta_out);
}

/* ---- State space model, short convolution ------------------------------------------------------------------------ */

static void block_ssm(struct step *s, const struct layer *l)
{
	const struct ssm_params *p = &l->ssm;
	struct model_work *w = s->w;
	struct linear_out outs[] = {{p->gate, NULL, w->delta_gate}, {p->xbc, NULL, w->qkv}, {p->dt, NULL, w->alpha}};
	block_norm(s, l->attn_norm);
	s->backend->linear(s->dev, w->norm, s->b->batch.n_tokens, outs, 3);
	s->backend->ssm(s->dev, &(struct ssm_call){.xbc = w->qkv,
						   .dt = w->alpha,
						   .decay = w->beta,
						   .gate = w->delta_gate,
						   .out = w->delta_out,
						   .conv = p->conv,
						   .conv_bias = p->conv_bias,
						   .rate = p->rate,
						   .dt_bias = p->dt_bias,
						   .skip = p->skip,
						   .norm = p->norm,
						   .net = s->spec->ssm,
						   .group = s->b->plan->state_group,
						   .state_at = s->b->plan->state_at[s->layer],
						   .eps = s->m->h.rms_eps});
	add_linear(s, p->out, NULL, l->attn_post_norm, w->delta_out);
}

static void block_conv(struct step *s, const struct layer *l)
{
	const struct short_conv_params *p = &l->conv;
	struct model_work *w = s->w;
	struct linear_out in = {p->in, p->in_bias, w->qkv};
	block_norm(s, l->attn_norm);
	s->backend->linear(s->dev, w->norm, s->b->batch.n_tokens, &in, 1);
	s->backend->short_conv(s->dev, &(struct short_conv_call){.bcx = w->qkv,
								 .out = w->delta_out,
								 .conv = p->conv,
								 .bias = p->bias,
								 .net = s->spec->conv,
								 .group = s->b->plan->state_group,
								 .state_at = s->b->plan->state_at[s->layer]});
	add_linear(s, p->out, p->out_bias, l->attn_post_norm, w->delta_out);
}

/* ---- Feed-forward and output ------------------------------------------------------------------------------------- */

/* delta = down (activation(gate norm) * up norm) */
static void dense(struct step *s, const struct layer *l)
{
	struct model_work *w = s->w;
	struct linear_out outs[] = {{l->gate, l->gate_bias, w->gate}, {l->up, l->up_bias, w->up}};
	struct linear_out down = {l->down, l->down_bias, w->delta};
	s->backend->linear(s->dev, w->norm, s->b->batch.n_tokens, outs, 2);
	s->backend->gated(s->dev, s->spec->ffn.activation, w->gate, w->up, s->b->batch.n_tokens, s->spec->ffn.dim);
	s->backend->linear(s->dev, w->gate, s->b->batch.n_tokens, &down, 1);
}

/* delta = what each token's experts make of norm; router_x as in struct experts_call. */
static void experts(struct step *s, const struct layer *l, const struct dev_f32 *router_x)
{
	const struct experts_spec *x = &s->spec->experts;
	s->backend->experts(s->dev, &(struct experts_call){.x = s->w->norm,
							   .router_x = router_x,
							   .out = s->w->delta,
							   .router = l->router,
							   .router_bias = l->router_bias,
							   .correction = l->router_correction,
							   .scale = l->expert_scale,
							   .shared_gate = l->shared_gate,
							   .experts = l->experts,
							   .n = x->n,
							   .used = x->used,
							   .dim = s->m->h.dim,
							   .expert_dim = x->dim,
							   .shared_dim = x->shared_dim,
							   .activation = x->activation,
							   .routing = x->routing});
}

void block_ffn(struct step *s, const struct layer *l)
{
	block_norm(s, l->ffn_norm);
	dense(s, l);
	add_normed(s, l->ffn_post_norm);
}

void block_experts(struct step *s, const struct layer *l)
{
	block_norm(s, l->ffn_norm);
	experts(s, l, NULL);
	add_normed(s, l->ffn_post_norm);
}

/* Each has norms of its own, before and after; the router one more. */
void block_both(struct step *s, const struct layer *l)
{
	struct model_work *w = s->w;
	norm(s, w->x, l->both.router, w->beside);
	block_norm(s, l->both.experts);
	experts(s, l, w->beside);
	norm(s, w->delta, l->both.experts_post, w->beside);
	block_norm(s, l->ffn_norm);
	dense(s, l);
	block_post_norm(s, l->both.dense_post);
	s->backend->add(s->dev, w->delta, w->beside, 1, s->b->batch.n_tokens, s->m->h.dim);
	add_normed(s, l->ffn_post_norm);
}

static void attention_mixer(struct step *s, const struct layer *l)
{
	block_qkv(s, l);
	if (l->q_norm)
		block_head_norms(s, l);
	block_rope(s);
	block_attention(s);
	block_attention_out(s, l);
}

/* The layer's own row of the token, and its projection of the model's embedding, each normed to the same size. */
static void ple_input(struct step *s, const struct layer *l)
{
	struct model_work *w = s->w;
	const struct source_tensor *t = s->m->w.ple;
	uint32_t dim = s->m->h.ple_dim, T = s->b->batch.n_tokens;
	size_t slice = dim / wtype_block_elems(t->type) * wtype_block_bytes(t->type);
	struct row_table rows = {.type = t->type,
				 .rows = t->data + s->layer * slice,
				 .cols = dim,
				 .stride = slice * s->m->h.n_layers,
				 .scale = sqrtf((float)dim / 2)};
	s->backend->embed(s->dev, &rows, w->ple);
	s->backend->linear(s->dev, w->embedded, T, &(struct linear_out){l->ple.model, NULL, w->up}, 1);
	/* of the projection over sqrt(dim): the same but for its epsilon */
	s->backend->norm(s->dev, &(struct norm_call){.x = w->up,
						     .weight = l->ple.norm,
						     .out = w->up,
						     .eps = s->m->h.rms_eps * (float)s->m->h.dim,
						     .rows = T,
						     .cols = dim});
	s->backend->add(s->dev, w->ple, w->up, 1, T, dim);
}

void block_ple(struct step *s, const struct layer *l)
{
	struct model_work *w = s->w;
	uint32_t dim = s->m->h.ple_dim, T = s->b->batch.n_tokens;
	ple_input(s, l);
	s->backend->linear(s->dev, w->x, T, &(struct linear_out){l->ple.gate, NULL, w->gate}, 1);
	s->backend->gated(s->dev, s->spec->ffn.activation, w->gate, w->ple, T, dim);
	add_linear(s, l->ple.out, NULL, l->ple.post_norm, w->gate);
}

void block_out_scale(struct step *s, const struct layer *l)
{
	s->backend->scale(s->dev, s->w->x, l->out_scale, s->b->batch.n_tokens, s->m->h.dim);
}

static void mix(struct step *s, const struct layer *l)
{
	switch (s->spec->mixer) {
	case MIXER_ATTENTION: attention_mixer(s, l); break;
	case MIXER_LATENT: block_latent(s, l); break;
	case MIXER_DELTA: block_delta(s, l); break;
	case MIXER_SSM: block_ssm(s, l); break;
	case MIXER_CONV: block_conv(s, l); break;
	}
}

void block_layer(struct step *s, const struct layer *l)
{
	mix(s, l);
	if (s->spec->ffn_kind == FFN_DENSE)
		block_ffn(s, l);
	else if (s->spec->ffn_kind == FFN_EXPERTS)
		block_experts(s, l);
	else
		block_both(s, l);
}

/* norm = x of these tokens, normed for the output. */
static void final_norm(struct step *s, const uint32_t *tokens, uint32_t n)
{
	s->backend->norm(s->dev, &(struct norm_call){.x = s->w->x,
						     .weight = s->m->w.output_norm,
						     .out = s->w->norm,
						     .pick = tokens,
						     .eps = s->m->h.rms_eps,
						     .rows = n,
						     .cols = s->m->h.dim});
}

void block_logits(struct step *s)
{
	if (s->b->n_logits == 0)
		return;
	final_norm(s, s->b->logit_tokens, s->b->n_logits);
	s->backend->logits(s->dev, s->w->norm, s->b->n_logits, s->m->w.output, s->m->h.logit_cap, s->b->logits);
}

void block_hidden(struct step *s)
{
	if (s->b->n_hidden == 0)
		return;
	final_norm(s, s->b->hidden_tokens, s->b->n_hidden);
	s->backend->read(s->dev, s->b->hidden, s->w->norm, (size_t)s->b->n_hidden * s->m->h.dim);
}
