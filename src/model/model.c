/* model.c: loading a model and running a step through its layers.
 *
 * Any thread; a forward pass holds the device from begin to end. */
#include "model/model.h"

#include "base/mem.h"
#include "model/blocks.h"
#include "model/step.h"

static int make_ropes(struct model *m, const struct source *s, struct kvik_err *err)
{
	int rc = 0;
	for (uint32_t i = 0; i < m->h.n_ropes && !rc; i++) {
		struct rope_params p = m->h.ropes[i];
		p.divisor = i == 0 ? m->w.rope_divisor : NULL;
		rc = rope_init(&m->ropes[i], &p, err);
	}
	if (rc)
		err_prefix(err, "%s", source_name(s));
	return rc;
}

static bool takes_int8(const struct model *m)
{
	bool int8 = mat_form_takes_int8(m->w.output.form);
	for (uint32_t i = 0; i < m->h.n_layers; i++) {
		const struct layer *l = &m->w.layers[i];
		const struct mat *mats[] = {&l->q, &l->k, &l->v, &l->o, &l->gate, &l->up, &l->down};
		for (size_t k = 0; k < sizeof mats / sizeof *mats; k++)
			int8 |= mat_form_takes_int8(mats[k]->form);
		for (uint32_t e = 0; l->experts && e < m->h.layers[i].experts.n; e++)
			int8 = int8 || mat_form_takes_int8(l->experts[e].gate.form) ||
			       mat_form_takes_int8(l->experts[e].down.form) ||
			       mat_form_takes_int8(l->experts[e].up.form);
	}
	return int8;
}

int model_load(struct model **out, const struct source *s, const struct model_params *p, struct kvik_err *err)
{
	struct model *m = mem_zalloc(1, sizeof *m);
	*out = NULL;
	if (!m)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for a model");
	m->device = p->device;
	m->kernels = device_kernels(p->device);
	struct weights_params wp = {.device = p->device,
				    .int8 = p->int8,
				    .quantize = p->quantize,
				    .progress = p->progress,
				    .progress_user = p->progress_user};
	int rc = arch_hparams(s, &m->h, err);
	if (!rc)
		rc = weights_load(&m->w, s, &m->h, &wp, err);
	if (!rc)
		rc = make_ropes(m, s, err);
	if (rc) {
		model_free(m);
		return rc;
	}
	m->int8 = takes_int8(m);
	*out = m;
	return 0;
}

int model_measure(uint64_t *bytes, const struct source *s, const struct hparams *h, const struct model_params *p,
		  struct kvik_err *err)
{
	struct weights_params wp = {.int8 = p->int8, .quantize = p->quantize};
	return weights_measure(bytes, s, h, &wp, err);
}

uint64_t model_mapped_bytes(const struct source *s, const struct hparams *h)
{
	const struct source_tensor *e = arch_embedding(s, h);
	return e ? e->bytes : 0;
}

void model_free(struct model *m)
{
	if (!m)
		return;
	for (uint32_t i = 0; i < HPARAMS_ROPES_MAX; i++)
		rope_release(&m->ropes[i]);
	weights_release(&m->w);
	mem_free(m);
}

const struct hparams *model_hparams(const struct model *m)
{
	return &m->h;
}

uint64_t model_weight_bytes(const struct model *m)
{
	return m->w.region.bytes;
}

uint64_t model_parameters(const struct model *m)
{
	return m->w.parameters;
}

/* ---- Buffers ----------------------------------------------------------------------------------------------------- */

/* Gives out parts of the region; with data NULL it only measures. */
static void *part(struct region *r, size_t *at, size_t count, size_t size)
{
	void *p = r->data ? r->data + *at : NULL;
	*at += (count * size + 63) / 64 * 64;
	return p;
}

/* Parts of rows that a thread may have in a wave of attention: 64 rows of 8 segments. */
enum { SLOTS_PER_THREAD = 512 };

static size_t max_size(size_t a, size_t b)
{
	return a > b ? a : b;
}

static void carve_experts(struct region *r, size_t *at, struct experts_work *x, const struct hparams_widths *n,
			  size_t T, size_t dim)
{
	if (n->experts == 0)
		return;
	x->logits = part(r, at, T * n->experts, sizeof *x->logits);
	x->of = part(r, at, T * n->experts_used, sizeof *x->of);
	x->by = part(r, at, T * n->experts_used, sizeof *x->by);
	x->first = part(r, at, n->experts + 1, sizeof *x->first);
	x->in = part(r, at, T * dim, sizeof *x->in);
	x->out = part(r, at, T * dim, sizeof *x->out);
}

