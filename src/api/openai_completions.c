/* openai_completions.c: POST /v1/completions: text or token ids in, text out. */
#include <math.h>
#include <string.h>

#include "api/reply.h"
#include "api/routes.h"
#include "base/mem.h"

enum { MAX_TOKENS_DEFAULT = 16 };

/* The first token of a prompt has nothing before it that could make it probable. */
static json_t *first_entry(const struct api_call *c, uint32_t id)
{
	size_t n = 0;
	char *text = call_token_text(c, id, &n);
	json_t *token = text ? json_stringn(text, n) : NULL;
	kvik_free(text);
	return json_pack("{s:o, s:n, s:n, s:i}", "token", token ? token : json_sprintf("<%u>", id), "logprob", "top",
			 "bytes", (int)n);
}

/* One token: {"token", "logprob", "top": {text: logprob}}; put together by logprobs_object. */
static json_t *logprob(const struct api_call *c, const struct kvik_token *t)
{
	if (isnan(t->logprob))
		return first_entry(c, t->id);
	json_t *chat = chat_logprob(c, t), *top = json_object(), *v;
	size_t i;
	json_array_foreach(json_object_get(chat, "top_logprobs"), i, v)
		json_object_set(top, json_string_value(json_object_get(v, "token")), json_object_get(v, "logprob"));
	json_t *o = json_pack("{s:O, s:O, s:o, s:i}", "token", json_object_get(chat, "token"), "logprob",
			      json_object_get(chat, "logprob"), "top", top, "bytes",
			      (int)json_array_size(json_object_get(chat, "bytes")));
	json_decref(chat);
	return o;
}

/* OpenAI's parallel lists, of what the prompt's tokens and the answer's are; both may be NULL. offset: of the first
 * one's text in the whole. */
struct lists {
	json_t *tokens, *values, *top, *offsets;
	size_t offset;
};

static void add_entries(struct lists *l, const json_t *entries)
{
	json_t *v;
	size_t i;
	json_array_foreach((json_t *)entries, i, v)
	{
		json_array_append(l->tokens, json_object_get(v, "token"));
		json_array_append(l->values, json_object_get(v, "logprob"));
		json_array_append(l->top, json_object_get(v, "top"));
		json_array_append_new(l->offsets, json_integer((json_int_t)l->offset));
		l->offset += (size_t)json_integer_value(json_object_get(v, "bytes"));
	}
}

static json_t *logprobs_object(const json_t *prompt, const json_t *answer, size_t offset)
{
	if (!prompt && !answer)
		return NULL;
	struct lists l = {json_array(), json_array(), json_array(), json_array(), offset};
	add_entries(&l, prompt);
	add_entries(&l, answer);
	return json_pack("{s:o, s:o, s:o, s:o}", "tokens", l.tokens, "token_logprobs", l.values, "top_logprobs", l.top,
			 "text_offset", l.offsets);
}

static json_t *head(const struct api_call *c)
{
	const struct reply *r = c->reply;
	return json_pack("{s:s, s:s, s:I, s:s, s:s}", "id", r->id, "object", "text_completion", "created",
			 (json_int_t)r->created, "model", r->model ? r->model : c->api->config.model_name,
			 "system_fingerprint", "kvik");
}

static void send_chunk(struct api_call *c, uint32_t i, const char *text, size_t bytes, json_t *logprobs,
		       const char *finish)
{
	json_t *o = head(c);
	json_object_set_new(o, "choices",
			    json_pack("[{s:i, s:s%, s:o?, s:s?}]", "index", (int)i, "text", text, bytes, "logprobs",
				      logprobs, "finish_reason", finish));
	if (c->reply->include_usage)
		json_object_set_new(o, "usage", json_null());
	call_stream_json(c, NULL, o);
}

/* The prompt's part of a stream, before a choice's first own. */
static void send_echo(struct api_call *c, uint32_t i)
{
	const struct reply_prompt *p = reply_prompt_of(c->reply, i);
	bool *echoed = c->reply->state;
	if (!p->echo || echoed[i])
		return;
	echoed[i] = true;
	send_chunk(c, i, p->echo, strlen(p->echo), logprobs_object(p->logprobs, NULL, 0), NULL);
}

static size_t echo_bytes(const struct api_call *c, uint32_t i)
{
	const char *echo = reply_prompt_of(c->reply, i)->echo;
	return echo ? strlen(echo) : 0;
}

static void delta(struct api_call *c, uint32_t i, const char *text, size_t bytes, json_t *logprobs)
{
	send_echo(c, i);
	send_chunk(c, i, text, bytes, logprobs_object(NULL, logprobs, echo_bytes(c, i) + c->reply->choices[i].sent),
		   NULL);
}

static void choice_end(struct api_call *c, uint32_t i)
{
	send_echo(c, i);
	send_chunk(c, i, "", 0, NULL, kvik_finish_name(c->reply->choices[i].finish));
}

