/* openai_chat.c: POST /v1/chat/completions, as OpenAI documents it. */
#include <string.h>

#include "api/reply.h"
#include "api/routes.h"
#include "api/tool_choice.h"
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
	for (uint32_t i = 0; i < t->n_top && i < c->reply->top_logprobs; i++)
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
			 "model", reply_model(c), "system_fingerprint", "kvik");
}

/* One choice of a chunk; takes delta and logprobs. */
static void send_chunk(struct api_call *c, uint32_t i, json_t *delta, json_t *logprobs, const char *finish)
{
	json_t *o = head(c, "chat.completion.chunk");
	json_object_set_new(o, "choices",
			    json_pack("[{s:i, s:o, s:o?, s:s?}]", "index", (int)i, "delta", delta, "logprobs", logprobs,
				      "finish_reason", finish));
	if (c->reply->include_usage)
		json_object_set_new(o, "usage", c->reply->usage_in_chunks ? reply_usage_so_far(c, i) : json_null());
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

static void thought(struct api_call *c, uint32_t i, const char *text, size_t bytes)
{
	begin_choice(c, i);
	send_chunk(c, i, json_pack("{s:s%}", "reasoning_content", text, bytes), NULL, NULL);
}

static void call(struct api_call *c, uint32_t i, const struct answer_part *p)
{
	json_t *o = NULL;
	if (p->kind == ANSWER_CALL_BEGIN)
		o = json_pack("{s:I, s:s, s:s, s:{s:s, s:s}}", "index", (json_int_t)p->index, "id", p->id, "type",
			      "function", "function", "name", p->name, "arguments", "");
	else if (p->kind == ANSWER_ARGUMENTS)
		o = json_pack("{s:I, s:{s:s%}}", "index", (json_int_t)p->index, "function", "arguments", p->text,
			      p->bytes);
	if (!o)
		return;
	begin_choice(c, i);
	send_chunk(c, i, json_pack("{s:[o]}", "tool_calls", o), NULL, NULL);
}

static void choice_end(struct api_call *c, uint32_t i)
{
	begin_choice(c, i);
	send_chunk(c, i, json_object(), NULL, reply_finish(c->reply, i));
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

static json_t *message(const struct reply_choice *ch)
{
	bool calls = json_array_size(ch->calls) > 0;
	json_t *m =
		json_pack("{s:s, s:o, s:n}", "role", "assistant", "content",
			  calls && ch->said.n == 0 ? json_null() : json_stringn(ch->said.data, ch->said.n), "refusal");
	if (ch->thought.n > 0)
		json_object_set_new(m, "reasoning_content", json_stringn(ch->thought.data, ch->thought.n));
	if (calls)
		json_object_set(m, "tool_calls", ch->calls);
	return m;
}

static void whole(struct api_call *c)
{
	const struct reply *r = c->reply;
	json_t *o = head(c, "chat.completion"), *choices = json_array();
	for (uint32_t i = 0; i < r->n_choices; i++) {
		const struct reply_choice *ch = &r->choices[i];
		json_array_append_new(choices, json_pack("{s:i, s:o, s:o?, s:s}", "index", (int)i, "message",
							 message(ch), "logprobs", logprobs_object(ch->logprobs),
							 "finish_reason", reply_finish(r, i)));
	}
	json_object_set_new(o, "choices", choices);
	json_object_set_new(o, "usage", reply_usage(c));
	if (r->prompt_by_id)
		json_object_set(o, "prompt_logprobs", r->prompts[0].by_id);
	if (r->explain)
		json_object_set_new(o, "x_kvik", reply_explain(c));
	call_json(c, 200, o);
}

static const struct dialect dialect = {chat_logprob, delta, choice_end, end, whole, thought, call, NULL};

/* ---- The request ------------------------------------------------------------------------------------------------- */

struct chat_fields {
	json_t *messages, *tools, *tool_choice, *kwargs, *stream_options, *prompt_logprobs, *salt;
	json_t *reasoning_effort, *verbosity, *enable_thinking; /* to the template */
	json_t *max_tokens, *max_completion_tokens;
	json_t *add_generation_prompt, *continue_final, *reasoning_format;
	json_t *parallel;
	bool parse_special;
	struct tool_choice choice;
};

static int check_template_words(const struct chat_fields *f, struct field_error *e)
{
	if (f->reasoning_effort && !json_is_string(f->reasoning_effort))
		return field_fail(e, "reasoning_effort", "'reasoning_effort' must be a text, such as low");
	if (f->verbosity && !json_is_string(f->verbosity))
		return field_fail(e, "verbosity", "'verbosity' must be a text, such as low");
	const json_t *format = f->reasoning_format;
	if (format && !field_says(format, "none") && !field_says(format, "auto") && !field_says(format, "deepseek"))
		return field_fail(e, "reasoning_format", "'reasoning_format' must be auto, deepseek or none");
	if (f->enable_thinking && !json_is_boolean(f->enable_thinking))
		return field_fail(e, "enable_thinking", "'enable_thinking' must be true or false");
	return 0;
}

/* What the body says to the template, in chat_template_kwargs and beside it; a new reference. */
static json_t *template_words(const struct chat_fields *f)
{
	json_t *words = json_object();
	if (f->reasoning_effort)
		json_object_set(words, "reasoning_effort", f->reasoning_effort);
	if (field_says(f->reasoning_effort, "none"))
		json_object_set_new(words, "enable_thinking", json_false());
	if (f->verbosity)
		json_object_set(words, "verbosity", f->verbosity);
	if (f->enable_thinking)
		json_object_set(words, "enable_thinking", f->enable_thinking);
	if (f->kwargs)
		json_object_update(words, f->kwargs);
	return words;
}

static int read_body(struct api_call *c, struct chat_fields *f, struct field_error *e)
{
	struct reply *r = c->reply;
	const struct field own[] = {
		{"model", FIELD_STRING, &r->model, 0, 0},
		{"messages", FIELD_JSON, &f->messages, 0, 0},
		{"stream", FIELD_BOOL, &r->stream, 0, 0},
		{"stream_options", FIELD_JSON, &f->stream_options, 0, 0},
		{"max_tokens", FIELD_JSON, &f->max_tokens, 0, 0},
		{"max_completion_tokens", FIELD_JSON, &f->max_completion_tokens, 0, 0},
		{"logprobs", FIELD_BOOL, &r->wants_logprobs, 0, 0},
		{"top_logprobs", FIELD_U32, &r->top_logprobs, 0, 20},
		{"prompt_logprobs", FIELD_JSON, &f->prompt_logprobs, 0, 0},
		{"tools", FIELD_JSON, &f->tools, 0, 0},
		{"tool_choice", FIELD_JSON, &f->tool_choice, 0, 0},
		{"parallel_tool_calls", FIELD_JSON, &f->parallel, 0, 0},
		{"chat_template_kwargs", FIELD_JSON, &f->kwargs, 0, 0},
		{"add_generation_prompt", FIELD_JSON, &f->add_generation_prompt, 0, 0},
		{"continue_final_message", FIELD_JSON, &f->continue_final, 0, 0},
		{"reasoning_format", FIELD_JSON, &f->reasoning_format, 0, 0},
		{"parse_special", FIELD_BOOL, &f->parse_special, 0, 0}, /* as of /tokenize: of messages, too */
		{"reasoning_effort", FIELD_JSON, &f->reasoning_effort, 0, 0},
		{"verbosity", FIELD_JSON, &f->verbosity, 0, 0},
		{"enable_thinking", FIELD_JSON, &f->enable_thinking, 0, 0},
		{"cache_salt", FIELD_JSON, &f->salt, 0, 0},
		{"x_kvik", FIELD_JSON, &r->x_kvik, 0, 0},
		{"timings_per_token", FIELD_BOOL, &r->timings_per_token, 0, 0},
	};
	int rc = reply_read(c, own, sizeof own / sizeof *own, e);
	if (!rc)
		rc = tool_choice_read(&f->choice, f->tools, f->tool_choice, f->parallel, e);
	if (!rc && f->max_completion_tokens)
		rc = reply_read_max_tokens(c, "max_completion_tokens", f->max_completion_tokens, false, e);
	else if (!rc)
		rc = reply_read_max_tokens(c, "max_tokens", f->max_tokens, false, e);
	if (!rc)
		rc = check_template_words(f, e);
	if (!rc)
		rc = reply_read_stream_options(r, f->stream_options, e);
	if (!rc)
		rc = reply_read_prompt_logprobs(r, f->prompt_logprobs, e);
	if (!rc)
		rc = reply_read_cache_salt(c, f->salt, e);
	if (!rc && r->top_logprobs && !r->wants_logprobs)
		rc = field_fail(e, "top_logprobs", "'top_logprobs' needs 'logprobs': true");
	if (!rc && f->kwargs && !json_is_object(f->kwargs))
		rc = field_fail(e, "chat_template_kwargs", "'chat_template_kwargs' must be an object");
	return rc;
}

static void answer(struct api_call *c, const struct chat_fields *f)
{
	struct reply *r = c->reply;
	json_t *words = template_words(f);
	const struct chat_request q = {f->messages,       f->choice.shown, &f->choice, words, f->add_generation_prompt,
				       f->continue_final, f->parse_special};
	int rc = chat_prompt(c, &q);
	if (field_says(f->reasoning_format, "none"))
		r->style.think_open = NULL, r->thinks = false; /* thoughts stay in the text */
	if (!rc)
		reply_start(c);
	json_decref(words);
}

void openai_chat(struct api_call *c, json_t *body)
{
	struct reply *r = reply_new(c, &dialect, body, "chatcmpl-");
	struct chat_fields f = {0};
	struct field_error e;
	if (!r) {
		call_error(c, 500, "server_error", NULL, "out of memory");
		return;
	}
	r->is_chat = true;
	if (read_body(c, &f, &e)) {
		call_bad_field(c, &e);
	} else {
		r->one_call = f.parallel && !json_is_true(f.parallel);
		r->state = mem_zalloc(r->sampling.n, sizeof(bool)); /* has the choice begun? */
		if (!r->state)
			call_error(c, 500, "server_error", NULL, "out of memory");
		else
			answer(c, &f);
	}
	tool_choice_release(&f.choice);
}
