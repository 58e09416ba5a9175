/* openai_chat.c: POST /v1/chat/completions, as OpenAI documents it. */
#include <string.h>

#include "api/reply.h"
#include "api/routes.h"
#include "base/mem.h"

/* ---- Log-probabilities ------------------------------------------------------------------------------------------- */

static json_t *one_logprob(const struct api_call *c, uint32_t id, float logprob)
{
	size_t n = 0;
	char *text = call_token_text(c, id, &n);
	json_t *bytes = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(bytes, json_integer((unsigned char)text[i]));
	json_t *token = text ? json_stringn(text, n) : NULL; /* NULL too when the bytes are no whole characters */
	if (!token)
		token = json_sprintf("<%u>", id);
	double l = logprob < -9999.0f ? -9999 : (double)logprob; /* JSON has no infinity */
	kvik_free(text);
	return json_pack("{s:I, s:o, s:f, s:o}", "id", (json_int_t)id, "token", token, "logprob", l, "bytes", bytes);
}

json_t *chat_logprob(const struct api_call *c, const struct kvik_token *t)
{
	json_t *o = one_logprob(c, t->id, t->logprob), *top = json_array();
	for (uint32_t i = 0; i < t->n_top && i < c->reply->sampling.generate.n_logprobs; i++)
		json_array_append_new(top, one_logprob(c, t->top[i].id, t->top[i].logprob));
	json_object_set_new(o, "top_logprobs", top);
	return o;
}

/* {"content": [...]}; NULL stays NULL. */
static json_t *logprobs_object(json_t *list)
{
	return list ? json_pack("{s:O, s:n}", "content", list, "refusal") : NULL;
}

/* ---- Answers ----------------------------------------------------------------------------------------------------- */

static json_t *head(const struct api_call *c, const char *object)
{
	const struct reply *r = c->reply;
	return json_pack("{s:s, s:s, s:I, s:s, s:s}", "id", r->id, "object", object, "created", (json_int_t)r->created,
			 "model", r->model ? r->model : c->api->config.model_name, "system_fingerprint", "kvik");
}

/* One choice of a chunk; takes delta and logprobs. */
static void send_chunk(struct api_call *c, uint32_t i, json_t *delta, json_t *logprobs, const char *finish)
{
	json_t *o = head(c, "chat.completion.chunk");
	json_object_set_new(o, "choices",
			    json_pack("[{s:i, s:o, s:o?, s:s?}]", "index", (int)i, "delta", delta, "logprobs", logprobs,
				      "finish_reason", finish));
	if (c->reply->include_usage)
		json_object_set_new(o, "usage", json_null());
	if (c->reply->timings_per_token)
		json_object_set_new(o, "timings", reply_timings(c, i));
	call_stream_json(c, NULL, o);
}

static void begin_choice(struct api_call *c, uint32_t i)
{
	struct reply_choice *ch = &c->reply->choices[i];
	bool *begun = c->reply->state;
	if (begun[i] || !ch->text.data)
		return;
	begun[i] = true;
	send_chunk(c, i, json_pack("{s:s, s:s}", "role", "assistant", "content", ""), NULL, NULL);
}

static void delta(struct api_call *c, uint32_t i, const char *text, size_t bytes, json_t *logprobs)
{
	begin_choice(c, i);
	send_chunk(c, i, json_pack("{s:s%}", "content", text, bytes), logprobs_object(logprobs), NULL);
}

static void choice_end(struct api_call *c, uint32_t i)
{
	struct reply *r = c->reply;
	struct reply_choice *ch = &r->choices[i];
	size_t text = toolcall_text_bytes(r->tools, ch->text.data, ch->text.n, true), k;
	json_t *call, *calls = text < ch->text.n ? toolcall_parse(r->tools, ch->text.data, ch->text.n, r->id) : NULL;
	begin_choice(c, i);
	if (!calls)
		text = ch->text.n;
	if (text > ch->sent)
		send_chunk(c, i, json_pack("{s:s%}", "content", ch->text.data + ch->sent, text - ch->sent), NULL, NULL);
	json_array_foreach(calls, k, call)
	{
		json_object_set_new(call, "index", json_integer((json_int_t)k));
		send_chunk(c, i, json_pack("{s:[O]}", "tool_calls", call), NULL, NULL);
	}
	send_chunk(c, i, json_object(), NULL, calls ? "tool_calls" : kvik_finish_name(ch->finish));
	json_decref(calls);
}