static size_t carve(struct model_work *w, const struct hparams *h, bool int8, uint32_t threads)
{
	struct region *r = &w->region;
	struct hparams_widths n = hparams_widths(h);
	size_t at = 0, rows = max_size(w->tokens_max, w->logits_max), T = w->tokens_max, f = sizeof(float);
	size_t widest = max_size(max_size(h->dim, n.ffn_dim), n.q), wide = int8 ? (widest + 31) / 32 * 32 : 0;
	w->x = part(r, &at, T * h->dim, f);
	w->norm = part(r, &at, rows * h->dim, f);
	w->q = part(r, &at, T * n.q, f);
	w->k = part(r, &at, T * n.kv, f);
	w->v = part(r, &at, T * n.kv, f);
	w->attn = part(r, &at, T * n.q, f);
	w->delta = part(r, &at, T * h->dim, f);
	w->gate = part(r, &at, T * n.ffn_dim, f);
	w->up = part(r, &at, T * n.ffn_dim, f);
	carve_experts(r, &at, &w->experts, &n, T, h->dim);
	for (uint32_t i = 0; i < h->n_ropes; i++) {
		w->cos_row[i] = part(r, &at, T * (h->ropes[i].dim / 2), f);
		w->sin_row[i] = part(r, &at, T * (h->ropes[i].dim / 2), f);
	}
	rows = act_rows((uint32_t)rows);
	w->act_q = part(r, &at, rows * wide, 1);
	w->act_scale = part(r, &at, rows * (wide / 32), f);
	w->act_sum16 = part(r, &at, rows * (wide / 16), sizeof(int32_t));
	w->runs = part(r, &at, T, sizeof *w->runs);
	w->plan.blocks = part(r, &at, attn_blocks_max((uint32_t)T, n.kv_heads), sizeof *w->plan.blocks);
	w->plan.items = part(r, &at, attn_items_max((uint32_t)T, n.kv_heads, threads), sizeof *w->plan.items);
	w->plan.merges = part(r, &at, attn_split_max(threads), sizeof *w->plan.merges);
	w->part_rows = attn_rows_max(n.rows);
	w->part_slots = threads * SLOTS_PER_THREAD > w->part_rows ? threads * SLOTS_PER_THREAD : w->part_rows;
	w->part_floats = attn_part_floats(n.head_dim);
	bool cut = threads > 1; /* one thread takes whole blocks */
	w->parts = part(r, &at, cut ? w->part_slots * w->part_floats : 0, f);
	w->part_state = part(r, &at, cut ? (size_t)attn_split_max(threads) * w->part_rows * w->part_floats : 0, f);
	w->scratch_bytes = attn_scratch_bytes(n.rows, n.head_dim);
	w->scratch = part(r, &at, threads, w->scratch_bytes);
	return at;
}

int model_work_new(struct model_work **out, const struct model *m, uint32_t tokens_max, uint32_t logits_max,
		   struct kvik_err *err)
{
	struct model_work *w = mem_zalloc(1, sizeof *w);
	*out = NULL;
	if (!w)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for the buffers of a step");
	w->tokens_max = tokens_max;
	w->logits_max = logits_max;
	uint32_t threads = device_threads(m->device);
	int rc =
		region_new(&w->region, carve(w, &m->h, m->int8, threads), "the buffers of a step (lower --chunk)", err);
	if (rc) {
		mem_free(w);
		return rc;
	}
	carve(w, &m->h, m->int8, threads);
	*out = w;
	return 0;
}

uint64_t model_work_bytes(const struct hparams *h, bool int8, uint32_t threads, uint32_t tokens_max,
			  uint32_t logits_max)
{
	struct model_work w = {.tokens_max = tokens_max, .logits_max = logits_max};
	return carve(&w, h, int8, threads);
}

void model_work_free(struct model_work *w)
{
	if (!w)
		return;
	region_free(&w->region);
	mem_free(w);
}

/* ---- A step ------------------------------------------------------------------------------------------------------ */

/* Cuts each sequence's tokens at page ends. */
static void plan_runs(struct step *s)
{
	uint32_t token = 0;
	for (uint32_t i = 0; i < s->b->n_seqs; i++) {
		const struct model_seq *q = &s->b->seqs[i];
		for (uint32_t done = 0, n; done < q->n_tokens; done += n) {
			n = KV_PAGE_TOKENS - (q->position + done) % KV_PAGE_TOKENS;
			if (n > q->n_tokens - done)
				n = q->n_tokens - done;
			s->w->runs[s->n_runs++] = (struct page_run){i, token + done, n, q->position + done};
		}
		token += q->n_tokens;
	}
}

static void fill_angles(struct step *s, uint32_t rope)
{
	size_t half = s->m->h.ropes[rope].dim / 2, t = 0;
	for (uint32_t i = 0; i < s->b->n_seqs; i++)
		for (uint32_t k = 0; k < s->b->seqs[i].n_tokens; k++, t++)
			rope_angles(&s->m->ropes[rope], s->b->seqs[i].position + k, s->w->cos_row[rope] + t * half,
				    s->w->sin_row[rope] + t * half);
}

void model_forward(struct model *m, struct model_work *w, const struct model_batch *b)
{
	struct step s = {.m = m, .w = w, .b = b};
	device_begin(m->device);
	plan_runs(&s);
	for (uint32_t i = 0; i < m->h.n_ropes; i++)
		fill_angles(&s, i);
	block_embed(&s);
	for (s.layer = 0; s.layer < m->h.n_layers; s.layer++) {
		s.spec = &m->h.layers[s.layer];
		m->h.arch->layer(&s, &m->w.layers[s.layer]);
	}
	block_logits(&s);
	block_hidden(&s);
	device_end(m->device);
}

void model_logits(struct model *m, struct model_work *w, const float *hidden, uint32_t n, float *logits)
{
	struct step s = {.m = m, .w = w};
	device_begin(m->device);
	block_output(&s, hidden, n, logits);
	device_end(m->device);
}
