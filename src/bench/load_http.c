/* load_http.c: the target that speaks OpenAI's API over HTTP: kvik, llama-server, vLLM and others.
 *
 * Answers are streamed; a piece is an event that carries text (or a thought). Figures of tokens are the server's own
 * (usage); where it tells none, pieces stand in. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <event2/event.h>
#include <jansson.h>

#include "bench/bench.h"
#include "bench/load.h"
#include "http/http_client.h"
#include "http/sse.h"

/* WORDS_LONG: a thousand tokens at most, whatever the vocabulary, so that a short context does not cut it */
enum { WORDS_SHORT = 32, WORDS_LONG = 160, ERROR_BYTES = 4096 };

struct http_target {
	struct load_target target; /* first */
	struct load_http_config config;
	struct http_client *client;
	struct event_base *base;
	const struct load_plan *plan;
	uint64_t seed;
	char *model;
	double tokens_per_word; /* NAN: unknown */
};

/* A conversation. */
struct talk_state {
	struct http_target *target;
	struct load_flight *flight;
	struct http_exchange *exchange; /* NULL: none under way */
	json_t *messages;               /* of chat */
	struct buf prompt;              /* of completions: all text so far */
	struct buf answer, error;       /* error: body of an answer that is none */
	struct sse sse;
	struct load_end end;
	bool done, broken;
	char failure[LOAD_FAILURE_TEXT];
};

static struct http_target *target_of(const struct load_target *t)
{
	return (struct http_target *)(uintptr_t)t;
}

/* ---- What is said ------------------------------------------------------------------------------------------------ */

static size_t words_of(const struct http_target *t, uint32_t tokens)
{
	double per = isnan(t->tokens_per_word) ? 1 : t->tokens_per_word;
	double n = round(tokens / per);
	return n < 1 ? 1 : (size_t)n;
}

static bool add_message(struct talk_state *s, const char *role, const struct buf *text)
{
	if (s->target->config.completions)
		return buf_add_text(&s->prompt, text->data ? text->data : "", text->n);
	return json_array_append_new(s->messages, json_pack("{s:s, s:s%}", "role", role, "content",
							    text->data ? text->data : "", text->n)) == 0;
}

/* The words of a role: of the group's prefix, or of one turn of one conversation. */
static bool add_words(struct talk_state *s, const char *role, uint64_t seed, uint32_t tokens)
{
	struct buf words = {0};
	bool ok = load_words(&words, seed, words_of(s->target, tokens));
	if (ok && !s->target->config.completions) { /* a message has no blank at its start */
		memmove(words.data, words.data + 1, words.n);
		words.n--;
	}
	ok = ok && add_message(s, role, &words);
	buf_release(&words);
	return ok;
}

static bool add_turn(struct talk_state *s)
{
	const struct load_flight *f = s->flight;
	const struct load_plan *p = s->target->plan;
	uint64_t seed = s->target->seed, conversation = (uint64_t)(f->plan - p->conversation);
	uint64_t turn = conversation * p->shape.turns + f->turn;
	if (f->turn == 0 && p->shape.prefix > 0 &&
	    !add_words(s, "system", load_mix(seed + 1, f->plan->prefix), p->shape.prefix))
		return false;
	if (f->turn > 0 && !add_message(s, "assistant", &s->answer))
		return false;
	return add_words(s, "user", load_mix(seed + 2, turn), f->plan->turn[f->turn].prompt);
}

static char *make_body(const struct talk_state *s)
{
	const struct http_target *t = s->target;
	json_t *o = json_pack("{s:s, s:b, s:{s:b}, s:i, s:f}", "model", t->model, "stream", 1, "stream_options",
			      "include_usage", 1, "max_tokens", (int)s->flight->plan->turn[s->flight->turn].output,
			      "temperature", (double)t->config.temperature);
	if (t->config.completions)
		json_object_set_new(o, "prompt", json_stringn(s->prompt.data, s->prompt.n));
	else
		json_object_set(o, "messages", s->messages);
	if (!t->config.stop_at_end)
		json_object_set_new(o, "ignore_eos", json_true());
	char *text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	return text;
}

