/* openai_completions.c: POST /v1/completions: text or token ids in, text out. */
#include <string.h>

#include "api/reply.h"
#include "api/routes.h"
#include "base/mem.h"

enum { MAX_TOKENS_DEFAULT = 16 };

/* One token: {"token", "logprob", "top": {text: logprob}}; put together by logprobs_object. */
static json_t *logprob(const struct api_call *c, const struct kvik_token *t)
{
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

/* OpenAI's parallel lists. offset: of the first token in the whole text. */
static json_t *logprobs_object(const json_t *list, size_t offset)
{
	if (!list)
		return NULL;
	json_t *tokens = json_array(), *values = json_array(), *top = json_array(), *offsets = json_array(), *v;
	size_t i;
	json_array_foreach((json_t *)list, i, v)
	{
		json_array_append(tokens, json_object_get(v, "token"));
		json_array_append(values, json_object_get(v, "logprob"));
		json_array_append(top, json_object_get(v, "top"));
		json_array_append_new(offsets, json_integer((json_int_t)offset));
		offset += (size_t)json_integer_value(json_object_get(v, "bytes"));
	}
	return json_pack("{s:o, s:o, s:o, s:o}", "tokens", tokens, "token_logprobs", values, "top_logprobs", top,
			 "text_offset", offsets);
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

static void delta(struct api_call *c, uint32_t i, const char *text, size_t bytes, json_t *logprobs)
{
	struct reply *r = c->reply;
	if (r->echo && r->choices[i].sent == 0)
		send_chunk(c, i, r->echo, strlen(r->echo), NULL, NULL);
	send_chunk(c, i, text, bytes, logprobs_object(logprobs, r->choices[i].sent), NULL);
}

static void choice_end(struct api_call *c, uint32_t i)
{
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
	size_t before = r->echo ? strlen(r->echo) : 0;
	for (uint32_t i = 0; i < r->n_choices; i++) {
		const struct reply_choice *ch = &r->choices[i];
		json_array_append_new(choices, json_pack("{s:i, s:s++, s:o?, s:s}", "index", (int)i, "text",
							 r->echo ? r->echo : "", ch->text.data, "", "logprobs",
							 logprobs_object(ch->logprobs, before), "finish_reason",
							 kvik_finish_name(ch->finish)));
	}
	json_object_set_new(o, "choices", choices);
	json_object_set_new(o, "usage", reply_usage(c));
	if (r->explain)
		json_object_set_new(o, "x_kvik", reply_explain(c));
	call_json(c, 200, o);
}

static const struct dialect dialect = {logprob, delta, choice_end, end, whole};

/* ---- The request ------------------------------------------------------------------------------------------------- */

/* A text, [text], token ids or [token ids]. */
static int read_prompt(struct api_call *c, json_t *prompt)
{
	json_t *first = json_array_get(prompt, 0);
	if (json_array_size(prompt) == 1 && (json_is_string(first) || json_is_array(first)))
		prompt = first;
	if (json_is_string(prompt))
		return prompt_tokenize(c, json_string_value(prompt), json_string_length(prompt), true);
	if (reply_take_ids(c->reply, prompt))
		return 0;
	call_error(c, 400, "invalid_request_error", "prompt",
		   "'prompt' must be a text, or a list of token ids; several prompts need several requests");
	return -1;
}

static int make_echo(struct api_call *c)
{
	struct reply *r = c->reply;
	const struct kvik_vocab *v = kvik_model_vocab(kvik_engine_model(c->api->config.engine));
	size_t bytes;
	struct kvik_err err;
	int rc = v ? kvik_detokenize(v, r->ids, r->n_ids, 0, &r->echo, &bytes, &err)
		   : err_set(&err, KVIK_ERR_ARG, "'echo' needs a vocabulary");
	if (rc)
		call_kvik_error(c, &err, 0);
	return rc;
}

void openai_completions(struct api_call *c, json_t *body)
{
	struct reply *r = reply_new(c, &dialect, body, "cmpl-");
	struct field_error e;
	json_t *prompt = NULL, *options = NULL;
	uint32_t max_tokens = MAX_TOKENS_DEFAULT, logprobs = UINT32_MAX;
	bool echo = false;
	if (!r) {
		call_error(c, 500, "server_error", NULL, "out of memory");
		return;
	}
	const struct field own[] = {
		{"model", FIELD_STRING, &r->model, 0, 0},
		{"prompt", FIELD_JSON, &prompt, 0, 0},
		{"stream", FIELD_BOOL, &r->stream, 0, 0},
		{"stream_options", FIELD_JSON, &options, 0, 0},
		{"max_tokens", FIELD_U32, &max_tokens, 1, 1e9},
		{"logprobs", FIELD_U32, &logprobs, 0, 20},
		{"echo", FIELD_BOOL, &echo, 0, 0},
		{"suffix", FIELD_FALSE_ONLY, NULL, 0, 0},
		{"best_of", FIELD_FALSE_ONLY, NULL, 0, 0},
		{"response_format", FIELD_FALSE_ONLY, NULL, 0, 0},
		{"x_kvik", FIELD_BOOL, &r->explain, 0, 0},
	};
	int rc = reply_read(c, own, sizeof own / sizeof *own, &e);
	if (!rc && !prompt)
		rc = field_fail(&e, "prompt", "'prompt' is missing");
	if (!rc && echo && logprobs != UINT32_MAX)
		rc = field_fail(&e, "echo", "'echo' together with 'logprobs' is not supported yet");
	if (rc) {
		call_bad_field(c, &e);
		return;
	}
	r->sampling.generate.max_tokens = max_tokens;
	r->wants_logprobs = logprobs != UINT32_MAX;
	r->sampling.generate.n_logprobs = r->wants_logprobs ? (logprobs ? logprobs : 1) : 0;
	r->include_usage = json_is_true(json_object_get(options, "include_usage"));
	if (read_prompt(c, prompt) == 0 && (!echo || make_echo(c) == 0))
		reply_start(c);
}