static void end(struct api_call *c)
{
	const struct reply *r = c->reply;
	if (r->include_usage || r->explain) {
		json_t *o = head(c, "chat.completion.chunk");
		json_object_set_new(o, "choices", json_array());
		json_object_set_new(o, "usage", reply_usage(c));
		if (r->explain)
			json_object_set_new(o, "x_kvik", reply_explain(c));
		call_stream_json(c, NULL, o);
	}
	call_stream_end(c, true);
}

static json_t *message(const struct api_call *c, uint32_t i, const char **finish)
{
	const struct reply *r = c->reply;
	const struct reply_choice *ch = &r->choices[i];
	size_t text = toolcall_text_bytes(r->tools, ch->text.data, ch->text.n, true);
	json_t *calls = text < ch->text.n ? toolcall_parse(r->tools, ch->text.data, ch->text.n, r->id) : NULL;
	*finish = calls ? "tool_calls" : kvik_finish_name(ch->finish);
	if (!calls)
		return json_pack("{s:s, s:s%, s:n}", "role", "assistant", "content", ch->text.data, ch->text.n,
				 "refusal");
	return json_pack("{s:s, s:o, s:n, s:o}", "role", "assistant", "content",
			 text > 0 ? json_stringn(ch->text.data, text) : json_null(), "refusal", "tool_calls", calls);
}

static void whole(struct api_call *c)
{
	const struct reply *r = c->reply;
	json_t *o = head(c, "chat.completion"), *choices = json_array();
	for (uint32_t i = 0; i < r->n_choices; i++) {
		const char *finish;
		json_t *m = message(c, i, &finish);
		json_array_append_new(choices,
				      json_pack("{s:i, s:o, s:o?, s:s}", "index", (int)i, "message", m, "logprobs",
						logprobs_object(r->choices[i].logprobs), "finish_reason", finish));
	}
	json_object_set_new(o, "choices", choices);
	json_object_set_new(o, "usage", reply_usage(c));
	if (r->explain)
		json_object_set_new(o, "x_kvik", reply_explain(c));
	call_json(c, 200, o);
}

static const struct dialect dialect = {chat_logprob, delta, choice_end, end, whole};

/* ---- The request ------------------------------------------------------------------------------------------------- */

struct chat_fields {
	json_t *messages, *tools, *tool_choice, *format, *kwargs, *stream_options;
	uint32_t max_tokens, max_completion_tokens, top_logprobs;
	bool logprobs, add_generation_prompt, parse_special;
};

/* "auto" and "none" can be kept; forcing a call needs constrained decoding. */
static int check_tool_choice(struct chat_fields *f, struct field_error *e)
{
	const char *s = json_string_value(f->tool_choice);
	if (s && strcmp(s, "none") == 0)
		f->tools = NULL;
	else if (f->tool_choice && !(s && strcmp(s, "auto") == 0))
		return field_fail(e, "tool_choice", "'tool_choice' other than auto and none is not supported yet");
	if (f->tools && (!json_is_array(f->tools) || json_array_size(f->tools) == 0))
		f->tools = json_is_array(f->tools) ? NULL : f->tools;
	if (f->tools && !json_is_array(f->tools))
		return field_fail(e, "tools", "'tools' must be a list");
	return 0;
}

static int check_format(const struct chat_fields *f, struct field_error *e)
{
	const char *type = json_string_value(json_object_get(f->format, "type"));
	if (!f->format || (type && strcmp(type, "text") == 0))
		return 0;
	return field_fail(e, "response_format", "'response_format' of type '%.40s' is not supported yet; 'text' is",
			  type ? type : "?");
}

