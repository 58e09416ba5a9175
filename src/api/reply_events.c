/* reply_events.c: see reply_events.h. Everything runs on the engine's consumer thread, but reply_fail for a prompt that could
 * not be submitted. */
#include "api/reply_events.h"

#include <stdio.h>
#include <string.h>

#include "api/routes.h"
#include "api/doctor.h"
#include "api/weigh.h"
#include "base/mem.h"
#include "base/os.h"

/* ---- Tokens ------------------------------------------------------------------------------------------------------ */

/* Entries of logprobs that no delta has carried yet. */
static json_t *unsent_logprobs(struct reply_choice *ch)
{
	if (!ch->logprobs)
		return NULL;
	json_t *list = json_array();
	for (; ch->logprobs_sent < json_array_size(ch->logprobs); ch->logprobs_sent++)
		json_array_append(list, json_array_get(ch->logprobs, ch->logprobs_sent));
	return list;
}

static void send_delta(struct api_call *c, uint32_t i)
{
	struct reply *r = c->reply;
	struct reply_choice *ch = &r->choices[i];
	const struct buf *shown = r->is_chat ? &ch->said : &ch->text;
	json_t *logprobs = unsent_logprobs(ch);
	if (shown->n > ch->sent || json_array_size(logprobs) > 0)
		r->dialect->delta(c, i, shown->data + ch->sent, shown->n - ch->sent, logprobs);
	json_decref(logprobs);
	ch->sent = shown->n;
}

/* Pieces of arguments go out together, once for each token. */
static void send_arguments(struct reply_choice *ch)
{
	const struct answer_part p = {.kind = ANSWER_ARGUMENTS,
				      .index = ch->call_index,
				      .text = ch->arguments.data,
				      .bytes = ch->arguments.n};
	if (p.bytes > 0)
		ch->call->reply->dialect->call(ch->call, ch->index, &p);
	ch->arguments.n = 0;
}

static void begin_call(struct reply_choice *ch, const struct answer_part *p)
{
	struct reply *r = ch->call->reply;
	ch->leaves_out = r->one_call && json_array_size(ch->calls) > 0;
	ch->call_index = p->index;
	if (!r->stream || ch->leaves_out)
		return;
	send_delta(ch->call, ch->index); /* what was said before it */
	r->dialect->call(ch->call, ch->index, p);
}

static void add_call(struct reply_choice *ch, const struct answer_part *p)
{
	struct reply *r = ch->call->reply;
	if (ch->leaves_out)
		return;
	json_t *call = json_pack("{s:s, s:s, s:{s:s, s:s}}", "id", p->id, "type", "function", "function", "name",
				 p->name, "arguments", p->arguments);
	r->no_memory |= json_array_append_new(ch->calls, call) != 0;
	if (!r->stream || r->no_memory)
		return;
	send_arguments(ch);
	r->dialect->call(ch->call, ch->index, p);
}

/* What looked like a call comes as text. */
static void lose_call(struct reply_choice *ch, const struct answer_part *p)
{
	struct api_call *c = ch->call;
	char text[128];
	snprintf(text, sizeof text, "request %s: a malformed tool call is given as text", c->request_id);
	if (c->api->config.warn)
		c->api->config.warn(text);
	if (!c->reply->stream || ch->leaves_out)
		return;
	send_arguments(ch);
	c->reply->dialect->call(c, ch->index, p);
}

/* answer_fn */
void reply_on_part(void *user, const struct answer_part *p)
{
	struct reply_choice *ch = user;
	struct reply *r = ch->call->reply;
	switch (p->kind) {
	case ANSWER_TEXT: r->no_memory |= !buf_add_text(&ch->said, p->text, p->bytes); break;
	case ANSWER_THOUGHT:
		r->no_memory |= !buf_add_text(&ch->thought, p->text, p->bytes);
		if (r->stream)
			r->dialect->thought(ch->call, ch->index, p->text, p->bytes);
		break;
	case ANSWER_CALL_BEGIN: begin_call(ch, p); break;
	case ANSWER_ARGUMENTS:
		if (r->stream && !ch->leaves_out)
			r->no_memory |= !buf_add(&ch->arguments, p->text, p->bytes);
		break;
	case ANSWER_CALL: add_call(ch, p); break;
	case ANSWER_LOST: lose_call(ch, p); break;
	}
}

