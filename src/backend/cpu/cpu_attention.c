/* cpu_attention.c: rotation, writing into pages, attention. Items of the pool are runs of tokens in one page, or (kv
 * head, some queries) of a sequence, or some segments of such a block: each owns what it writes. */
#include <string.h>

#include "backend/cpu/cpu.h"

struct attention_job {
	struct cpu_work *w;
	const struct attention_call *c;
	const struct kv_layout *layout; /* of the group */
	struct page_area area;
};

static struct attention_job job_of(struct dev_work *work, const struct attention_call *c)
{
	struct cpu_work *w = work_of(work);
	const struct cpu_pages *p = (const struct cpu_pages *)(const void *)w->batch->pages;
	return (struct attention_job){w, c, &p->own[c->group], p->host.area[KV_AREA_PAGES(c->group)].at};
}

/* A run lies in one page, so two threads never write neighbouring columns of the same K. */
static void rope_item(void *ctx, uint32_t run, uint32_t thread)
{
	const struct attention_job *j = ctx;
	const struct attention_call *c = j->c;
	const struct kernels *kernels = j->w->cpu->kernels;
	const struct page_run *r = &j->w->runs[run];
	const struct page_table *table = &j->w->batch->seqs[r->seq].blocks[c->group];
	uint8_t *page = page_address(&j->area, page_table_at(table, r->position / KV_PAGE_TOKENS));
	size_t half = c->rope_dim / 2, q_dim = (size_t)c->heads * c->head_dim,
	       k_dim = (size_t)c->kv_heads * c->head_dim;
	(void)thread;
	for (size_t t = r->token; t < r->token + r->n; t++) {
		const float *cos_row = floats_of(c->cos_row) + t * half, *sin_row = floats_of(c->sin_row) + t * half;
		uint32_t slot = (r->position + (uint32_t)t - r->token) % KV_PAGE_TOKENS;
		kernels->rope(floats_of(c->q) + t * q_dim, c->heads, c->head_dim, c->rope_dim, cos_row, sin_row);
		if (!c->k)
			continue;
		float *k = floats_of(c->k) + t * k_dim;
		kernels->rope(k, c->kv_heads, c->head_dim, c->rope_dim, cos_row, sin_row);
		kernels->kv_write(j->layout, page, c->layer, slot, k, floats_of(c->v) + t * k_dim);
	}
}

void cpu_rope_write(struct dev_work *w, const struct attention_call *c)
{
	struct attention_job j = job_of(w, c);
	pool_run(j.w->cpu->pool, j.w->n_runs, rope_item, &j);
}

/* ---- Attention --------------------------------------------------------------------------------------------------- */

static struct attn kernel_call(const struct attention_job *j, const struct attn_block *b, uint32_t thread)
{
	const struct attention_call *c = j->c;
	uint32_t heads = c->heads / c->kv_heads;
	size_t at = ((size_t)b->token * c->heads + b->kv_head * heads) * c->head_dim;
	return (struct attn){.layout = j->layout,
			     .pages = j->w->batch->seqs[b->seq].blocks[c->group],
			     .area = j->area,
			     .layer = c->layer,
			     .kv_head = b->kv_head,
			     .q = floats_of(c->q) + at,
			     .out = floats_of(c->out) + at,
			     .q_stride = (size_t)c->heads * c->head_dim,
			     .heads = heads,
			     .queries = b->queries,
			     .position = b->position,
			     .window = c->window,
			     .sinks = c->sinks,
			     .scale = c->scale,
			     .soft_cap = c->soft_cap,
			     .sink_logits = c->sink_logits ? floats_of(c->sink_logits) + b->kv_head * heads : NULL,
			     .scratch = j->w->scratch + thread * j->w->scratch_bytes};
}

static void attention_item(void *ctx, uint32_t item, uint32_t thread)
{
	const struct attention_job *j = ctx;
	const struct attn_item *it = &j->w->plan.items[item];
	const struct attn_block *b = &j->w->plan.blocks[it->block];
	struct attn a = kernel_call(j, b, thread);
	if (b->piece == 0)
		j->w->cpu->kernels->attention(&a);
	else
		j->w->cpu->kernels->attention_parts(&a, it->first, it->end,
						    j->w->parts + it->slot * attn_part_floats(a.layout->head_dim));
}

/* One row of a cut block: its parts of this wave into its state, and the state out with the last. */
static void merge_item(void *ctx, uint32_t row, uint32_t thread)
{
	const struct attention_job *j = ctx;
	const struct cpu_work *w = j->w;
	const struct attn_merge *m = w->plan.merges;
	while (m + 1 < w->plan.merges + w->plan.n_merges && row >= m[1].row)
		m++;
	const struct attn_block *b = &w->plan.blocks[m->block];
	struct attn a = kernel_call(j, b, thread);
	size_t floats = attn_part_floats(a.layout->head_dim), rows = (size_t)a.heads * a.queries;
	uint32_t r = row - m->row;
	float *state = w->part_state + ((size_t)b->split * w->part_rows + r) * floats;
	if (m->begins)
		memset(state, 0, floats * sizeof *state);
	w->cpu->kernels->attention_merge(a.layout, w->parts + (m->slot + r) * floats, rows * floats, m->segments,
					 state);
	if (m->finishes)
		w->cpu->kernels->attention_finish(a.layout, state, a.sink_logits ? a.sink_logits + r % a.heads : NULL,
						  a.out + r / a.heads * a.q_stride + r % a.heads * a.layout->head_dim);
}

/* Divides the work, the same for all layers of one shape that follow each other. */
static void plan_attention(struct cpu_work *w, const struct attention_call *c)
{
	struct attn_shape shape = {.threads = pool_threads(w->cpu->pool),
				   .heads = c->heads / c->kv_heads,
				   .kv_heads = c->kv_heads,
				   .window = c->window,
				   .sinks = c->sinks,
				   .slots = w->part_slots};
	if (!w->planned || memcmp(&shape, &w->plan.shape, sizeof shape) != 0)
		attn_plan_make(&w->plan, &shape, w->batch->seqs, w->batch->n_seqs);
	w->planned = true;
	attn_plan_begin(&w->plan);
}

void cpu_attention(struct dev_work *work, const struct attention_call *c)
{
	struct attention_job j = job_of(work, c);
	struct attn_plan *p = &j.w->plan;
	plan_attention(j.w, c);
	while (attn_plan_wave(p)) {
		pool_run(j.w->cpu->pool, p->n_items, attention_item, &j);
		pool_run(j.w->cpu->pool, p->merge_rows, merge_item, &j);
	}
}
