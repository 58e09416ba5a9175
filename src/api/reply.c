/* reply.c: see reply.h. */
#include "api/reply.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/routes.h"
#include "base/mem.h"
#include "base/os.h"

enum { PROMPT_IDS_MAX = 1 << 24 };

struct reply *reply_new(struct api_call *c, const struct dialect *d, json_t *body, const char *prefix)
{
	struct reply *r = mem_zalloc(1, sizeof *r);
	if (!r) {
		json_decref(body);
		return NULL;
	}
	r->dialect = d;
	r->body = body;
	r->created = time(NULL);
	snprintf(r->id, sizeof r->id, "%s%s", prefix, c->request_id);
	sampling_init(&r->sampling, 1);
	c->reply = r;
	return r;
}

void reply_drop_choices(struct reply *r)
{
	for (uint32_t i = 0; i < r->n_choices; i++) {
		buf_release(&r->choices[i].text);
		json_decref(r->choices[i].logprobs);
		json_decref(r->choices[i].ids);
	}
	mem_free(r->choices);
	r->choices = NULL;
	r->n_choices = 0;
}

void reply_free(struct reply *r)
{
	if (!r)
		return;
	reply_drop_choices(r);
	sampling_release(&r->sampling);
	json_decref(r->body);
	kvik_free(r->ids);
	mem_free(r->prompt);
	mem_free(r->echo);
	mem_free(r->embedding);
	mem_free(r->state);
	mem_free(r);
}

int reply_read(struct api_call *c, const struct field *own, size_t n, struct field_error *e)
{
	enum { OWN_MAX = 24 };
	struct reply *r = c->reply;
	struct field fields[SAMPLING_FIELDS + OWN_MAX];
	size_t shared = sampling_fields(&r->sampling, fields);
	assert(n <= OWN_MAX);
	memcpy(fields + shared, own, n * sizeof *own);
	int rc = fields_read(r->body, fields, shared + n, e);
	uint32_t n_vocab = kvik_model_get_info(kvik_engine_model(c->api->config.engine)).vocab_size;
	return rc ? rc : sampling_finish(&r->sampling, n_vocab, e);
}

bool reply_take_ids(struct reply *r, const json_t *list)
{
	size_t i;
	json_t *v;
	r->n_ids = json_array_size(list);
	r->ids = r->n_ids && r->n_ids <= PROMPT_IDS_MAX ? mem_zalloc(r->n_ids, sizeof *r->ids) : NULL;
	bool ok = r->ids != NULL;
	json_array_foreach((json_t *)list, i, v)
	{
		ok = ok && json_is_integer(v) && json_integer_value(v) >= 0 && json_integer_value(v) < UINT32_MAX;
		if (ok)
			r->ids[i] = (uint32_t)json_integer_value(v);
	}
	return ok;
}

/* ---- Events ------------------------------------------------------------------------------------------------------ */

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

/* Sends what is text for certain: not what may be the beginning of a tool call. */
static void send_delta(struct api_call *c, uint32_t i)
{
	struct reply *r = c->reply;
	struct reply_choice *ch = &r->choices[i];
	size_t upto = toolcall_text_bytes(r->tools, ch->text.data, ch->text.n, false);
	json_t *logprobs = unsent_logprobs(ch);
	if (upto > ch->sent || json_array_size(logprobs) > 0)
		r->dialect->delta(c, i, ch->text.data + ch->sent, upto > ch->sent ? upto - ch->sent : 0, logprobs);
	json_decref(logprobs);
	if (upto > ch->sent)
		ch->sent = upto;
}

static void measure_token(struct api_call *c, struct reply_choice *ch)
{
	const struct reply *r = c->reply;
	uint64_t now = os_clock_ns();
	bool first = true;
	for (uint32_t i = 0; i < r->n_choices; i++)
		first = first && r->choices[i].token_ns == 0;
	if (ch->token_ns)
		metrics_observe(&c->api->metrics, METRICS_BETWEEN_TOKENS, (double)(now - ch->token_ns) / 1e9);
	else if (first)
		metrics_observe(&c->api->metrics, METRICS_FIRST_TOKEN, (double)(now - r->start_ns) / 1e9);
	ch->token_ns = now;
}

