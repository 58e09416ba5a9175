/* quality.c: see quality.h. The reference and a setting are fed the same block of tokens one after the other, and their
 * rows of logits compared on all processors; every row has its own results, which are summed in order, so that the
 * figures do not depend on threads. */
#include "bench/quality.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/human.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/pool.h"

enum { BLOCK = 64 }; /* tokens between two comparisons: bounds the memory of logits */

struct row {
	double nll, kl;
	bool agree;
};

struct measure {
	struct arm *arms;
	size_t n_arms;
	const struct quality_text *text;
	struct quality *out; /* [n_arms] */
	struct pool *pool;
	uint32_t n_vocab;
	uint32_t *piece;      /* [context] */
	float *reference;     /* [BLOCK][n_vocab] */
	float *own;           /* [BLOCK][n_vocab] */
	const uint32_t *next; /* [rows]: the tokens that the block's rows predict */
	struct row rows[BLOCK];
};

size_t quality_pieces(const struct quality_text *t)
{
	return t->n / t->context;
}

/* ---- The model --------------------------------------------------------------------------------------------------- */

enum quality_choice quality_choose(enum kvik_act act, uint64_t own_bytes, uint64_t f32_bytes, uint64_t free_bytes)
{
	if (own_bytes == f32_bytes)
		return QUALITY_SAME;
	if (act == KVIK_ACT_INT8)
		return QUALITY_WANTED;
	return f32_bytes <= free_bytes / 4 * 3 ? QUALITY_COPY : QUALITY_NO_MEMORY; /* the caches need some too */
}

/* Bytes of packed weights with activations of this kind. */
static int weight_bytes(const struct kvik_file *f, struct kvik_model_params p, enum kvik_act act, uint64_t *bytes,
			struct kvik_err *err)
{
	struct kvik_plan plan = {.size = sizeof plan};
	p.act = act;
	int rc = kvik_plan_make(f, &p, NULL, &plan, err);
	*bytes = plan.weight_bytes;
	return rc;
}

static int choose(enum quality_choice *choice, uint64_t *f32_bytes, uint64_t *free_bytes, const char *path,
		  const struct kvik_model_params *p, struct kvik_err *err)
{
	struct kvik_file *f = NULL;
	uint64_t own_bytes = 0;
	int rc = kvik_file_open(&f, path, err);
	if (!rc)
		rc = weight_bytes(f, *p, p->act, &own_bytes, err);
	if (!rc)
		rc = weight_bytes(f, *p, KVIK_ACT_F32, f32_bytes, err);
	kvik_file_close(f);
	*free_bytes = os_memory_available();
	*choice = quality_choose(p->act, own_bytes, *f32_bytes, *free_bytes);
	return rc;
}

int quality_model_open(struct quality_model *q, struct kvik_model *m, const char *path,
		       const struct kvik_model_params *params, struct kvik_err *err)
{
	struct kvik_model_params exact = *params;
	enum quality_choice choice;
	uint64_t f32_bytes = 0, free_bytes = 0;
	char need[32], have[32];
	*q = (struct quality_model){.m = m};
	int rc = choose(&choice, &f32_bytes, &free_bytes, path, params, err);
	if (rc)
		return rc;
	switch (choice) {
	case QUALITY_SAME: return 0;
	case QUALITY_COPY: break;
	case QUALITY_WANTED:
		snprintf(q->note, sizeof q->note,
			 "Quality is of int8 activations, as asked for: what is smaller than the row of f16 is their "
			 "rounding, not the KV dtype.");
		return 0;
	case QUALITY_NO_MEMORY:
		snprintf(q->note, sizeof q->note,
			 "Quality is of int8 activations, since weights for f32 ones take %s and %s are free: what is "
			 "smaller than the row of f16 is their rounding, not the KV dtype.",
			 human_bytes(f32_bytes, need), human_bytes(free_bytes, have));
		return 0;
	}
	exact.act = KVIK_ACT_F32;
	snprintf(q->note, sizeof q->note,
		 "Quality is of f32 activations, on a copy of the model: rounding them to int8, as speed is measured, "
		 "moves predictions more than most KV dtypes do.");
	rc = kvik_model_load(&q->m, path, &exact, err);
	q->copy = !rc;
	return rc;
}

void quality_model_close(struct quality_model *q)
{
	if (q->copy)
		kvik_model_free(q->m);
	*q = (struct quality_model){0};
}

/* ---- One row ----------------------------------------------------------------------------------------------------- */

static uint32_t largest(const float *x, uint32_t n)
{
	uint32_t best = 0;
	for (uint32_t i = 1; i < n; i++)
		if (x[i] > x[best])
			best = i;
	return best;
}

/* log of the sum of exp(x), best being the largest of x. */
static double log_sum(const float *x, uint32_t n, float best)
{
	double sum = 0;
	for (uint32_t i = 0; i < n; i++)
		sum += exp((double)x[i] - (double)best);
	return (double)best + log(sum);
}

/* KL(p || q) = sum p (log p - log q), p of the reference's logits x, q of y. */
static double divergence(const float *x, const float *y, uint32_t n, double sum_x, double sum_y)
{
	double kl = 0;
	for (uint32_t i = 0; i < n; i++) {
		double log_p = (double)x[i] - sum_x;
		kl += exp(log_p) * (log_p - ((double)y[i] - sum_y));
	}
	return kl > 0 ? kl : 0; /* below: rounding of what is 0 */
}