/* ---- What is heard ----------------------------------------------------------------------------------------------- */

static void fail_with(struct talk_state *s, const char *text)
{
	if (!s->broken)
		snprintf(s->failure, sizeof s->failure, "%s", text);
	s->broken = true;
}

/* {"error": {"message": ...}} or {"message": ...}, as servers have it; else the bytes as they are. */
static void fail_with_answer(struct talk_state *s, const char *what, const char *bytes, size_t n)
{
	char text[LOAD_FAILURE_TEXT];
	json_t *o = json_loadb(bytes, n, 0, NULL);
	const json_t *error = json_object_get(o, "error");
	const char *message = json_string_value(json_object_get(json_is_object(error) ? error : o, "message"));
	snprintf(text, sizeof text, "%s: %.*s", what, message ? 160 : (int)(n < 160 ? n : 160),
		 message ? message
		 : bytes ? bytes
			 : "");
	json_decref(o);
	fail_with(s, text);
}

static void take_usage(struct load_end *e, const json_t *usage)
{
	const json_t *cached = json_object_get(json_object_get(usage, "prompt_tokens_details"), "cached_tokens");
	if (!json_is_integer(json_object_get(usage, "completion_tokens")))
		return;
	e->counted = true;
	e->prompt_tokens = (uint32_t)json_integer_value(json_object_get(usage, "prompt_tokens"));
	e->new_tokens = (uint32_t)json_integer_value(json_object_get(usage, "completion_tokens"));
	e->knows_cached = json_is_integer(cached);
	e->cached_tokens = (uint32_t)json_integer_value(cached);
}

/* The text that an event carries, wherever servers put it; NULL: none. */
static const char *text_of(const json_t *o, bool *thought)
{
	const json_t *choice = json_array_get(json_object_get(o, "choices"), 0);
	const json_t *delta = json_object_get(choice, "delta");
	const char *text = json_string_value(json_object_get(delta, "content"));
	if (!text || !*text)
		text = json_string_value(json_object_get(choice, "text"));
	*thought = !text || !*text;
	if (*thought)
		text = json_string_value(json_object_get(delta, "reasoning_content"));
	return text && *text ? text : NULL;
}

static void on_event(void *user, const char *data, size_t n)
{
	struct talk_state *s = user;
	bool thought;
	if (n == 6 && memcmp(data, "[DONE]", 6) == 0) {
		s->done = true;
		return;
	}
	json_t *o = json_loadb(data, n, 0, NULL);
	if (!o || json_object_get(o, "error"))
		fail_with_answer(s, o ? "error in the stream" : "an event that is no JSON", data, n);
	const char *text = o ? text_of(o, &thought) : NULL;
	if (text && !s->broken) {
		load_piece(s->flight, s->end.now);
		if (!thought && !buf_add_text(&s->answer, text, strlen(text)))
			fail_with(s, "no memory for the answer");
	}
	take_usage(&s->end, json_object_get(o, "usage"));
	json_decref(o);
}

static void on_body(void *ctx, int status, const char *bytes, size_t n)
{
	struct talk_state *s = ctx;
	s->end.now = bench_now();
	if (status != 200) {
		size_t room = s->error.n < ERROR_BYTES ? ERROR_BYTES - s->error.n : 0;
		if (!buf_add_text(&s->error, bytes, n < room ? n : room))
			fail_with(s, "no memory for the answer");
	} else if (!s->broken && !sse_feed(&s->sse, bytes, n, on_event, s)) {
		fail_with(s, "an event of the stream is too long");
	}
}