static void on_token(struct api_call *c, uint32_t i, const struct kvik_token *t)
{
	struct reply *r = c->reply;
	struct reply_choice *ch = &r->choices[i];
	if (t->id != KVIK_NO_ID) {
		ch->tokens++;
		measure_token(c, ch);
		if (ch->ids)
			json_array_append_new(ch->ids, json_integer(t->id));
		if (ch->logprobs)
			json_array_append_new(ch->logprobs, r->dialect->logprob(c, t));
	}
	r->no_memory |= !buf_add_text(&ch->text, t->text, t->text_bytes);
	if (r->stream)
		send_delta(c, i);
}

static void measure_end(struct api_call *c, bool failed, bool aborted)
{
	const struct reply *r = c->reply;
	uint32_t open = 0;
	for (uint32_t i = 0; i < r->n_choices; i++)
		open += !r->choices[i].ended;
	if (failed)
		metrics_count_end(&c->api->metrics, aborted ? METRICS_ABORT : METRICS_ERROR, open);
	else if (r->pooling == KVIK_POOLING_NONE)
		metrics_request(&c->api->metrics, &r->usage, r->n_choices);
}

static void on_end(struct api_call *c, const struct kvik_event *e)
{
	struct reply *r = c->reply;
	pthread_mutex_lock(&c->lock);
	r->usage = *e->usage;
	r->has_usage = true;
	c->engine_id = 0;
	bool aborted = c->aborted;
	pthread_mutex_unlock(&c->lock);
	measure_end(c, e->error || r->no_memory, aborted);
	if (e->error || r->no_memory) {
		struct kvik_err none = {.code = KVIK_ERR_NOMEM, .text = "no memory for the text of the answer"};
		call_kvik_error(c, e->error ? e->error : &none, e->retry_ms);
		return;
	}
	if (e->embedding) {
		size_t bytes = kvik_model_get_info(kvik_engine_model(c->api->config.engine)).dim * sizeof *r->embedding;
		r->embedding = mem_alloc(bytes);
		if (r->embedding)
			memcpy(r->embedding, e->embedding, bytes);
	}
	if (r->stream)
		r->dialect->end(c);
	else
		r->dialect->whole(c);
}

static void on_event(void *user, const struct kvik_event *e)
{
	struct api_call *c = user;
	struct reply *r = c->reply;
	switch (e->kind) {
	case KVIK_EVENT_TOKEN: on_token(c, e->choice, e->token); break;
	case KVIK_EVENT_CHOICE:
		r->choices[e->choice].finish = e->finish;
		r->choices[e->choice].ended = true;
		if (e->finish != KVIK_FINISH_CANCELLED)
			metrics_count_end(&c->api->metrics,
					  e->finish == KVIK_FINISH_STOP ? METRICS_STOP : METRICS_LENGTH, 1);
		if (r->stream)
			r->dialect->choice_end(c, e->choice);
		break;
	case KVIK_EVENT_END: on_end(c, e); api_call_release(c); /* the engine's hold */
	}
}

/* ---- Start ------------------------------------------------------------------------------------------------------- */

static bool new_choices(struct reply *r)
{
	r->choices = mem_zalloc(r->sampling.n, sizeof *r->choices);
	if (!r->choices)
		return false;
	r->n_choices = r->sampling.n;
	for (uint32_t i = 0; i < r->n_choices; i++) {
		struct reply_choice *ch = &r->choices[i];
		if (r->wants_logprobs)
			ch->logprobs = json_array();
		if (r->wants_ids)
			ch->ids = json_array();
		if (!buf_add_text(&ch->text, "", 0))
			return false;
	}
	return true;
}

void reply_start(struct api_call *c)
{
	struct reply *r = c->reply;
	struct kvik_request_params p = kvik_request_params_default();
	struct kvik_err err;
	if (r->sampling.n > c->api->config.choices_max) {
		call_error(c, 400, "invalid_request_error", "n", "'n' may be at most %u on this server",
			   c->api->config.choices_max);
		return;
	}
	if (!new_choices(r)) {
		err_set(&err, KVIK_ERR_NOMEM, "out of memory");
		call_kvik_error(c, &err, 0);
		return;
	}
	p.ids = r->ids;
	p.n_ids = r->n_ids;
	p.generate = r->sampling.generate;
	p.generate.keep_special = r->tools != TOOLCALL_NONE;
	p.choices = r->sampling.n;
	p.tenant = c->tenant;
	p.scope = c->scope;
	p.pooling = r->pooling;
	p.on_event = on_event;
	p.user = c;
	r->start_ns = os_clock_ns();
	call_hold(c); /* for the engine's events */
	/* The lock keeps an abort from missing the request that is just being submitted. */
	pthread_mutex_lock(&c->lock);
	int rc = c->aborted ? err_set(&err, KVIK_ERR_CANCELLED, "the client has gone")
			    : kvik_engine_submit(c->api->config.engine, &p, &c->engine_id, &err);
	pthread_mutex_unlock(&c->lock);
	if (rc) {
		call_kvik_error(c, &err, 0);
		api_call_release(c);
	}
}

