/* model.c: loading a model and running a step through its layers.
 *
 * Owner of a forward pass: one thread; the pool works for it. */
#include "model/model.h"

#include "base/mem.h"
#include "model/blocks.h"
#include "model/step.h"

static const struct arch_ops *const archs[ARCH_COUNT] = {
	[ARCH_LLAMA] = &arch_llama,
	[ARCH_MISTRAL] = &arch_mistral,
	[ARCH_QWEN2] = &arch_qwen2,
	[ARCH_QWEN3] = &arch_qwen3,
};

static int make_rope(struct model *m, const struct source *s, struct kvik_err *err)
{
	static const enum rope_rule rules[] = {[ROPE_SCALING_NONE] = ROPE_PLAIN,
					       [ROPE_SCALING_LINEAR] = ROPE_LINEAR,
					       [ROPE_SCALING_LLAMA3] = ROPE_LLAMA3,
					       [ROPE_SCALING_YARN] = ROPE_YARN};
	const struct hparams *h = &m->h;
	struct rope_params p = {.rule = rules[h->rope_scaling],
				.dim = h->rope_dim,
				.theta = h->rope_theta,
				.factor = h->rope_factor,
				.context = h->rope_context,
				.low_freq = h->rope_low_freq,
				.high_freq = h->rope_high_freq,
				.beta_fast = h->rope_beta_fast,
				.beta_slow = h->rope_beta_slow,
				.attn_factor = h->rope_attn_factor,
				.keep_fractions = h->rope_keep_fractions,
				.divisor = m->w.rope_divisor};
	int rc = rope_init(&m->rope, &p, err);
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
	}
	return int8;
}

int model_load(struct model **out, const struct source *s, const struct model_params *p, struct kvik_err *err)
{
	struct model *m = mem_zalloc(1, sizeof *m);
	*out = NULL;
	if (!m)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for a model");
	m->kernels = p->kernels;
	m->pool = p->pool;
	struct weights_params wp = {.pool = p->pool,
				    .int8 = p->int8,
				    .quantize = p->quantize,
				    .progress = p->progress,
				    .progress_user = p->progress_user};
	int rc = source_hparams(s, &m->h, err);
	if (!rc) {
		m->ops = archs[m->h.arch];
		rc = weights_load(&m->w, s, &m->h, m->ops->bind, &wp, err);
	}
	if (!rc)
		rc = make_rope(m, s, err);
	if (rc) {
		model_free(m);
		return rc;
	}
	m->int8 = takes_int8(m);
	*out = m;
	return 0;
}

int model_measure(uint64_t *bytes, const struct source *s, const struct model_params *p, struct kvik_err *err)
{
	struct weights_params wp = {.int8 = p->int8, .quantize = p->quantize};
	struct hparams h;
	int rc = source_hparams(s, &h, err);
	return rc ? rc : weights_measure(bytes, s, &h, archs[h.arch]->bind, &wp, err);
}

void model_free(struct model *m)
{
	if (!m)
		return;
	rope_release(&m->rope);
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

static size_t widest(const struct hparams *h)
{
	size_t heads = (size_t)h->n_heads * h->head_dim, w = h->dim > h->ffn_dim ? h->dim : h->ffn_dim;
	return heads > w ? heads : w;
}

static size_t carve(struct model_work *w, const struct hparams *h, bool int8, uint32_t threads)
{
	struct region *r = &w->region;
	size_t at = 0, rows = w->tokens_max > w->logits_max ? w->tokens_max : w->logits_max, T = w->tokens_max;
	size_t q = (size_t)h->n_heads * h->head_dim, kv = (size_t)h->n_kv_heads * h->head_dim, f = sizeof(float);
	size_t wide = int8 ? (widest(h) + 31) / 32 * 32 : 0;
	w->x = part(r, &at, T * h->dim, f);
	w->norm = part(r, &at, rows * h->dim, f);
	w->q = part(r, &at, T * q, f);
	w->k = part(r, &at, T * kv, f);
	w->v = part(r, &at, T * kv, f);
	w->attn = part(r, &at, T * q, f);
	w->delta = part(r, &at, T * h->dim, f);
	w->gate = part(r, &at, T * h->ffn_dim, f);
	w->up = part(r, &at, T * h->ffn_dim, f);
	w->cos_row = part(r, &at, T * (h->rope_dim / 2), f);
	w->sin_row = part(r, &at, T * (h->rope_dim / 2), f);
	rows = act_rows((uint32_t)rows);
	w->act_q = part(r, &at, rows * wide, 1);
	w->act_scale = part(r, &at, rows * (wide / 32), f);
	w->act_sum16 = part(r, &at, rows * (wide / 16), sizeof(int32_t));
	w->runs = part(r, &at, T, sizeof *w->runs);
	w->items = part(r, &at, T * h->n_kv_heads, sizeof *w->items);
	w->scratch_bytes = attn_scratch_bytes(h->n_heads / h->n_kv_heads, h->head_dim);
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
	uint32_t threads = pool_threads(m->pool);
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

/* Cuts each sequence's tokens at page ends and into blocks of queries. */
static void plan_items(struct step *s)
{
	const struct hparams *h = &s->m->h;
	uint32_t heads = h->n_heads / h->n_kv_heads, block = heads < ATTN_ROWS_MAX ? ATTN_ROWS_MAX / heads : 1;
	uint32_t token = 0;
	for (uint32_t i = 0; i < s->b->n_seqs; i++) {
		const struct model_seq *q = &s->b->seqs[i];
		for (uint32_t done = 0, n; done < q->n_tokens; done += n) {
			n = KV_PAGE_TOKENS - (q->position + done) % KV_PAGE_TOKENS;
			if (n > q->n_tokens - done)
				n = q->n_tokens - done;
			s->w->runs[s->n_runs++] = (struct page_run){i, token + done, n, q->position + done};
		}
		for (uint32_t done = 0; done < q->n_tokens; done += block) {
			uint32_t left = q->n_tokens - done, n = left < block ? left : block;
			for (uint32_t k = 0; k < h->n_kv_heads; k++)
				s->w->items[s->n_items++] =
					(struct attn_item){i, k, token + done, n, q->position + done};
		}
		token += q->n_tokens;
	}
}

static void fill_angles(struct step *s)
{
	size_t half = s->m->h.rope_dim / 2, t = 0;
	for (uint32_t i = 0; i < s->b->n_seqs; i++)
		for (uint32_t k = 0; k < s->b->seqs[i].n_tokens; k++, t++)
			rope_angles(&s->m->rope, s->b->seqs[i].position + k, s->w->cos_row + t * half,
				    s->w->sin_row + t * half);
}

void model_forward(struct model *m, struct model_work *w, const struct model_batch *b)
{
	struct step s = {.m = m, .w = w, .b = b};
	plan_items(&s);
	fill_angles(&s);
	block_embed(&s);
	for (s.layer = 0; s.layer < m->h.n_layers; s.layer++)
		m->ops->layer(&s, &m->w.layers[s.layer]);
	block_logits(&s);
	block_hidden(&s);
}

void model_logits(struct model *m, struct model_work *w, const float *hidden, uint32_t n, float *logits)
{
	struct step s = {.m = m, .w = w};
	block_output(&s, hidden, n, logits);
}