static void on_end(void *ctx, int status, const char *failure)
{
	struct talk_state *s = ctx;
	char what[32];
	s->exchange = NULL;
	s->end.now = bench_now();
	snprintf(what, sizeof what, "HTTP status %d", status);
	if (failure)
		fail_with(s, failure);
	else if (status != 200)
		fail_with_answer(s, what, s->error.data, s->error.n);
	else if (!s->done)
		fail_with(s, "the stream ended without [DONE]");
	bool full = status == 429 || status == 503;
	s->end.outcome = !s->broken ? LOAD_OK : full ? LOAD_REFUSED : LOAD_FAILED;
	s->end.failure = s->failure;
	load_end(s->flight, &s->end);
}

/* ---- The target's functions -------------------------------------------------------------------------------------- */

static void forget(struct load_target *t, struct load_flight *f)
{
	struct talk_state *s = f->state;
	(void)t;
	if (!s)
		return;
	if (s->exchange)
		http_exchange_drop(s->exchange);
	json_decref(s->messages);
	buf_release(&s->prompt);
	buf_release(&s->answer);
	buf_release(&s->error);
	sse_release(&s->sse);
	mem_free(s);
	f->state = NULL;
}

static struct talk_state *state_of(struct http_target *t, struct load_flight *f)
{
	struct talk_state *s = f->state;
	if (s)
		return s;
	s = mem_zalloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->target = t;
	s->flight = f;
	s->messages = json_array();
	f->state = s;
	return s;
}

static int send_turn(struct load_target *target, struct load_flight *f, struct kvik_err *err)
{
	struct http_target *t = target_of(target);
	struct talk_state *s = state_of(t, f);
	const struct http_listener to = {s, on_body, on_end};
	bool ok = s && add_turn(s);
	char *body = ok ? make_body(s) : NULL;
	if (!body)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for a request");
	s->answer.n = s->error.n = 0;
	sse_release(&s->sse);
	s->sse = (struct sse){0};
	s->end = (struct load_end){0};
	s->done = s->broken = false;
	int rc = http_client_send(t->client, t->config.completions ? "/v1/completions" : "/v1/chat/completions", body,
				  strlen(body), &to, &s->exchange, err);
	free(body);
	return rc;
}

static void prepare(struct load_target *target, const struct load_plan *p, uint64_t seed)
{
	struct http_target *t = target_of(target);
	t->plan = p;
	t->seed = seed;
}

/* ---- Getting to know the server ---------------------------------------------------------------------------------- */

struct question {
	struct buf text;
	int status;
	const char *failure;
	bool over, no_memory;
};

static void hear_body(void *ctx, int status, const char *bytes, size_t n)
{
	struct question *q = ctx;
	(void)status;
	if (q->text.n + n > SSE_EVENT_MAX || !buf_add_text(&q->text, bytes, n))
		q->no_memory = true;
}

static void hear_end(void *ctx, int status, const char *failure)
{
	struct question *q = ctx;
	q->status = status;
	q->failure = failure;
	q->over = true;
}

/* Asks and waits. *answer: JSON, or NULL with status told in the error. */
static int ask(struct http_target *t, const char *path, const char *body, json_t **answer, struct kvik_err *err)
{
	struct question q = {0};
	const struct http_listener to = {&q, hear_body, hear_end};
	struct http_exchange *x;
	*answer = NULL;
	int rc = http_client_send(t->client, path, body, body ? strlen(body) : 0, &to, &x, err);
	if (rc)
		return rc;
	while (!q.over && event_base_loop(t->base, EVLOOP_ONCE) == 0)
		;
	if (!q.over)
		http_exchange_drop(x);
	if (!q.over || q.failure || q.no_memory)
		rc = err_set(err, KVIK_ERR_IO, "%s%s: %s", t->config.url, path,
			     q.failure ? q.failure : "no memory for the answer");
	else if (q.status != 200)
		rc = err_set(err, KVIK_ERR_IO, "%s%s answers with status %d: %.*s", t->config.url, path, q.status,
			     (int)(q.text.n < 200 ? q.text.n : 200), q.text.n ? q.text.data : "");
	else
		*answer = json_loadb(q.text.n ? q.text.data : "", q.text.n, 0, NULL);
	if (!rc && !*answer)
		rc = err_set(err, KVIK_ERR_FORMAT, "%s%s: the answer is no JSON", t->config.url, path);
	buf_release(&q.text);
	return rc;
}