/* ---- Shared parts of answers ------------------------------------------------------------------------------------- */

json_t *reply_usage(const struct api_call *c)
{
	const struct kvik_usage *u = &c->reply->usage;
	return json_pack("{s:I, s:I, s:I, s:{s:I}, s:{s:i}}", "prompt_tokens", (json_int_t)u->prompt_tokens,
			 "completion_tokens", (json_int_t)u->new_tokens, "total_tokens",
			 (json_int_t)u->prompt_tokens + u->new_tokens, "prompt_tokens_details", "cached_tokens",
			 (json_int_t)u->cached_tokens, "completion_tokens_details", "reasoning_tokens", 0);
}

const char *reply_finish(const struct reply *r, uint32_t choice)
{
	const struct reply_choice *ch = &r->choices[choice];
	bool calls = r->tools != TOOLCALL_NONE &&
		     toolcall_text_bytes(r->tools, ch->text.data, ch->text.n, true) < ch->text.n;
	return calls && ch->finish == KVIK_FINISH_STOP ? "tool_calls" : kvik_finish_name(ch->finish);
}

/* {"id", "text"}, or null. */
static json_t *token_json(const struct api_call *c, uint32_t id)
{
	size_t n = 0;
	if (id == KVIK_NO_ID)
		return json_null();
	char *text = call_token_text(c, id, &n);
	json_t *o = json_pack("{s:I, s:o?}", "id", (json_int_t)id, "text", text ? json_stringn(text, n) : NULL);
	kvik_free(text);
	return o;
}

static const char *miss_text(enum kvik_miss m)
{
	static const char *const texts[KVIK_MISS_COUNT] = {
		[KVIK_MISS_NONE] = "all of the prompt was known; its last token is always computed",
		[KVIK_MISS_NEW] = "nothing longer was cached, as far as is remembered",
		[KVIK_MISS_DIFFERS] = "what is cached goes on with another token",
		[KVIK_MISS_EVICTED] = "the rest was cached and left to make room: more --kv-memory would have kept it",
		[KVIK_MISS_EXPIRED] = "the rest was cached and its time to live was over",
		[KVIK_MISS_WINDOW] = "the tokens are cached, but a sliding window there was given up for memory",
		[KVIK_MISS_COLD] = "this request has every token computed and does not look into the cache",
	};
	return (size_t)m < KVIK_MISS_COUNT ? texts[m] : "?";
}

static json_t *prefix_json(const struct api_call *c)
{
	const struct reply *r = c->reply;
	const struct kvik_prefix *p = &r->usage.prefix;
	bool inside = p->miss != KVIK_MISS_NONE && p->matched_tokens < r->n_ids;
	return json_pack("{s:s, s:I, s:I, s:I, s:s, s:s, s:o, s:o}", "scope", c->scope ? "key" : "public",
			 "found_tokens", (json_int_t)p->found_tokens, "joined_tokens", (json_int_t)p->joined_tokens,
			 "matched_tokens", (json_int_t)p->matched_tokens, "miss", kvik_miss_name(p->miss), "miss_text",
			 miss_text(p->miss), "token", token_json(c, inside ? r->ids[p->matched_tokens] : KVIK_NO_ID),
			 "cached_token", token_json(c, p->other));
}

json_t *reply_explain(const struct api_call *c)
{
	const struct kvik_usage *u = &c->reply->usage;
	return json_pack("{s:I, s:I, s:o, s:I, s:f, s:f, s:f}", "prompt_tokens", (json_int_t)u->prompt_tokens,
			 "cached_tokens", (json_int_t)u->cached_tokens, "prefix", prefix_json(c), "preemptions",
			 (json_int_t)u->preemptions, "queue_ms", u->queue_ms, "first_token_ms", u->first_token_ms,
			 "total_ms", u->total_ms);
}