static int read_body(struct api_call *c, struct chat_fields *f, struct field_error *e)
{
	struct reply *r = c->reply;
	const struct field own[] = {
		{"model", FIELD_STRING, &r->model, 0, 0},
		{"messages", FIELD_JSON, &f->messages, 0, 0},
		{"stream", FIELD_BOOL, &r->stream, 0, 0},
		{"stream_options", FIELD_JSON, &f->stream_options, 0, 0},
		{"max_tokens", FIELD_U32, &f->max_tokens, 1, 1e9},
		{"max_completion_tokens", FIELD_U32, &f->max_completion_tokens, 1, 1e9},
		{"logprobs", FIELD_BOOL, &f->logprobs, 0, 0},
		{"top_logprobs", FIELD_U32, &f->top_logprobs, 0, 20},
		{"tools", FIELD_JSON, &f->tools, 0, 0},
		{"tool_choice", FIELD_JSON, &f->tool_choice, 0, 0},
		{"parallel_tool_calls", FIELD_NO_EFFECT, NULL, 0, 0},
		{"response_format", FIELD_JSON, &f->format, 0, 0},
		{"chat_template_kwargs", FIELD_JSON, &f->kwargs, 0, 0},
		{"add_generation_prompt", FIELD_BOOL, &f->add_generation_prompt, 0, 0},
		{"parse_special", FIELD_BOOL, &f->parse_special, 0, 0}, /* as of /tokenize: of messages, too */
		{"x_kvik", FIELD_BOOL, &r->explain, 0, 0},
		{"timings_per_token", FIELD_BOOL, &r->timings_per_token, 0, 0},
		{"store", FIELD_FALSE_ONLY, NULL, 0, 0},
		{"functions", FIELD_FALSE_ONLY, NULL, 0, 0},
		{"modalities", FIELD_NO_EFFECT, NULL, 0, 0},
		{"audio", FIELD_FALSE_ONLY, NULL, 0, 0},
		{"prediction", FIELD_NO_EFFECT, NULL, 0, 0}, /* a hint for speed */
	};
	int rc = reply_read(c, own, sizeof own / sizeof *own, e);
	if (!rc)
		rc = check_tool_choice(f, e);
	if (!rc)
		rc = check_format(f, e);
	if (!rc && f->top_logprobs && !f->logprobs)
		rc = field_fail(e, "top_logprobs", "'top_logprobs' needs 'logprobs': true");
	if (!rc && f->kwargs && !json_is_object(f->kwargs))
		rc = field_fail(e, "chat_template_kwargs", "'chat_template_kwargs' must be an object");
	return rc;
}

void openai_chat(struct api_call *c, json_t *body)
{
	struct reply *r = reply_new(c, &dialect, body, "chatcmpl-");
	struct chat_fields f = {.add_generation_prompt = true};
	struct field_error e;
	if (!r) {
		call_error(c, 500, "server_error", NULL, "out of memory");
		return;
	}
	if (read_body(c, &f, &e)) {
		call_bad_field(c, &e);
		return;
	}
	reply_set_max_tokens(c, f.max_completion_tokens ? f.max_completion_tokens : f.max_tokens);
	r->wants_logprobs = f.logprobs;
	r->sampling.generate.n_logprobs = f.logprobs ? (f.top_logprobs ? f.top_logprobs : 1) : 0;
	r->include_usage = json_is_true(json_object_get(f.stream_options, "include_usage"));
	r->tools = f.tools ? toolcall_format_of(c->api->config.chat_template) : TOOLCALL_NONE;
	r->state = mem_zalloc(r->sampling.n, sizeof(bool)); /* has the choice begun? */
	if (!r->state) {
		call_error(c, 500, "server_error", NULL, "out of memory");
		return;
	}
	const struct chat_request q = {f.messages, f.tools, f.kwargs, f.add_generation_prompt, f.parse_special};
	if (chat_prompt(c, &q) == 0)
		reply_start(c);
}