static void end(struct api_call *c)
{
	const struct reply *r = c->reply;
	if (r->include_usage || r->explain) {
		json_t *o = head(c);
		json_object_set_new(o, "choices", json_array());
		json_object_set_new(o, "usage", reply_usage(c));
		if (r->explain)
			json_object_set_new(o, "x_kvik", reply_explain(c));
		call_stream_json(c, NULL, o);
	}
	call_stream_end(c, true);
}

static void whole(struct api_call *c)
{
	const struct reply *r = c->reply;
	json_t *o = head(c), *choices = json_array();
	for (uint32_t i = 0; i < r->n_choices; i++) {
		const struct reply_choice *ch = &r->choices[i];
		const struct reply_prompt *p = reply_prompt_of(r, i);
		size_t offset = p->logprobs ? 0 : echo_bytes(c, i);
		json_array_append_new(choices, json_pack("{s:i, s:s++, s:o?, s:s}", "index", (int)i, "text",
							 p->echo ? p->echo : "", ch->text.data, "", "logprobs",
							 logprobs_object(p->logprobs, ch->logprobs, offset),
							 "finish_reason", kvik_finish_name(ch->finish)));
	}
	json_object_set_new(o, "choices", choices);
	json_object_set_new(o, "usage", reply_usage(c));
	if (r->explain)
		json_object_set_new(o, "x_kvik", reply_explain(c));
	call_json(c, 200, o);
}

static const struct dialect dialect = {logprob, delta, choice_end, end, whole};

/* ---- The request ------------------------------------------------------------------------------------------------- */

static int make_echo(struct api_call *c, struct reply_prompt *p)
{
	const struct kvik_vocab *v = c->api->config.engine.vocab;
	size_t bytes;
	struct kvik_err err;
	int rc = v ? kvik_detokenize(v, p->ids, p->n_ids, 0, &p->echo, &bytes, &err)
		   : err_set(&err, KVIK_ERR_ARG, "'echo' needs a vocabulary");
	if (rc)
		call_kvik_error(c, &err, 0);
	return rc;
}

/* Each prompt before its answers, with log-probabilities where they are wanted. */
static int prepare_echo(struct api_call *c)
{
	struct reply *r = c->reply;
	r->prompt_logprobs = r->wants_logprobs ? r->sampling.generate.n_logprobs : 0;
	for (uint32_t i = 0; i < r->n_prompts; i++)
		if (make_echo(c, &r->prompts[i]))
			return -1;
	r->state =
		mem_zalloc(r->n_prompts * (size_t)r->sampling.n, sizeof(bool)); /* has the choice been sent its echo? */
	if (r->state)
		return 0;
	call_error(c, 500, "server_error", NULL, "out of memory");
	return -1;
}

static int read_body(struct api_call *c, json_t **prompt, bool *echo, struct field_error *e)
{
	struct reply *r = c->reply;
	uint32_t max_tokens = MAX_TOKENS_DEFAULT, logprobs = UINT32_MAX;
	json_t *options = NULL;
	const struct field own[] = {
		{"model", FIELD_STRING, &r->model, 0, 0},
		{"prompt", FIELD_JSON, prompt, 0, 0},
		{"stream", FIELD_BOOL, &r->stream, 0, 0},
		{"stream_options", FIELD_JSON, &options, 0, 0},
		{"max_tokens", FIELD_U32, &max_tokens, 0, 1e9},
		{"logprobs", FIELD_U32, &logprobs, 0, 20},
		{"echo", FIELD_BOOL, echo, 0, 0},
		{"suffix", FIELD_FALSE_ONLY, NULL, 0, 0},
		{"best_of", FIELD_FALSE_ONLY, NULL, 0, 0},
		{"response_format", FIELD_FALSE_ONLY, NULL, 0, 0},
		{"x_kvik", FIELD_BOOL, &r->explain, 0, 0},
	};
	int rc = reply_read(c, own, sizeof own / sizeof *own, e);
	if (!rc && !*prompt)
		rc = field_fail(e, "prompt", "'prompt' is missing");
	if (!rc && max_tokens == 0 && !*echo)
		rc = field_fail(e, "max_tokens",
				"'max_tokens' may be 0 only with 'echo': else there is nothing to answer");
	if (rc)
		return rc;
	r->no_answer = max_tokens == 0;
	reply_set_max_tokens(c, max_tokens ? max_tokens : 1);
	r->wants_logprobs = logprobs != UINT32_MAX;
	r->sampling.generate.n_logprobs = r->wants_logprobs ? (logprobs ? logprobs : 1) : 0;
	r->include_usage = json_is_true(json_object_get(options, "include_usage"));
	return 0;
}

void openai_completions(struct api_call *c, json_t *body)
{
	struct field_error e;
	json_t *prompt = NULL;
	bool echo = false;
	if (!reply_new(c, &dialect, body, "cmpl-"))
		call_error(c, 500, "server_error", NULL, "out of memory");
	else if (read_body(c, &prompt, &echo, &e))
		call_bad_field(c, &e);
	else if (reply_read_prompts(c, prompt, "prompt") == 0 && (!echo || prepare_echo(c) == 0))
		reply_start(c);
}
