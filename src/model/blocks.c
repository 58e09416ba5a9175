/* blocks.c: the parts that layers are made of; see blocks.h. Items of the pool are tokens, runs of tokens in one page,
 * or (kv head, some queries) of a sequence: each owns what it writes. */
#include "model/blocks.h"

#include "model/linear.h"

/* ---- Per token --------------------------------------------------------------------------------------------------- */

static void embed_item(void *ctx, uint32_t token, uint32_t thread)
{
	const struct step *s = ctx;
	const struct source_tensor *e = s->m->w.embedding;
	uint32_t dim = s->m->h.dim;
	size_t row_bytes = (size_t)(e->bytes / e->dims[1]);
	(void)thread;
	dequant_row(e->type, e->data + s->b->ids[token] * row_bytes, dim, s->w->x + (size_t)token * dim);
}

void block_embed(struct step *s)
{
	pool_run(s->m->pool, s->b->n_tokens, embed_item, s);
}

struct norm_job {
	const struct step *s;
	const float *weight;
	const uint32_t *tokens; /* rows of x to take, or NULL for all */
	float *out;             /* [rows][dim] */
};

static void norm_item(void *ctx, uint32_t i, uint32_t thread)
{
	const struct norm_job *j = ctx;
	const struct hparams *h = &j->s->m->h;
	size_t row = j->tokens ? j->tokens[i] : i;
	(void)thread;
	j->s->m->kernels->rms_norm(j->s->w->x + row * h->dim, j->weight, h->rms_eps, h->dim,
				   j->out + (size_t)i * h->dim);
}

static void norm(struct step *s, const float *weight)
{
	struct norm_job j = {s, weight, NULL, s->w->norm};
	pool_run(s->m->pool, s->b->n_tokens, norm_item, &j);
}

static void add_item(void *ctx, uint32_t token, uint32_t thread)
{
	const struct step *s = ctx;
	size_t dim = s->m->h.dim;
	(void)thread;
	s->m->kernels->add(s->w->x + token * dim, s->w->delta + token * dim, (uint32_t)dim);
}

struct head_norm_job {
	const struct step *s;
	const struct layer *l;
};

static void head_norm_item(void *ctx, uint32_t token, uint32_t thread)
{
	const struct head_norm_job *j = ctx;
	const struct model *m = j->s->m;
	const struct attention_spec *a = &j->s->spec->attention;
	float *q = j->s->w->q + (size_t)token * a->heads * a->head_dim;
	float *k = j->s->w->k + (size_t)token * a->kv_heads * a->head_dim;
	(void)thread;
	for (uint32_t i = 0; i < a->heads; i++, q += a->head_dim)
		m->kernels->rms_norm(q, j->l->q_norm, m->h.rms_eps, a->head_dim, q);
	for (uint32_t i = 0; i < a->kv_heads; i++, k += a->head_dim)
		m->kernels->rms_norm(k, j->l->k_norm, m->h.rms_eps, a->head_dim, k);
}

void block_head_norms(struct step *s, const struct layer *l)
{
	struct head_norm_job j = {s, l};
	pool_run(s->m->pool, s->b->n_tokens, head_norm_item, &j);
}

static void silu_item(void *ctx, uint32_t token, uint32_t thread)
{
	const struct step *s = ctx;
	size_t n = s->spec->ffn.dim;
	float *gate = s->w->gate + token * n;
	(void)thread;
	s->m->kernels->silu_mul(gate, s->w->up + token * n, (uint32_t)n, gate);
}

/* ---- Attention --------------------------------------------------------------------------------------------------- */

void block_qkv(struct step *s, const struct layer *l)
{
	struct model_work *w = s->w;
	struct linear_out outs[] = {{&l->q, l->q_bias, w->q}, {&l->k, l->k_bias, w->k}, {&l->v, l->v_bias, w->v}};
	norm(s, l->attn_norm);
	linear(s, w->norm, s->b->n_tokens, outs, 3);
}

/* A run lies in one page, so two threads never write neighbouring columns of the same K. */
static void rope_item(void *ctx, uint32_t run, uint32_t thread)
{
	const struct step *s = ctx;
	const struct model *m = s->m;
	const struct attention_spec *a = &s->spec->attention;
	const struct kvplan *plan = s->b->plan;
	const struct page_run *r = &s->w->runs[run];
	const struct model_seq *seq = &s->b->seqs[r->seq];
	uint32_t g = plan->group[s->layer], dim = m->h.ropes[a->rope].dim;
	(void)thread;
	for (uint32_t i = 0; i < r->n; i++) {
		size_t t = r->token + i;
		uint32_t position = r->position + i;
		const float *c = s->w->cos_row[a->rope] + t * (dim / 2), *d = s->w->sin_row[a->rope] + t * (dim / 2);
		float *q = s->w->q + t * a->heads * a->head_dim, *k = s->w->k + t * a->kv_heads * a->head_dim;
		m->kernels->rope(q, a->heads, a->head_dim, dim, c, d);
		m->kernels->rope(k, a->kv_heads, a->head_dim, dim, c, d);
		uint32_t page = page_table_at(&seq->blocks[g], position / KV_PAGE_TOKENS);
		m->kernels->kv_write(&plan->layout[g], page_address(&s->b->areas[g], page), plan->index[s->layer],
				     position % KV_PAGE_TOKENS, k, s->w->v + t * a->kv_heads * a->head_dim);
	}
}

