/* request.c: see request.h. */
#include "engine/request.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/os.h"
#include "base/utf8.h"
#include "engine/cache.h"
#include "engine/sized.h"

int kvik_request_params_init(struct kvik_request_params *p)
{
	const struct kvik_request_params own = {.choices = 1};
	return SIZED_WRITE(kvik_request_params, p, &own, NULL);
}

enum { CHOICES_MAX = 128 };

static int check(const struct kvik_model *m, const struct kvik_request_params *p, bool polled, struct kvik_err *err)
{
	if (p->n_ids == 0 || p->n_ids > UINT32_MAX / 2)
		return err_set(err, KVIK_ERR_ARG, "a prompt of %zu tokens; it needs at least one", p->n_ids);
	int rc = check_ids(m, p->ids, p->n_ids, err);
	if (rc)
		return rc;
	if (p->choices < 1 || p->choices > CHOICES_MAX)
		return err_set(err, KVIK_ERR_ARG, "choices must be 1..%d, not %u", CHOICES_MAX, p->choices);
	if (p->prompt_logprobs > KVIK_LOGPROBS_MAX)
		return err_set(err, KVIK_ERR_ARG, "prompt_logprobs: at most %d per token, not %u", KVIK_LOGPROBS_MAX,
			       p->prompt_logprobs);
	if ((unsigned)p->pooling > KVIK_POOLING_LAST)
		return err_set(err, KVIK_ERR_ARG, "pooling: %d is not of enum kvik_pooling", (int)p->pooling);
	if (p->n_marks > KVIK_MARKS_MAX)
		return err_set(err, KVIK_ERR_ARG, "%zu marks; there may be %d", p->n_marks, KVIK_MARKS_MAX);
	for (size_t i = 0; i < p->n_marks; i++)
		if (p->marks[i] < 1 || p->marks[i] > p->n_ids)
			return err_set(err, KVIK_ERR_ARG, "mark %u is outside the prompt of %zu tokens", p->marks[i],
				       p->n_ids);
	if (p->n_retain > KVIK_RETAIN_MAX)
		return err_set(err, KVIK_ERR_ARG, "%zu pieces to retain; at most %d", p->n_retain, KVIK_RETAIN_MAX);
	if (!p->on_event && !polled)
		return err_set(err, KVIK_ERR_ARG, "a request needs on_event, or an engine that is polled");
	return 0;
}

/* Appends bytes to the block at *at, aligned to 8; returns where. With block NULL it only counts. */
static void *place(char *block, size_t *at, const void *from, size_t bytes)
{
	void *to = block ? block + *at : NULL;
	if (to && bytes > 0)
		memcpy(to, from, bytes);
	*at += (bytes + 7) / 8 * 8;
	return to;
}

/* Copies what the pointers of r's parameters lead to; returns the bytes it takes. */
static size_t copy_all(char *block, struct request *r)
{
	size_t at = 0;
	struct kvik_request_params *p = &r->params;
	struct kvik_generate_params *g = &r->generate;
	const void *ids = place(block, &at, p->ids, p->n_ids * sizeof *p->ids);
	const void *marks = place(block, &at, p->marks, p->n_marks * sizeof *p->marks);
	const void *retain = place(block, &at, p->retain, p->n_retain * sizeof *p->retain);
	const void *bias = place(block, &at, r->sampling.bias, r->sampling.n_bias * sizeof *r->sampling.bias);
	const uint32_t *stop_ids = place(block, &at, g->stop_ids, g->n_stop_ids * sizeof *g->stop_ids);
	const size_t *sizes = place(block, &at, g->stop_bytes, g->stop_bytes ? g->n_stop * sizeof *sizes : 0);
	const char **stop = place(block, &at, g->stop, g->n_stop * sizeof *g->stop);
	for (size_t i = 0; i < g->n_stop; i++) {
		size_t bytes = g->stop_bytes ? g->stop_bytes[i] : strlen(g->stop[i]) + 1;
		const char *s = place(block, &at, g->stop[i], bytes);
		if (stop)
			stop[i] = s;
	}
	if (block) {
		p->ids = ids;
		p->marks = marks;
		p->retain = retain;
		r->sampling.bias = bias;
		g->stop = stop;
		g->stop_bytes = g->stop_bytes ? sizes : NULL;
		g->stop_ids = stop_ids;
	}
	return at;
}

static int init_choices(struct request *r, const struct kvik_model *m, struct kvik_err *err)
{
	int rc = 0;
	for (uint32_t i = 0; i < r->n_choices && !rc; i++) {
		struct kvik_generate_params g = r->generate;
		struct kvik_sampling s = r->sampling;
		s.seed += i;
		g.sampling = &s;
		rc = emit_init(&r->choices[i].emit, m, &g, err);
		r->choices[i].emit.choice = i;
	}
	return rc;
}

