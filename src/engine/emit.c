/* emit.c: see emit.h. Text goes detok -> stop -> e->text; all three hold back only what they must. */
#include "engine/emit.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "engine/sized.h"
#include "sample/sample.h"

int kvik_sampling_init(struct kvik_sampling *p)
{
	const struct kvik_sampling own = {.top_p = 1, .repeat_penalty = 1, .penalty_last_n = 64};
	return SIZED_WRITE(kvik_sampling, p, &own, NULL);
}

int kvik_generate_params_init(struct kvik_generate_params *p)
{
	const struct kvik_generate_params own = {0};
	return SIZED_WRITE(kvik_generate_params, p, &own, NULL);
}

const char *kvik_finish_name(enum kvik_finish f)
{
	static const char *const names[] = {
#define FINISH_TEXT(name, text) [KVIK_FINISH_##name] = text,
		KVIK_FINISHES(FINISH_TEXT)
#undef FINISH_TEXT
	};
	return (size_t)f < sizeof names / sizeof *names ? names[f] : "?";
}

static bool is_end(const struct emit *e, uint32_t id)
{
	bool end = !e->params.ignore_end && kvik_model_is_end(e->model, id);
	for (size_t i = 0; i < e->params.n_stop_ids && !end; i++)
		end = e->params.stop_ids[i] == id;
	return end;
}

static int list_ends(struct emit *e, struct kvik_err *err)
{
	bool ok = true;
	for (uint32_t id = 0; id < e->n_vocab && e->params.min_tokens > 0; id++)
		ok = ok && (!is_end(e, id) || ids_add(&e->ends, id));
	return ok ? 0 : err_set(err, KVIK_ERR_NOMEM, "no memory for a request");
}

static int check_stop_ids(const struct emit *e, struct kvik_err *err)
{
	if (e->params.n_stop_ids > STOP_IDS_MAX)
		return err_set(err, KVIK_ERR_ARG, "stop_token_ids: %zu of them; at most %d are allowed",
			       e->params.n_stop_ids, STOP_IDS_MAX);
	for (size_t i = 0; i < e->params.n_stop_ids; i++)
		if (e->params.stop_ids[i] >= e->n_vocab)
			return err_set(err, KVIK_ERR_ARG, "stop_token_ids names token %u, but the vocabulary has %u",
				       e->params.stop_ids[i], e->n_vocab);
	return 0;
}

static int read_params(struct emit *e, const struct kvik_generate_params *given, struct kvik_err *err)
{
	e->params = kvik_generate_params_default();
	e->sampling = kvik_sampling_default();
	int rc = SIZED_READ(kvik_generate_params, &e->params, given, err);
	if (!rc)
		rc = SIZED_READ(kvik_sampling, &e->sampling, e->params.sampling, err);
	if (!rc)
		rc = SIZED_READ(kvik_processor, &e->processor, e->params.processor, err);
	return rc ? rc : sample_check(&e->sampling, e->n_vocab, err);
}

int emit_init(struct emit *e, const struct kvik_model *m, const struct kvik_generate_params *given,
	      struct kvik_err *err)
{
	*e = (struct emit){.model = m, .n_vocab = model_hparams(m->model)->n_vocab};
	const struct kvik_generate_params *p = &e->params;
	int rc = read_params(e, given, err);
	if (!rc && p->n_logprobs > KVIK_LOGPROBS_MAX)
		rc = err_set(err, KVIK_ERR_ARG, "logprobs: at most %d per token, not %u", KVIK_LOGPROBS_MAX,
			     p->n_logprobs);
	if (!rc && p->n_stop > 0 && !m->vocab.v)
		rc = err_set(err, KVIK_ERR_ARG, "stop strings need a vocabulary, and this model has none");
	if (!rc)
		rc = check_stop_ids(e, err);
	if (!rc)
		rc = stop_init(&e->stop, p->stop, p->stop_bytes, p->n_stop, err);
	e->stop.show = p->show_stop;
	return rc ? rc : list_ends(e, err);
}