void block_rope(struct step *s)
{
	pool_run(s->m->pool, s->n_runs, rope_item, s);
}

static void attention_item(void *ctx, uint32_t item, uint32_t thread)
{
	const struct step *s = ctx;
	const struct attention_spec *spec = &s->spec->attention;
	const struct kvplan *plan = s->b->plan;
	const struct attn_item *it = &s->w->items[item];
	const struct model_seq *seq = &s->b->seqs[it->seq];
	uint32_t g = plan->group[s->layer], heads = spec->heads / spec->kv_heads;
	size_t at = ((size_t)it->token * spec->heads + it->kv_head * heads) * spec->head_dim;
	struct attn a = {.layout = &plan->layout[g],
			 .pages = seq->blocks[g],
			 .area = s->b->areas[g],
			 .layer = plan->index[s->layer],
			 .kv_head = it->kv_head,
			 .q = s->w->q + at,
			 .out = s->w->attn + at,
			 .q_stride = (size_t)spec->heads * spec->head_dim,
			 .heads = heads,
			 .queries = it->queries,
			 .position = it->position,
			 .window = plan->desc[g].window,
			 .sinks = plan->desc[g].sinks,
			 .scale = spec->scale,
			 .scratch = s->w->scratch + thread * s->w->scratch_bytes};
	s->m->kernels->attention(&a);
}

/* The same for all layers of one shape. */
static void plan_items(struct step *s)
{
	uint32_t kv_heads = s->spec->attention.kv_heads, heads = s->spec->attention.heads / kv_heads;
	uint32_t block = heads < ATTN_ROWS_MAX ? ATTN_ROWS_MAX / heads : 1, token = 0;
	if (s->item_heads == heads && s->item_kv_heads == kv_heads)
		return;
	s->item_heads = heads;
	s->item_kv_heads = kv_heads;
	s->n_items = 0;
	for (uint32_t i = 0; i < s->b->n_seqs; i++) {
		const struct model_seq *q = &s->b->seqs[i];
		for (uint32_t done = 0; done < q->n_tokens; done += block) {
			uint32_t left = q->n_tokens - done, n = left < block ? left : block;
			for (uint32_t k = 0; k < kv_heads; k++)
				s->w->items[s->n_items++] =
					(struct attn_item){i, k, token + done, n, q->position + done};
		}
		token += q->n_tokens;
	}
}

void block_attention(struct step *s)
{
	plan_items(s);
	pool_run(s->m->pool, s->n_items, attention_item, s);
}

/* x += delta, where delta = m in + bias */
static void add_linear(struct step *s, const struct mat *m, const float *bias, const float *in)
{
	struct linear_out out = {m, bias, s->w->delta};
	linear(s, in, s->b->n_tokens, &out, 1);
	pool_run(s->m->pool, s->b->n_tokens, add_item, s);
}

void block_attention_out(struct step *s, const struct layer *l)
{
	add_linear(s, &l->o, l->o_bias, s->w->attn);
}

/* ---- Feed-forward and output ------------------------------------------------------------------------------------- */

void block_ffn(struct step *s, const struct layer *l)
{
	struct model_work *w = s->w;
	struct linear_out outs[] = {{&l->gate, l->gate_bias, w->gate}, {&l->up, l->up_bias, w->up}};
	norm(s, l->ffn_norm);
	linear(s, w->norm, s->b->n_tokens, outs, 2);
	pool_run(s->m->pool, s->b->n_tokens, silu_item, s);
	add_linear(s, &l->down, l->down_bias, w->gate);
}

void block_layer(struct step *s, const struct layer *l)
{
	block_qkv(s, l);
	if (l->q_norm)
		block_head_norms(s, l);
	block_rope(s);
	block_attention(s);
	block_attention_out(s, l);
	block_ffn(s, l);
}

void block_output(struct step *s, const float *hidden, uint32_t n, float *logits)
{
	struct linear_out out = {&s->m->w.output, NULL, logits};
	linear(s, hidden, n, &out, 1);
}

void block_logits(struct step *s)
{
	struct norm_job j = {s, s->m->w.output_norm, s->b->logit_tokens, s->w->norm};
	if (s->b->n_logits == 0)
		return;
	pool_run(s->m->pool, s->b->n_logits, norm_item, &j);
	block_output(s, s->w->norm, s->b->n_logits, s->b->logits);
}

void block_hidden(struct step *s)
{
	struct norm_job j = {s, s->m->w.output_norm, s->b->hidden_tokens, s->b->hidden};
	pool_run(s->m->pool, s->b->n_hidden, norm_item, &j);
}
