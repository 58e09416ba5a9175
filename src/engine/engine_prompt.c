/* engine_prompt.c: see engine_prompt.h.
 *
 * A step keeps the hidden states of its tokens, not their logits, which would be a vocabulary wide; logits are made of
 * them a few rows at a time. They have the bits of those that a step samples from (promise P1). */
#include "engine/engine_prompt.h"

#include <math.h>

#include "base/mem.h"
#include "sample/sample.h"

enum { SLICE = 16 };

struct row {
	uint32_t id; /* of the token that the row's position makes more or less probable */
	float logprob;
	uint32_t rank, n_top;
	struct kvik_logprob top[KVIK_LOGPROBS_MAX];
};

struct engine_prompt {
	float *logits; /* [SLICE][n_vocab], owned */
	uint32_t n_vocab, n_top;
	struct row rows[SLICE];
};

int engine_prompt_new(struct engine_prompt **out, uint32_t n_vocab, struct kvik_err *err)
{
	struct engine_prompt *p = *out = mem_zalloc(1, sizeof *p);
	if (p) {
		p->n_vocab = n_vocab;
		p->logits = mem_zalloc(SLICE, n_vocab * sizeof *p->logits);
	}
	return p && p->logits ? 0 : err_set(err, KVIK_ERR_NOMEM, "no memory for the log-probabilities of prompts");
}

void engine_prompt_free(struct engine_prompt *p)
{
	if (p)
		mem_free(p->logits);
	mem_free(p);
}

uint32_t engine_prompt_rows(const struct sched_item *it)
{
	const struct request *r = it->user;
	bool logprobs = r->params.prompt_logprobs && it->position + 1 < r->params.n_ids;
	return r->embedding || logprobs ? it->n_tokens : 0;
}

static void look_up(void *ctx, uint32_t item, uint32_t thread)
{
	struct engine_prompt *p = ctx;
	struct row *r = &p->rows[item];
	(void)thread;
	r->n_top = sample_logprobs(p->logits + (size_t)item * p->n_vocab, p->n_vocab, p->n_top, r->top, r->id,
				   &r->logprob, &r->rank);
}

static void show(struct request *r, const struct row *row)
{
	struct kvik_token t = {.id = row->id,
			       .logprob = row->logprob,
			       .rank = row->rank,
			       .text = "",
			       .top = row->top,
			       .n_top = row->n_top};
	request_prompt_token(r, &t);
}

/* n hidden states, of the positions from `position` on. */
static void show_slice(struct kvik_engine *e, struct request *r, const float *hidden, uint32_t position, uint32_t n)
{
	struct engine_prompt *p = e->prompt;
	model_logits(e->model->model, e->cache->work, hidden, n, p->logits);
	p->n_top = r->params.prompt_logprobs;
	for (uint32_t i = 0; i < n; i++)
		p->rows[i].id = r->params.ids[position + i + 1];
	device_run_once(e->model->device, n, look_up, p);
	for (uint32_t i = 0; i < n; i++)
		show(r, &p->rows[i]);
}

/* Tokens that were shown before a preemption are not shown again. */
static void show_prompt(struct kvik_engine *e, struct request *r, const struct sched_item *it, const float *hidden)
{
	size_t dim = model_hparams(e->model->model)->dim;
	uint32_t last = (uint32_t)r->params.n_ids - 1 - it->position, end = it->n_tokens < last ? it->n_tokens : last;
	if (r->passed == 0)
		show(r, &(struct row){.id = r->params.ids[0], .logprob = NAN});
	for (uint32_t i = (uint32_t)r->passed - 1 - it->position, n; i < end; i += n) {
		n = end - i < SLICE ? end - i : SLICE;
		show_slice(e, r, hidden + i * dim, it->position + i, n);
	}
}

void engine_prompt_take(struct kvik_engine *e, const struct sched_plan *plan)
{
	size_t dim = model_hparams(e->model->model)->dim;
	const float *rows = e->hidden;
	for (uint32_t i = 0; i < plan->n_items; i++) {
		const struct sched_item *it = &plan->items[i];
		struct request *r = it->user;
		uint32_t n = engine_prompt_rows(it);
		if (n == 0)
			continue;
		if (r->embedding)
			request_pool(r, rows, it->position, n, dim);
		else if (!r->cancelled)
			show_prompt(e, r, it, rows);
		rows += n * dim;
	}
}