void emit_release(struct emit *e)
{
	buf_release(&e->text);
	ids_release(&e->ends);
}

/* stop_emit_fn: text that may be shown. */
static void keep(void *user, const char *text, size_t bytes)
{
	struct emit *e = user;
	e->no_memory |= !buf_add(&e->text, text, bytes);
}

/* detok_emit_fn: whole characters. */
static void filter(void *user, const char *text, size_t bytes)
{
	struct emit *e = user;
	if (e->new_tokens <= e->params.min_tokens)
		keep(user, text, bytes);
	else
		stop_feed(&e->stop, text, bytes, keep, e);
}

static int add_text(struct emit *e, uint32_t id, struct kvik_err *err)
{
	/* Rows of padding past the vocabulary have no text. */
	if (!e->model->vocab.v || id >= vocab_size(e->model->vocab.v))
		return 0;
	int rc = detok_feed(&e->detok, id, filter, e, err);
	if (!rc && e->no_memory)
		rc = err_set(err, KVIK_ERR_NOMEM, "no memory for the text of a token");
	return rc;
}

/* The blank that begins a text belongs to it only when there was text before. */
static void begin_text(struct emit *e, const uint32_t *history, size_t n)
{
	const struct vocab *v = e->model->vocab.v;
	bool text = false;
	for (size_t i = 0; i < n && v && !text; i++)
		text = !vocab_is_control(v, history[i]);
	if (v)
		detok_init(&e->detok, v,
			   (text ? DETOK_CONTINUE : 0u) | (e->params.keep_special ? DETOK_KEEP_SPECIAL : 0u));
}

int emit_next(struct emit *e, const struct emit_room *room, const float *logits, const uint32_t *history, size_t n,
	      struct kvik_token *t, struct kvik_err *err)
{
	const struct kvik_processor *p = &e->processor;
	memcpy(room->row, logits, e->n_vocab * sizeof *room->row);
	if (p->process)
		p->process(p->user, e->choice, history, n, room->row, e->n_vocab);
	for (size_t i = 0; i < e->ends.n && e->new_tokens < e->params.min_tokens; i++)
		room->row[e->ends.data[i]] = -INFINITY;
	suppress(e->model, room->row);
	uint32_t id = sample_next(&e->sampling, room->row, e->n_vocab, history, n, n, room->sample_scratch);
	bool end = is_end(e, id);
	if (p->accept)
		p->accept(p->user, e->choice, id);
	*t = (struct kvik_token){.size = sizeof *t, .id = id, .logits = logits, .top = e->top};
	e->text.n = 0;
	if (e->new_tokens++ == 0)
		begin_text(e, history, n);
	if (e->params.n_logprobs)
		t->n_top = sample_logprobs(logits, e->n_vocab, e->params.n_logprobs, e->top, id, &t->logprob, &t->rank);
	int rc = end && !e->params.show_stop ? 0 : add_text(e, id, err);
	if (rc)
		return rc;
	t->text = e->text.n ? e->text.data : "";
	t->text_bytes = e->text.n;
	if (end || e->stop.hit)
		return EMIT_STOP;
	return e->params.max_tokens && e->new_tokens >= e->params.max_tokens ? EMIT_LENGTH : EMIT_GOES_ON;
}

bool emit_flush(struct emit *e, struct kvik_token *t)
{
	e->text.n = 0;
	if (e->model->vocab.v && e->new_tokens > 0)
		detok_flush(&e->detok, filter, e);
	if (!e->stop.hit)
		stop_flush(&e->stop, keep, e);
	*t = (struct kvik_token){
		.size = sizeof *t, .id = KVIK_NO_ID, .text = e->text.n ? e->text.data : "", .text_bytes = e->text.n};
	return e->text.n > 0;
}
