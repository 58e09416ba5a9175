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

int model_load(struct model **out, const struct source *s, const struct model_params *p, struct kvik_err *err)
{
	struct model *m = mem_zalloc(1, sizeof *m);
	*out = NULL;
	if (!m)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for a model");
	m->device = p->device;
	m->backend = device_backend(p->device);
	m->int8 = p->int8;
	struct weights_params wp = {.backend = m->backend,
				    .device = p->device,
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
	*out = m;
	return 0;
}

int model_measure(uint64_t *bytes, const struct backend *backend, const struct source *s, const struct hparams *h,
		  const struct model_params *p, struct kvik_err *err)
{
	struct weights_params wp = {.backend = backend, .int8 = p->int8, .quantize = p->quantize};
	return weights_measure(bytes, s, h, &wp, err);
}

uint64_t model_mapped_bytes(const struct source *s, const struct hparams *h)
{
	const struct source_tensor *e = arch_embedding(s, h);
	const struct source_tensor *ple = NULL;
	if (h->ple_dim)
		ple = names_find(s, h->arch->own, -1, "per_layer_token_embd.weight");
	return (e ? e->bytes : 0) + (ple ? ple->bytes : 0);
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
	return m->w.bytes;
}

uint64_t model_parameters(const struct model *m)
{
	return m->w.parameters;
}

/* ---- Buffers ----------------------------------------------------------------------------------------------------- */

/* Gives out parts of the device's memory; with base NULL it only measures. */
static struct dev_f32 *part(const struct dev_f32 *base, size_t *at, size_t floats)
{
	struct dev_f32 *p = base ? dev_at(base, *at) : NULL;
	*at += (floats + 15) / 16 * 16; /* whole cache lines */
	return p;
}

static void carve_mixers(struct model_work *w, const struct hparams_widths *n, const struct dev_f32 *base, size_t *at)
{
	size_t T = w->tokens_max, same = *at;
	w->q = part(base, at, T * n->q);
	w->k = part(base, at, T * n->kv);
	w->v = part(base, at, T * n->kv);
	w->attn = part(base, at, T * n->q);
	w->attn_gate = part(base, at, n->gated ? T * n->q : 0);
	w->qkv = part(base, &same, T * n->channels);
	w->delta_gate = part(base, &same, T * n->values);
	w->delta_out = part(base, &same, T * n->values);
	w->alpha = part(base, &same, T * n->v_heads);
	w->beta = part(base, &same, T * n->v_heads);
	*at = *at > same ? *at : same;
}

static size_t carve(struct model_work *w, const struct hparams *h, const struct dev_f32 *base)
{
	struct hparams_widths n = hparams_widths(h);
	size_t at = 0, T = w->tokens_max, rows = T > w->logits_max ? T : w->logits_max;
	w->x = part(base, &at, T * h->dim);
	w->norm = part(base, &at, rows * h->dim);
	carve_mixers(w, &n, base, &at);
	w->delta = part(base, &at, T * h->dim);
	w->gate = part(base, &at, T * n.ffn_dim);
	w->up = part(base, &at, T * n.ffn_dim);
	w->beside = part(base, &at, n.both ? T * h->dim : 0);
	w->embedded = part(base, &at, h->ple_dim ? T * h->dim : 0);
	w->ple = part(base, &at, T * h->ple_dim);
	for (uint32_t i = 0; i < h->n_ropes; i++) {
		w->cos_row[i] = part(base, &at, T * (h->ropes[i].dim / 2));
		w->sin_row[i] = part(base, &at, T * (h->ropes[i].dim / 2));
	}
	return at;
}

static struct work_limits limits_of(struct model_work *w, const struct hparams *h, bool int8)
{
	struct hparams_widths n = hparams_widths(h);
	uint32_t inner = n.ffn_dim > n.experts_dim ? n.ffn_dim : n.experts_dim, cols = inner > n.q ? inner : n.q;
	cols = cols > n.values ? cols : n.values;
	cols = cols > n.latent_cols ? cols : n.latent_cols;
	return (struct work_limits){.tokens = w->tokens_max,
				    .rows = w->tokens_max > w->logits_max ? w->tokens_max : w->logits_max,
				    .cols = cols > h->dim ? cols : h->dim,
				    .kv_heads = n.kv_heads,
				    .heads_per_kv = n.rows,
				    .head_dim = n.head_dim,
				    .shared_kv = n.latent_heads > 0,
				    .own_heads = n.latent_heads,
				    .own_cols = n.latent_cols,
				    .dim = h->dim,
				    .experts = n.experts,
				    .experts_used = n.experts_used,
				    .experts_dim = n.experts_dim,
				    .int8 = int8,
				    .floats = carve(w, h, NULL)};
}

/* Floats of the angles of T tokens, in the host's memory. */
static size_t angle_floats(const struct hparams *h, size_t T)
{
	size_t n = 0;
	for (uint32_t i = 0; i < h->n_ropes; i++)
		n += 2 * T * (h->ropes[i].dim / 2);
	return n;
}

int model_work_new(struct model_work **out, const struct model *m, uint32_t tokens_max, uint32_t logits_max,
		   struct kvik_err *err)
{
	struct model_work *w = mem_zalloc(1, sizeof *w);
	struct dev_f32 *base = NULL;
	*out = NULL;
	if (!w)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for the buffers of a step");
	w->backend = m->backend;
	w->tokens_max = tokens_max;
	w->logits_max = logits_max;
	struct work_limits l = limits_of(w, &m->h, m->int8);
	w->angles = mem_alloc(angle_floats(&m->h, tokens_max) * sizeof *w->angles);
	int rc = w->angles ? m->backend->work_new(&w->dev, device_dev(m->device), &l, &base, err)
			   : err_set(err, KVIK_ERR_NOMEM, "no memory for the angles of a step");
	if (rc) {
		model_work_free(w);
		return rc;
	}
	carve(w, &m->h, base);
	*out = w;
	return 0;
}

uint64_t model_work_bytes(const struct backend *backend, const struct hparams *h, bool int8, uint32_t threads,
			  uint32_t tokens_max, uint32_t logits_max)
{
	struct model_work w = {.tokens_max = tokens_max, .logits_max = logits_max};
	struct work_limits l = limits_of(&w, h, int8);
	return backend->work_bytes(&l, threads) + angle_floats(h, tokens_max) * sizeof *w.angles;
}

void model_work_free(struct model_work *w)
{
	if (!w)
		return;
	if (w->dev)
		w->backend->work_free(w->dev);
	mem_free(w->angles);
	mem_free(w);
}

/* ---- A step ------------------------------------------------------------------------------------------------------ */

static struct step step_of(const struct model *m, struct model_work *w, const struct model_batch *b)
{
	return (struct step){.m = m, .backend = m->backend, .dev = w->dev, .w = w, .b = b};
}

/* Angles are the host's to compute: cos and sin of libm, whatever the device. */
static void write_angles(struct step *s)
{
	const struct batch *b = &s->b->batch;
	float *cos_row = s->w->angles;
	for (uint32_t r = 0; r < s->m->h.n_ropes; r++) {
		size_t half = s->m->h.ropes[r].dim / 2, t = 0, n = b->n_tokens * half;
		float *sin_row = cos_row + n;
		for (uint32_t i = 0; i < b->n_seqs; i++)
			for (uint32_t k = 0; k < b->seqs[i].n_tokens; k++, t++)
				rope_angles(&s->m->ropes[r], b->seqs[i].position + k, cos_row + t * half,
					    sin_row + t * half);
		s->backend->write(s->dev, s->w->cos_row[r], cos_row, n);
		s->backend->write(s->dev, s->w->sin_row[r], sin_row, n);
		cos_row = sin_row + n;
	}
}

void model_forward(struct model *m, struct model_work *w, const struct model_batch *b)
{
	struct step s = step_of(m, w, b);
	device_begin(m->device);
	s.backend->begin(s.dev, &b->batch);
	write_angles(&s);
	block_embed(&s);
	for (s.layer = 0; s.layer < m->h.n_layers; s.layer++) {
		s.spec = &m->h.layers[s.layer];
		m->h.arch->layer(&s, &m->w.layers[s.layer]);
	}
	block_logits(&s);
	block_hidden(&s);
	s.backend->end(s.dev);
	device_end(m->device);
}

void model_logits(struct model *m, struct model_work *w, const float *hidden, uint32_t n, float *logits)
{
	struct step s = step_of(m, w, NULL);
	device_begin(m->device);
	s.backend->begin(s.dev, &(struct batch){0});
	s.backend->write(s.dev, w->norm, hidden, (size_t)n * m->h.dim);
	s.backend->logits(s.dev, w->norm, n, m->w.output, m->h.logit_cap, logits);
	s.backend->end(s.dev);
	device_end(m->device);
}