/* What the caller gave, over the defaults. */
static int read_params(struct request *r, const struct kvik_request_params *p, struct kvik_err *err)
{
	r->params = *p;
	r->generate = kvik_generate_params_default();
	r->sampling = kvik_sampling_default();
	int rc = SIZED_READ(kvik_generate_params, &r->generate, p->generate, err);
	if (!rc)
		rc = SIZED_READ(kvik_sampling, &r->sampling, r->generate.sampling, err);
	if (!rc)
		rc = SIZED_READ(kvik_processor, &r->processor, r->generate.processor, err);
	if (!rc)
		rc = cache_share(&r->share, &r->isolated, p->share, err);
	r->params.generate = &r->generate;
	r->generate.sampling = &r->sampling;
	r->generate.processor = r->generate.processor ? &r->processor : NULL;
	return rc;
}

int request_new(struct request **out, const struct kvik_model *m, const struct kvik_request_params *given, bool polled,
		struct kvik_err *err)
{
	struct kvik_request_params own = kvik_request_params_default(), *p = &own;
	*out = NULL;
	int rc = SIZED_READ(kvik_request_params, &own, given, err);
	if (!rc)
		rc = check(m, p, polled, err);
	if (rc)
		return rc;
	struct request *r = mem_zalloc(1, sizeof *r + p->choices * sizeof r->choices[0]);
	if (!r)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for a request");
	rc = read_params(r, p, err);
	if (rc) {
		mem_free(r);
		return rc;
	}
	r->n_choices = p->choices;
	r->submitted_ns = os_clock_ns();
	r->usage = (struct kvik_usage){.size = sizeof r->usage, .prompt_tokens = (uint32_t)p->n_ids};
	r->prefix = CACHE_PREFIX_COLD;
	r->copies = mem_alloc(copy_all(NULL, r));
	if (p->pooling != KVIK_POOLING_NONE)
		r->embedding = mem_zalloc(model_hparams(m->model)->dim, sizeof *r->embedding);
	if (!r->copies || (p->pooling != KVIK_POOLING_NONE && !r->embedding))
		rc = err_set(err, KVIK_ERR_NOMEM, "no memory for a request of %zu tokens", p->n_ids);
	if (!rc) {
		copy_all(r->copies, r);
		rc = init_choices(r, m, err);
	}
	if (rc)
		request_free(r);
	else
		*out = r;
	return rc;
}

void request_free(struct request *r)
{
	if (!r)
		return;
	for (uint32_t i = 0; i < r->n_choices; i++)
		emit_release(&r->choices[i].emit);
	mem_free(r->copies);
	mem_free(r->embedding);
	mem_free(r);
}

/* ---- Events, on their way to the consumer ------------------------------------------------------------------------ */

#define TEXT_MAX 8192 /* bytes of one event; a longer text goes in pieces */

/* struct kvik_event as it lies in the ring: then come top[n_top] and the text. */
struct record {
	struct request *r;
	enum kvik_event_kind kind;
	enum kvik_finish finish; /* of CHOICE */
	uint32_t choice, id, rank, n_top, text_bytes;
	float logprob;
	struct kvik_logprob top[];
};
_Static_assert(sizeof(struct record) + KVIK_LOGPROBS_MAX * sizeof(struct kvik_logprob) + TEXT_MAX <= EVENTS_RECORD_MAX,
	       "a record of the ring");

static void put_token(struct request *r, enum kvik_event_kind kind, uint32_t choice, const struct kvik_token *t)
{
	size_t text_bytes = t->text_bytes < TEXT_MAX ? t->text_bytes : TEXT_MAX, top_bytes = t->n_top * sizeof *t->top;
	struct record *e = events_put(r->events, r->id, false, sizeof *e + top_bytes + text_bytes);
	*e = (struct record){.r = r,
			     .kind = kind,
			     .choice = choice,
			     .id = t->id,
			     .rank = t->rank,
			     .n_top = t->n_top,
			     .text_bytes = (uint32_t)text_bytes,
			     .logprob = t->logprob};
	if (top_bytes > 0)
		memcpy(e->top, t->top, top_bytes);
	if (text_bytes > 0)
		memcpy((char *)e->top + top_bytes, t->text, text_bytes);
}

/* Pieces end between characters, as whole texts do. */
static size_t piece_bytes(const char *text, size_t n)
{
	size_t end = n < TEXT_MAX ? n : TEXT_MAX;
	while (end < n && end > 0 && utf8_is_inner(text[end]))
		end--;
	return end > 0 ? end : n < TEXT_MAX ? n : TEXT_MAX;
}

static void put_text(struct request *r, enum kvik_event_kind kind, uint32_t choice, struct kvik_token t)
{
	const char *text = t.text;
	size_t left = t.text_bytes;
	do {
		t.text = text;
		t.text_bytes = piece_bytes(text, left);
		put_token(r, kind, choice, &t);
		text += t.text_bytes;
		left -= t.text_bytes;
		t.id = KVIK_NO_ID;
		t.n_top = 0;
	} while (left > 0);
}