static int find_model(struct http_target *t, struct kvik_err *err)
{
	json_t *answer = NULL;
	const char *name = t->config.model;
	int rc = name ? 0 : ask(t, "/v1/models", NULL, &answer, err);
	if (!rc && !name)
		name = json_string_value(json_object_get(json_array_get(json_object_get(answer, "data"), 0), "id"));
	if (!rc && !name)
		rc = err_set(err, KVIK_ERR_FORMAT, "%s/v1/models names no model: give --model NAME", t->config.url);
	if (!rc) {
		t->model = mem_strndup(name, strlen(name));
		if (!t->model)
			rc = err_set(err, KVIK_ERR_NOMEM, "no memory for the name of the model");
	}
	json_decref(answer);
	return rc;
}

/* How many tokens the server makes of so many words; NAN: it does not say. */
static int count_tokens(struct http_target *t, size_t words, double *tokens, struct kvik_err *err)
{
	struct buf text = {0};
	json_t *o = json_pack("{s:s, s:i}", "model", t->model, "max_tokens", 1), *answer = NULL;
	bool ok = o && load_words(&text, words, words);
	if (ok && t->config.completions)
		json_object_set_new(o, "prompt", json_stringn(text.data, text.n));
	else if (ok)
		json_object_set_new(o, "messages",
				    json_pack("[{s:s, s:s%}]", "role", "user", "content", text.data, text.n));
	char *body = ok ? json_dumps(o, JSON_COMPACT) : NULL;
	int rc = body ? ask(t, t->config.completions ? "/v1/completions" : "/v1/chat/completions", body, &answer, err)
		      : err_set(err, KVIK_ERR_NOMEM, "no memory for a request");
	const json_t *n = json_object_get(json_object_get(answer, "usage"), "prompt_tokens");
	*tokens = json_is_integer(n) ? (double)json_integer_value(n) : NAN;
	json_decref(answer);
	json_decref(o);
	free(body);
	buf_release(&text);
	return rc;
}

/* Two lengths, so that what a chat template adds falls out. */
static int measure_words(struct http_target *t, struct kvik_err *err)
{
	double few = NAN, many = NAN;
	int rc = count_tokens(t, WORDS_SHORT, &few, err);
	if (!rc)
		rc = count_tokens(t, WORDS_LONG, &many, err);
	t->tokens_per_word = (many - few) / (WORDS_LONG - WORDS_SHORT);
	if (t->tokens_per_word <= 0)
		t->tokens_per_word = NAN;
	return rc;
}

/* ---- Life -------------------------------------------------------------------------------------------------------- */

int load_http_new(struct load_target **out, struct event_base *base, const struct load_http_config *config,
		  struct kvik_err *err)
{
	struct http_target *t = mem_zalloc(1, sizeof *t);
	*out = NULL;
	if (!t)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for a client");
	const struct http_client_config c = {
		.url = config->url, .key = config->key, .ca = config->ca, .timeout_s = config->timeout_s};
	t->target = (struct load_target){prepare, send_turn, forget};
	t->config = *config;
	t->base = base;
	int rc = http_client_new(&t->client, base, &c, err);
	if (!rc)
		rc = find_model(t, err);
	if (!rc)
		rc = measure_words(t, err);
	if (rc)
		load_http_free(&t->target);
	else
		*out = &t->target;
	return rc;
}

void load_http_free(struct load_target *target)
{
	struct http_target *t = target_of(target);
	if (!t)
		return;
	http_client_free(t->client);
	mem_free(t->model);
	mem_free(t);
}

const char *load_http_model(const struct load_target *t)
{
	return target_of(t)->model;
}

double load_http_tokens_per_word(const struct load_target *t)
{
	return target_of(t)->tokens_per_word;
}
