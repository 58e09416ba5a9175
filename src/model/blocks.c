/* blocks.c: the parts that layers are made of; see blocks.h. Items of the pool are tokens, runs of tokens in one page,
 * or (kv head, some queries) of a sequence: each owns what it writes. */
#include "model/blocks.h"

#include <string.h>

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
	device_run(s->m->device, s->b->n_tokens, embed_item, s);
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

void block_norm(struct step *s, const float *weight)
{
	struct norm_job j = {s, weight, NULL, s->w->norm};
	device_run(s->m->device, s->b->n_tokens, norm_item, &j);
}

static void add_item(void *ctx, uint32_t token, uint32_t thread)
{
	const struct step *s = ctx;
	size_t dim = s->m->h.dim;
	(void)thread;
	s->m->kernels->add(s->w->x + token * dim, s->w->delta + token * dim, (uint32_t)dim);
}

void block_add(struct step *s)
{
	device_run(s->m->device, s->b->n_tokens, add_item, s);
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
	device_run(s->m->device, s->b->n_tokens, head_norm_item, &j);
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
	block_norm(s, l->attn_norm);
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
	device_run(s->m->device, s->n_runs, rope_item, s);
}

static struct attn attention_call(const struct step *s, const struct attn_block *b, uint32_t thread)
{
	const struct attention_spec *spec = &s->spec->attention;
	const struct kvplan *plan = s->b->plan;
	uint32_t g = plan->group[s->layer], heads = spec->heads / spec->kv_heads;
	size_t at = ((size_t)b->token * spec->heads + b->kv_head * heads) * spec->head_dim;
	return (struct attn){.layout = &plan->layout[g],
			     .pages = s->b->seqs[b->seq].blocks[g],
			     .area = s->b->areas[g],
			     .layer = plan->index[s->layer],
			     .kv_head = b->kv_head,
			     .q = s->w->q + at,
			     .out = s->w->attn + at,
			     .q_stride = (size_t)spec->heads * spec->head_dim,
			     .heads = heads,
			     .queries = b->queries,
			     .position = b->position,
			     .window = plan->desc[g].window,
			     .sinks = plan->desc[g].sinks,
			     .scale = spec->scale,
			     .scratch = s->w->scratch + thread * s->w->scratch_bytes};
}

static void attention_item(void *ctx, uint32_t item, uint32_t thread)
{
	const struct step *s = ctx;
	const struct attn_item *it = &s->w->plan.items[item];
	const struct attn_block *b = &s->w->plan.blocks[it->block];
	struct attn a = attention_call(s, b, thread);
	if (b->piece == 0)
		s->m->kernels->attention(&a);
	else
		s->m->kernels->attention_parts(&a, it->first, it->end,
					       s->w->parts + it->slot * attn_part_floats(a.layout->head_dim));
}

/* One row of a cut block: its parts of this wave into its state, and the state out with the last. */
static void merge_item(void *ctx, uint32_t row, uint32_t thread)
{
	const struct step *s = ctx;
	const struct model_work *w = s->w;
	const struct attn_merge *m = w->plan.merges;
	while (m + 1 < w->plan.merges + w->plan.n_merges && row >= m[1].row)
		m++;
	const struct attn_block *b = &w->plan.blocks[m->block];
	struct attn a = attention_call(s, b, thread);
	size_t floats = attn_part_floats(a.layout->head_dim), rows = (size_t)a.heads * a.queries;
	uint32_t r = row - m->row;
	float *state = w->part_state + ((size_t)b->split * w->part_rows + r) * floats;
	if (m->begins)
		memset(state, 0, floats * sizeof *state);
	s->m->kernels->attention_merge(a.layout, w->parts + (m->slot + r) * floats, rows * floats, m->segments, state);
	if (m->finishes)
		s->m->kernels->attention_finish(a.layout, state,
						a.out + r / a.heads * a.q_stride + r % a.heads * a.layout->head_dim);
}

/* Divides the work, the same for all layers of one shape that follow each other. */
static void plan_attention(struct step *s)
{
	const struct attention_spec *a = &s->spec->attention;
	const struct kv_group_desc *d = &s->b->plan->desc[s->b->plan->group[s->layer]];
	struct attn_shape shape = {.threads = device_threads(s->m->device),
				   .heads = a->heads / a->kv_heads,
				   .kv_heads = a->kv_heads,
				   .window = d->window,
				   .sinks = d->sinks,
				   .slots = s->w->part_slots};
	if (!s->planned || memcmp(&shape, &s->w->plan.shape, sizeof shape) != 0)
		attn_plan_make(&s->w->plan, &shape, s->b->seqs, s->b->n_seqs);
	s->planned = true;
	attn_plan_begin(&s->w->plan);
}

void block_attention(struct step *s)
{
	struct attn_plan *p = &s->w->plan;
	plan_attention(s);
	while (attn_plan_wave(p)) {
		device_run(s->m->device, p->n_items, attention_item, s);
		device_run(s->m->device, p->merge_rows, merge_item, s);
	}
}

/* x += delta, where delta = m in + bias */
static void add_linear(struct step *s, const struct mat *m, const float *bias, const float *in)
{
	struct linear_out out = {m, bias, s->w->delta};
	linear(s, in, s->b->n_tokens, &out, 1);
	block_add(s);
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
	block_norm(s, l->ffn_norm);
	linear(s, w->norm, s->b->n_tokens, outs, 2);
	device_run(s->m->device, s->b->n_tokens, silu_item, s);
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
	if (s->spec->ffn_kind == FFN_DENSE)
		block_ffn(s, l);
	else
		block_experts(s, l);
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
	device_run(s->m->device, s->b->n_logits, norm_item, &j);
	block_output(s, s->w->norm, s->b->n_logits, s->b->logits);
}

void block_hidden(struct step *s)
{
	struct norm_job j = {s, s->m->w.output_norm, s->b->hidden_tokens, s->b->hidden};
	device_run(s->m->device, s->b->n_hidden, norm_item, &j);
}