void request_token(struct request *r, uint32_t choice, const struct kvik_token *t)
{
	if (t->id != KVIK_NO_ID) {
		r->usage.new_tokens++;
		if (r->first_token_ns == 0)
			r->first_token_ns = os_clock_ns();
	}
	put_text(r, KVIK_EVENT_TOKEN, choice, *t);
}

void request_choice_end(struct request *r, uint32_t choice, enum kvik_finish finish)
{
	struct choice *c = &r->choices[choice];
	struct kvik_token t;
	if (c->ended)
		return;
	c->ended = true;
	if (finish != KVIK_FINISH_CANCELLED && emit_flush(&c->emit, &t))
		request_token(r, choice, &t);
	struct record *e = events_put(r->events, r->id, false, sizeof *e);
	*e = (struct record){.r = r, .kind = KVIK_EVENT_CHOICE, .choice = choice, .finish = finish};
}

static double ms_between(uint64_t from_ns, uint64_t to_ns)
{
	return to_ns > from_ns ? (double)(to_ns - from_ns) / 1e6 : 0;
}

void request_end(struct request *r, const struct kvik_err *error, uint64_t retry_ms)
{
	bool text = r->params.pooling == KVIK_POOLING_NONE;
	for (uint32_t i = 0; i < r->n_choices && text && !error; i++)
		request_choice_end(r, i, KVIK_FINISH_LENGTH); /* those that have ended stay as they are */
	r->usage.total_ms = ms_between(r->submitted_ns, os_clock_ns());
	r->usage.first_token_ms = ms_between(r->submitted_ns, r->first_token_ns);
	r->failure = error ? *error : (struct kvik_err){0};
	r->retry_ms = retry_ms;
	struct record *e = events_put(r->events, r->id, true, sizeof *e);
	*e = (struct record){.r = r, .kind = KVIK_EVENT_END};
}

void request_prompt_token(struct request *r, const struct kvik_token *t)
{
	r->passed++;
	put_text(r, KVIK_EVENT_PROMPT, 0, *t);
}

bool request_event(struct request_event *out, const void *record, struct request **ended)
{
	const struct record *e = record;
	struct request *r = e->r;
	bool is_token = e->kind == KVIK_EVENT_TOKEN || e->kind == KVIK_EVENT_PROMPT, end = e->kind == KVIK_EVENT_END;
	struct kvik_event *v = &out->event;
	*v = (struct kvik_event){.size = sizeof *v,
				 .kind = e->kind,
				 .id = r->id,
				 .user = r->params.user,
				 .choice = e->choice,
				 .finish = e->finish};
	if (is_token) {
		out->token = (struct kvik_token){.size = sizeof out->token,
						 .id = e->id,
						 .rank = e->rank,
						 .logprob = e->logprob,
						 .text = (const char *)(e->top + e->n_top),
						 .text_bytes = e->text_bytes,
						 .top = e->top,
						 .n_top = e->n_top};
		v->token = &out->token;
	}
	if (e->kind == KVIK_EVENT_CHOICE) {
		v->stop = r->choices[e->choice].emit.stop.hit;
		v->stop_bytes = r->choices[e->choice].emit.stop.hit_bytes;
	}
	if (end) {
		v->error = r->failure.code ? &r->failure : NULL;
		v->usage = &r->usage;
		v->prefix = &r->prefix;
		v->retry_ms = r->retry_ms;
		v->embedding = v->error ? NULL : r->embedding;
	}
	out->call = r->params.on_event;
	*ended = end ? r : NULL;
	return !is_token || !r->cancelled;
}

/* ---- Embeddings -------------------------------------------------------------------------------------------------- */

void request_pool(struct request *r, const float *rows, size_t position, size_t n, size_t dim)
{
	bool last = position + n == r->params.n_ids;
	if (r->params.pooling == KVIK_POOLING_LAST && last)
		memcpy(r->embedding, rows + (n - 1) * dim, dim * sizeof *rows);
	for (size_t i = r->passed - position; i < n && r->params.pooling == KVIK_POOLING_MEAN; i++)
		for (size_t d = 0; d < dim; d++)
			r->embedding[d] += rows[i * dim + d];
	r->passed = position + n > r->passed ? position + n : r->passed;
	if (!last)
		return;
	double squares = 0; /* the mean's divisor goes away with the length */
	for (size_t d = 0; d < dim; d++)
		squares += (double)r->embedding[d] * (double)r->embedding[d];
	float scale = squares > 0 ? (float)(1 / sqrt(squares)) : 0;
	for (size_t d = 0; d < dim; d++)
		r->embedding[d] *= scale;
}