static void compare_row(void *ctx, uint32_t item, uint32_t thread)
{
	struct measure *m = ctx;
	const float *x = m->reference + (size_t)item * m->n_vocab, *y = m->own + (size_t)item * m->n_vocab;
	uint32_t best_x = largest(x, m->n_vocab), best_y = largest(y, m->n_vocab);
	double sum_x = log_sum(x, m->n_vocab, x[best_x]), sum_y = log_sum(y, m->n_vocab, y[best_y]);
	(void)thread;
	m->rows[item] = (struct row){.nll = sum_y - (double)y[m->next[item]],
				     .kl = divergence(x, y, m->n_vocab, sum_x, sum_y),
				     .agree = best_x == best_y};
}

static void add_rows(struct quality *q, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		q->nll += rows[i].nll;
		q->nll_squares += rows[i].nll * rows[i].nll;
		q->agree += rows[i].agree;
		q->kl[q->n++] = rows[i].kl;
	}
}

/* ---- A piece ----------------------------------------------------------------------------------------------------- */

/* Feeds the next k tokens of the piece from `at` on to every arm, and compares what they predict. */
static int measure_block(struct measure *m, size_t at, uint32_t k, struct kvik_err *err)
{
	int rc = 0;
	m->next = m->piece + at + 1;
	for (size_t a = 0; a < m->n_arms && !rc; a++) {
		rc = kvik_session_feed(m->arms[a].session, m->piece + at, k, a ? m->own : m->reference, err);
		if (rc)
			break;
		if (a == 0)
			memcpy(m->own, m->reference, (size_t)k * m->n_vocab * sizeof *m->own);
		pool_run(m->pool, k, compare_row, m);
		add_rows(&m->out[a], m->rows, k);
	}
	return rc;
}

/* Tokens [first, context - 1) of a piece predict those after them. */
static size_t first_scored(const struct quality_text *t)
{
	return t->context / 2;
}

static int measure_piece(struct measure *m, size_t piece, struct kvik_err *err)
{
	const struct quality_text *t = m->text;
	size_t first = first_scored(t);
	int rc = 0;
	memcpy(m->piece, t->ids + piece * t->context, t->context * sizeof *m->piece);
	if (t->bos != KVIK_NO_ID)
		m->piece[0] = t->bos;
	for (size_t a = 0; a < m->n_arms && !rc; a++) {
		rc = arm_restart(&m->arms[a], err);
		if (!rc)
			rc = kvik_session_feed(m->arms[a].session, m->piece, first, NULL, err);
	}
	for (size_t at = first; at + 1 < t->context && !rc; at += BLOCK) {
		size_t left = t->context - 1 - at;
		rc = measure_block(m, at, left < BLOCK ? (uint32_t)left : BLOCK, err);
	}
	return rc;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static int prepare(struct measure *m, uint32_t threads, struct kvik_err *err)
{
	size_t rows = quality_pieces(m->text) * (m->text->context - 1 - first_scored(m->text));
	m->piece = mem_zalloc(m->text->context, sizeof *m->piece);
	m->reference = mem_zalloc((size_t)BLOCK * m->n_vocab, sizeof *m->reference);
	m->own = mem_zalloc((size_t)BLOCK * m->n_vocab, sizeof *m->own);
	bool failed = !m->piece || !m->reference || !m->own;
	for (size_t a = 0; a < m->n_arms; a++) {
		m->out[a].kl = mem_zalloc(rows, sizeof *m->out[a].kl);
		failed |= !m->out[a].kl;
	}
	if (failed)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for the logits of %d tokens", 2 * BLOCK);
	return pool_new(&m->pool, threads, err);
}

int quality_measure(struct arm *arms, size_t n, struct kvik_model *model, const struct quality_text *text,
		    struct quality *out, void (*show)(size_t piece, size_t pieces), struct kvik_err *err)
{
	struct measure *m = mem_zalloc(1, sizeof *m);
	if (!m)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for measuring quality");
	m->arms = arms;
	m->n_arms = n;
	m->text = text;
	m->out = out;
	m->n_vocab = kvik_model_get_info(model).vocab_size;
	int rc = prepare(m, kvik_model_threads(model), err);
	for (size_t i = 0; i < quality_pieces(text) && !rc; i++) {
		if (show)
			show(i, quality_pieces(text));
		rc = measure_piece(m, i, err);
	}
	for (size_t a = 0; a < n && !rc; a++)
		qsort(out[a].kl, out[a].n, sizeof *out[a].kl, by_value);
	pool_free(m->pool);
	mem_free(m->piece);
	mem_free(m->reference);
	mem_free(m->own);
	mem_free(m);
	return rc;
}

void quality_release(struct quality *q, size_t n)
{
	for (size_t i = 0; i < n; i++)
		mem_free(q[i].kl);
}

/* ---- Figures ----------------------------------------------------------------------------------------------------- */

double quality_perplexity(const struct quality *q)
{
	return q->n ? exp(q->nll / (double)q->n) : NAN;
}

double quality_perplexity_error(const struct quality *q)
{
	double mean = q->nll / (double)q->n, variance = q->nll_squares / (double)q->n - mean * mean;
	return q->n > 1 ? exp(mean) * sqrt(fmax(variance, 0) / (double)(q->n - 1)) : NAN;
}

double quality_agreement(const struct quality *q)
{
	return q->n ? (double)q->agree / (double)q->n : NAN;
}

double quality_kl_mean(const struct quality *q)
{
	double sum = 0;
	for (size_t i = 0; i < q->n; i++)
		sum += q->kl[i];
	return q->n ? sum / (double)q->n : NAN;
}

double quality_kl_at(const struct quality *q, double share)
{
	return q->n ? q->kl[(size_t)(share * (double)(q->n - 1))] : NAN;
}