/* Special tokens are fed as such, so that nothing else passes for a mark. Where a stop string holds text back, it cannot be
 * told any more which part of it a token wrote: from then on marks are what looks like them. */
static int read_answer(const struct api_call *c, struct answer *a, const struct kvik_token *t)
{
	const struct kvik_vocab *v = c->api->config.engine.vocab;
	char *shown = NULL, *own = NULL;
	size_t n = 0, own_bytes = 0;
	bool special = c->reply->sampling.generate.keep_special && t->id != KVIK_NO_ID && v &&
		       !kvik_detokenize(v, &t->id, 1, 0, &shown, &n, NULL) && n == 0;
	if (special)
		own = call_token_text(c, t->id, &own_bytes);
	bool apart = own && own_bytes > 0 && t->text_bytes >= own_bytes &&
		     memcmp(t->text + t->text_bytes - own_bytes, own, own_bytes) == 0;
	if (own && own_bytes > 0 && !apart)
		answer_any_mark(a);
	size_t plain = apart ? t->text_bytes - own_bytes : t->text_bytes;
	int rc = answer_feed(a, t->text, plain, NULL);
	if (!rc && apart)
		rc = answer_feed_token(a, own, own_bytes, NULL);
	kvik_free(shown);
	kvik_free(own);
	return rc;
}

static void on_prompt(const struct reply_prompt *p, const struct kvik_token *t)
{
	if (p->logprobs)
		json_array_append_new(p->logprobs, p->call->reply->dialect->logprob(p->call, t));
	if (p->by_id)
		json_array_append_new(p->by_id, reply_logprobs_by_id(p->call, t));
}

static bool is_first_token(const struct reply *r, const struct reply_prompt *p)
{
	for (uint32_t i = 0; i < r->sampling.n; i++)
		if (r->choices[p->first_choice + i].token_ns)
			return false;
	return true;
}

static void measure_token(struct api_call *c, const struct reply_prompt *p, struct reply_choice *ch)
{
	const struct reply *r = c->reply;
	uint64_t now = os_clock_ns();
	if (ch->token_ns)
		metrics_observe(c->metrics, METRICS_BETWEEN_TOKENS, (double)(now - ch->token_ns) / 1e9);
	else if (is_first_token(r, p))
		metrics_observe(c->metrics, METRICS_FIRST_TOKEN, (double)(now - r->start_ns) / 1e9);
	if (!ch->token_ns)
		ch->first_token_ns = now;
	ch->token_ns = now;
}

static void on_token(const struct reply_prompt *p, uint32_t i, const struct kvik_token *t)
{
	struct api_call *c = p->call;
	struct reply *r = c->reply;
	struct reply_choice *ch = &r->choices[i];
	if (t->id != KVIK_NO_ID)
		measure_token(c, p, ch);
	if (r->no_answer)
		return;
	if (t->id != KVIK_NO_ID) {
		ch->tokens++;
		if (i == 0 && r->text.n > 0)
			r->no_memory |= !ids_add(&r->text, t->id);
		if (ch->ids)
			json_array_append_new(ch->ids, json_integer(t->id));
		if (ch->logprobs) {
			json_t *entry = r->dialect->logprob(c, t);
			call_count(c, entry ? weigh_json(entry) : 0);
			json_array_append_new(ch->logprobs, entry);
		}
	}
	call_count(c, 2 * t->text_bytes); /* the text grows by doubling */
	r->no_memory |= !buf_add_text(&ch->text, t->text, t->text_bytes);
	if (r->is_chat) {
		r->no_memory |= read_answer(c, &ch->answer, t) != 0;
		ch->thought_tokens += t->id != KVIK_NO_ID && answer_thinks(&ch->answer);
	}
	if (r->stream)
		send_delta(c, i);
	if (r->stream && r->is_chat)
		send_arguments(ch);
}

/* ---- Ends -------------------------------------------------------------------------------------------------------- */

/* The engine's copy of a stop string as the caller's. */
static const char *own_stop(const struct reply *r, const char *stop, size_t bytes)
{
	for (size_t i = 0; stop && i < r->sampling.generate.n_stop; i++)
		if (r->sampling.stop_bytes[i] == bytes && memcmp(r->sampling.stops[i], stop, bytes) == 0)
			return r->sampling.stops[i];
	return NULL;
}

