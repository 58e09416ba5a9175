/* cpu_work.c: the buffers of steps, one region; what of a batch is the same for all layers. */
#include "backend/cpu/cpu.h"
#include "base/mem.h"

/* Parts of rows that a thread may have in a wave of attention: 64 rows of 8 segments. */
enum { SLOTS_PER_THREAD = 512 };

/* Rows that experts (or heads) compute at once, where the tokens are fewer. */
enum { EXPERT_ROWS = 256 };

/* Gives out parts of the region; with data NULL it only measures. */
static void *part(struct region *r, size_t *at, size_t count, size_t size)
{
	void *p = r->data ? r->data + *at : NULL;
	*at += (count * size + 63) / 64 * 64;
	return p;
}

static void carve_acts(struct cpu_work *w, size_t *at, const struct work_limits *l)
{
	size_t rows = act_rows(l->rows), groups = w->experts.rows_max; /* a group of 9 rows takes 16 */
	size_t wide = l->int8 ? (l->cols + (size_t)31) / 32 * 32 : 0;
	groups = 2 * (groups > w->heads_rows_max ? groups : w->heads_rows_max);
	rows = rows > groups ? rows : groups;
	w->act_cols = (uint32_t)wide;
	w->act_q = part(&w->region, at, rows * wide, 1);
	w->act_scale = part(&w->region, at, rows * (wide / 32), sizeof *w->act_scale);
	w->act_sum16 = part(&w->region, at, rows * (wide / 16), sizeof *w->act_sum16);
}

static void carve_attention(struct cpu_work *w, size_t *at, const struct work_limits *l, uint32_t threads)
{
	struct region *r = &w->region;
	w->runs = part(r, at, l->tokens, sizeof *w->runs);
	w->plan.blocks = part(r, at, attn_blocks_max(l->tokens, l->kv_heads), sizeof *w->plan.blocks);
	w->plan.items = part(r, at, attn_items_max(l->tokens, l->kv_heads, threads), sizeof *w->plan.items);
	w->plan.merges = part(r, at, attn_split_max(threads), sizeof *w->plan.merges);
	w->part_rows = attn_rows_max(l->heads_per_kv);
	w->part_slots = threads * SLOTS_PER_THREAD > w->part_rows ? threads * SLOTS_PER_THREAD : w->part_rows;
	w->part_floats = attn_part_floats(l->head_dim);
	bool cut = threads > 1; /* one thread takes whole blocks */
	w->parts = part(r, at, cut ? w->part_slots * w->part_floats : 0, sizeof *w->parts);
	w->part_state = part(r, at, cut ? (size_t)attn_split_max(threads) * w->part_rows * w->part_floats : 0,
			     sizeof *w->part_state);
	w->scratch_bytes = attn_scratch_bytes(l->heads_per_kv, l->head_dim, l->shared_kv);
	w->scratch = part(r, at, threads, w->scratch_bytes);
}

static void carve_experts(struct cpu_work *w, size_t *at, const struct work_limits *l)
{
	struct region *r = &w->region;
	struct experts_work *x = &w->experts;
	size_t T = l->tokens, used = T * l->experts_used, few = used < EXPERT_ROWS ? used : EXPERT_ROWS,
	       X = T > few ? T : few;
	if (l->experts == 0)
		return;
	x->rows_max = (uint32_t)X;
	x->logits = part(r, at, T * l->experts, sizeof *x->logits);
	x->picks = part(r, at, T * 2 * l->experts, sizeof *x->picks);
	x->shared = part(r, at, T, sizeof *x->shared);
	x->of = part(r, at, used, sizeof *x->of);
	x->tokens = part(r, at, used, sizeof *x->tokens);
	x->first = part(r, at, l->experts + 1, sizeof *x->first);
	x->list = part(r, at, l->experts, sizeof *x->list);
	x->in = part(r, at, X * l->dim, sizeof *x->in);
	x->out = part(r, at, X * l->dim, sizeof *x->out);
	x->gate = part(r, at, X * l->experts_dim, sizeof *x->gate);
	x->up = part(r, at, X * l->experts_dim, sizeof *x->up);
}

static void carve_heads(struct cpu_work *w, size_t *at, const struct work_limits *l)
{
	size_t T = l->tokens, all = T * l->own_heads, few = all < EXPERT_ROWS ? all : EXPERT_ROWS,
	       X = T > few ? T : few;
	if (l->own_heads == 0)
		return;
	w->heads_rows_max = (uint32_t)X;
	w->heads = part(&w->region, at, l->own_heads, sizeof *w->heads);
	w->heads_x = part(&w->region, at, X * l->own_cols, sizeof *w->heads_x);
}

static size_t carve(struct cpu_work *w, const struct work_limits *l, uint32_t threads)
{
	size_t at = 0;
	w->floats = part(&w->region, &at, l->floats, sizeof *w->floats);
	carve_experts(w, &at, l);
	carve_heads(w, &at, l);
	carve_acts(w, &at, l);
	carve_attention(w, &at, l, threads);
	return at;
}

int cpu_work_new(struct dev_work **out, struct dev *d, const struct work_limits *l, struct dev_f32 **floats,
		 struct kvik_err *err)
{
	struct cpu_work *w = mem_zalloc(1, sizeof *w);
	*out = NULL;
	if (!w)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for the buffers of a step");
	w->cpu = (const struct cpu *)(void *)d;
	uint32_t threads = pool_threads(w->cpu->pool);
	int rc = region_new(&w->region, carve(w, l, threads), "the buffers of a step (lower --chunk)", err);
	if (rc) {
		mem_free(w);
		return rc;
	}
	carve(w, l, threads);
	*out = (struct dev_work *)(void *)w;
	*floats = (struct dev_f32 *)(void *)w->floats;
	return 0;
}

uint64_t cpu_work_bytes(const struct work_limits *l, uint32_t threads)
{
	struct cpu_work w = {0};
	return carve(&w, l, threads);
}

void cpu_work_free(struct dev_work *work)
{
	if (work)
		region_free(&work_of(work)->region);
	mem_free(work);
}

/* ---- A batch ----------------------------------------------------------------------------------------------------- */

/* Cuts each sequence's tokens at page ends. */
static void plan_runs(struct cpu_work *w)
{
	uint32_t token = 0;
	w->n_runs = 0;
	for (uint32_t i = 0; i < w->batch->n_seqs; i++) {
		const struct batch_seq *q = &w->batch->seqs[i];
		for (uint32_t done = 0, n; done < q->n_tokens; done += n) {
			n = KV_PAGE_TOKENS - (q->position + done) % KV_PAGE_TOKENS;
			if (n > q->n_tokens - done)
				n = q->n_tokens - done;
			w->runs[w->n_runs++] = (struct page_run){i, token + done, n, q->position + done};
		}
		token += q->n_tokens;
	}
}

void cpu_begin(struct dev_work *work, const struct batch *b)
{
	struct cpu_work *w = work_of(work);
	w->batch = b;
	w->planned = false;
	plan_runs(w);
}