static void on_choice(struct api_call *c, uint32_t i, const struct kvik_event *e)
{
	struct reply *r = c->reply;
	r->choices[i].finish = r->no_answer ? KVIK_FINISH_LENGTH : e->finish;
	r->choices[i].stop = own_stop(r, e->stop, e->stop_bytes);
	r->choices[i].stop_bytes = e->stop_bytes;
	r->choices[i].ended = true;
	if (e->finish != KVIK_FINISH_CANCELLED)
		metrics_count_end(c->metrics, e->finish == KVIK_FINISH_STOP ? METRICS_STOP : METRICS_LENGTH, 1);
	if (r->is_chat)
		r->no_memory |= answer_end(&r->choices[i].answer, NULL) != 0;
	if (r->stream && r->is_chat)
		send_delta(c, i);
	if (r->stream)
		r->dialect->choice_end(c, i);
}

static void measure_end(struct api_call *c, const struct reply_prompt *p, bool failed)
{
	const struct reply *r = c->reply;
	uint32_t open = 0;
	for (uint32_t i = 0; i < r->sampling.n; i++)
		open += !r->choices[p->first_choice + i].ended;
	if (failed)
		metrics_count_end(c->metrics, c->aborted ? METRICS_ABORT : METRICS_ERROR, open);
	else if (r->pooling == KVIK_POOLING_NONE)
		metrics_request(c->metrics, &p->usage, r->sampling.n);
}

void reply_fail(struct api_call *c, uint32_t n_closed, const struct kvik_err *err, uint64_t retry_ms)
{
	struct reply *r = c->reply;
	pthread_mutex_lock(&c->lock);
	bool first = !r->failed;
	r->failed = true;
	r->n_open -= n_closed;
	if (first)
		call_cancel(c);
	pthread_mutex_unlock(&c->lock);
	if (first)
		call_kvik_error(c, err, retry_ms);
}

static void keep_embedding(struct reply_prompt *p, const float *embedding)
{
	size_t dim = p->call->api->config.engine.model.dim;
	p->embedding = mem_alloc(dim * sizeof *embedding);
	if (p->embedding)
		memcpy(p->embedding, embedding, dim * sizeof *embedding);
	else
		p->call->reply->no_memory = true;
}

static void on_end(struct reply_prompt *p, const struct kvik_event *e)
{
	struct api_call *c = p->call;
	struct reply *r = c->reply;
	struct kvik_err no_memory = {.code = KVIK_ERR_NOMEM, .text = "no memory for the answer"};
	p->usage = *e->usage;
	p->prefix = *e->prefix;
	if (!e->error)
		doctor_see(c, p);
	if (e->embedding)
		keep_embedding(p, e->embedding);
	const struct kvik_err *err = e->error ? e->error : r->no_memory ? &no_memory : NULL;
	pthread_mutex_lock(&c->lock);
	p->usage.new_tokens = r->no_answer ? 0 : p->usage.new_tokens;
	p->ended = true;
	p->engine_id = 0;
	measure_end(c, p, err != NULL);
	metrics_run(c->metrics, -(int32_t)r->sampling.n);
	bool last = !err && --r->n_open == 0 && !r->failed;
	pthread_mutex_unlock(&c->lock);
	if (last && r->text.n > 0)
		slots_keep(&c->api->slots, c->scope, r->slot < 0 ? 0 : (uint32_t)r->slot, &r->text);
	if (err)
		reply_fail(c, 1, err, e->retry_ms);
	else if (last && r->stream)
		r->dialect->end(c);
	else if (last)
		r->dialect->whole(c);
}

void reply_on_event(void *user, const struct kvik_event *e)
{
	struct reply_prompt *p = user;
	struct api_call *c = p->call;
	switch (e->kind) {
	case KVIK_EVENT_PROMPT: on_prompt(p, e->token); break;
	case KVIK_EVENT_TOKEN: on_token(p, p->first_choice + e->choice, e->token); break;
	case KVIK_EVENT_CHOICE: on_choice(c, p->first_choice + e->choice, e); break;
	case KVIK_EVENT_END: on_end(p, e); api_call_release(c); /* the engine's hold */
	}
}
