/* anthropic.c: POST /v1/messages and /v1/messages/count_tokens, as Anthropic documents them: an answer is a list of blocks
 * (thinking, text, tool_use), whole or as the named events of a stream. What it reads: anthropic_input.c. */
#include <string.h>

#include "api/anthropic_input.h"
#include "api/reply.h"
#include "api/routes.h"
#include "api/tool_choice.h"
#include "base/mem.h"

enum block { BLOCK_NONE, BLOCK_THINKING, BLOCK_TEXT, BLOCK_CALL };

struct message {
	bool begun;
	enum block open; /* at hand, in a stream */
	int index;       /* of it, or of the next */
};

/* ---- Errors ------------------------------------------------------------------------------------------------------ */

static const char *error_type(int status)
{
	switch (status) {
	case 400: return "invalid_request_error";
	case 401: return "authentication_error";
	case 404: return "not_found_error";
	case 413: return "request_too_large";
	case 429: return "rate_limit_error";
	case 503: return "overloaded_error";
	default: return "api_error";
	}
}

static json_t *error_json(const struct api_call *c, int status, const char *type, const char *param, const char *text)
{
	(void)type;
	(void)param;
	return json_pack("{s:s, s:{s:s, s:s}, s:s}", "type", "error", "error", "type", error_type(status), "message",
			 text, "request_id", c->request_id);
}

const struct wire wire_anthropic = {error_json, "error", false};

/* ---- Answers ----------------------------------------------------------------------------------------------------- */

/* Input tokens are those that were not read from the cache. */
static json_t *usage(const struct api_call *c, bool ended)
{
	const struct reply_prompt *p = &c->reply->prompts[0];
	uint32_t cached = ended ? p->usage.cached_tokens : 0, made = ended ? p->usage.new_tokens : 0;
	return json_pack("{s:I, s:i, s:I, s:I}", "input_tokens", (json_int_t)p->n_ids - cached,
			 "cache_creation_input_tokens", 0, "cache_read_input_tokens", (json_int_t)cached,
			 "output_tokens", (json_int_t)made);
}

static const char *stop_reason(const struct reply_choice *ch)
{
	if (ch->finish == KVIK_FINISH_LENGTH)
		return "max_tokens";
	if (json_array_size(ch->calls) > 0)
		return "tool_use";
	return ch->stop ? "stop_sequence" : "end_turn";
}

static json_t *stop_sequence(const struct reply_choice *ch)
{
	return ch->stop ? json_stringn(ch->stop, ch->stop_bytes) : json_null();
}

static json_t *message(const struct api_call *c, json_t *content, bool ended)
{
	const struct reply *r = c->reply;
	const struct reply_choice *ch = &r->choices[0];
	json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:o, s:s?, s:o, s:o}", "id", r->id, "type", "message", "role",
			      "assistant", "model", reply_model(c), "content", content, "stop_reason",
			      ended ? stop_reason(ch) : NULL, "stop_sequence", ended ? stop_sequence(ch) : json_null(),
			      "usage", usage(c, ended));
	if (ended && r->explain)
		json_object_set_new(o, "x_kvik", reply_explain(c));
	return o;
}

static json_t *call_block(const json_t *call)
{
	const json_t *f = json_object_get(call, "function");
	return json_pack("{s:s, s:O, s:O, s:o}", "type", "tool_use", "id", json_object_get(call, "id"), "name",
			 json_object_get(f, "name"), "input",
			 reply_arguments(json_string_value(json_object_get(f, "arguments"))));
}

static void whole(struct api_call *c)
{
	const struct reply_choice *ch = &c->reply->choices[0];
	json_t *content = json_array(), *call;
	size_t i;
	if (ch->thought.n > 0)
		json_array_append_new(content, json_pack("{s:s, s:s%, s:s}", "type", "thinking", "thinking",
							 ch->thought.data, ch->thought.n, "signature", ""));
	if (ch->said.n > 0)
		json_array_append_new(content,
				      json_pack("{s:s, s:s%}", "type", "text", "text", ch->said.data, ch->said.n));
	json_array_foreach(ch->calls, i, call) json_array_append_new(content, call_block(call));
	call_json(c, 200, message(c, content, true));
}

/* ---- The stream -------------------------------------------------------------------------------------------------- */

/* Takes o, whose type is the name of the event. */
static void send(struct api_call *c, json_t *o)
{
	char type[32];
	strncpy(type, json_string_value(json_object_get(o, "type")), sizeof type - 1);
	type[sizeof type - 1] = 0;
	call_stream_json(c, type, o);
}

static void begin(struct api_call *c)
{
	struct message *m = c->reply->state;
	if (m->begun)
		return;
	m->begun = true;
	send(c, json_pack("{s:s, s:o}", "type", "message_start", "message", message(c, json_array(), false)));
}

static void close_block(struct api_call *c)
{
	struct message *m = c->reply->state;
	if (m->open == BLOCK_NONE)
		return;
	m->open = BLOCK_NONE;
	send(c, json_pack("{s:s, s:i}", "type", "content_block_stop", "index", m->index++));
}

/* Takes block. */
static void open_block(struct api_call *c, enum block kind, json_t *block)
{
	struct message *m = c->reply->state;
	begin(c);
	close_block(c);
	m->open = kind;
	send(c, json_pack("{s:s, s:i, s:o}", "type", "content_block_start", "index", m->index, "content_block", block));
}

static void send_delta(struct api_call *c, const char *type, const char *member, const char *text, size_t bytes)
{
	const struct message *m = c->reply->state;
	send(c, json_pack("{s:s, s:i, s:{s:s, s:s%}}", "type", "content_block_delta", "index", m->index, "delta",
			  "type", type, member, text, bytes));
}

static void delta(struct api_call *c, uint32_t i, const char *text, size_t bytes, json_t *logprobs)
{
	const struct message *m = c->reply->state;
	(void)i;
	(void)logprobs;
	if (bytes == 0)
		return;
	if (m->open != BLOCK_TEXT)
		open_block(c, BLOCK_TEXT, json_pack("{s:s, s:s}", "type", "text", "text", ""));
	send_delta(c, "text_delta", "text", text, bytes);
}

static void thought(struct api_call *c, uint32_t i, const char *text, size_t bytes)
{
	const struct message *m = c->reply->state;
	(void)i;
	if (m->open != BLOCK_THINKING)
		open_block(c, BLOCK_THINKING,
			   json_pack("{s:s, s:s, s:s}", "type", "thinking", "thinking", "", "signature", ""));
	send_delta(c, "thinking_delta", "thinking", text, bytes);
}

static void call(struct api_call *c, uint32_t i, const struct answer_part *p)
{
	const struct message *m = c->reply->state;
	(void)i;
	if (p->kind == ANSWER_CALL_BEGIN)
		open_block(
			c, BLOCK_CALL,
			json_pack("{s:s, s:s, s:s, s:{}}", "type", "tool_use", "id", p->id, "name", p->name, "input"));
	else if (m->open == BLOCK_CALL && p->kind == ANSWER_ARGUMENTS)
		send_delta(c, "input_json_delta", "partial_json", p->text, p->bytes);
	else if (m->open == BLOCK_CALL)
		close_block(c);
}

static void choice_end(struct api_call *c, uint32_t i)
{
	(void)i;
	begin(c);
	close_block(c);
}

static void end(struct api_call *c)
{
	const struct reply_choice *ch = &c->reply->choices[0];
	json_t *o = json_pack("{s:s, s:{s:s, s:o}, s:o}", "type", "message_delta", "delta", "stop_reason",
			      stop_reason(ch), "stop_sequence", stop_sequence(ch), "usage", usage(c, true));
	if (c->reply->explain)
		json_object_set_new(o, "x_kvik", reply_explain(c));
	send(c, o);
	send(c, json_pack("{s:s}", "type", "message_stop"));
	call_stream_end(c, false);
}

static const struct dialect dialect = {NULL, delta, choice_end, end, whole, thought, call, NULL};

/* ---- The request ------------------------------------------------------------------------------------------------- */

struct message_fields {
	json_t *messages, *system, *tools, *tool_choice, *max_tokens, *thinking, *output_config, *output_format;
	json_t *context_management;
	struct tool_choice choice;
	json_t *words, *chat; /* to the template; owned */
};

/* {"type": "enabled", "budget_tokens": 4096}, "adaptive" or "disabled": the template may know it; budgets are not kept. */
static int read_thinking(struct message_fields *f, struct field_error *e)
{
	const json_t *type = json_object_get(f->thinking, "type");
	bool on = field_says(type, "enabled") || field_says(type, "adaptive");
	if (!f->thinking)
		return 0;
	if (!on && !field_says(type, "disabled"))
		return field_fail(e, "thinking", "the type of 'thinking' must be enabled, adaptive or disabled");
	json_object_set_new(f->words, "enable_thinking", json_boolean(on));
	return 0;
}

/* {"effort": "low", "format": {"type": "json_schema", "schema": {..}}} */
static int read_output(struct reply *r, struct message_fields *f, const struct kvik_vocab *v, struct field_error *e)
{
	json_t *effort = NULL, *format = f->output_format;
	const struct field fields[] = {{"effort", FIELD_JSON, &effort, 0, 0}, {"format", FIELD_JSON, &format, 0, 0}};
	int rc = 0;
	if (f->output_config && !json_is_object(f->output_config))
		rc = field_fail(e, "output_config", "'output_config' must be an object");
	else if (f->output_config)
		rc = fields_read(f->output_config, fields, sizeof fields / sizeof *fields, e);
	if (!rc && effort && !json_is_string(effort))
		rc = field_fail(e, "output_config", "'output_config.effort' must be a text, such as low");
	if (!rc && effort)
		json_object_set(f->words, "reasoning_effort", effort);
	return rc || !format ? rc : structured_format(&r->structured, format, "output_config", r->constraints, v, e);
}

/* Edits of what came before, of which the one that keeps everything can be kept. */
static int check_edits(const struct message_fields *f, struct field_error *e)
{
	const json_t *edits = json_object_get(f->context_management, "edits"), *edit;
	size_t i;
	json_array_foreach(
		edits, i, edit) if (!field_says(json_object_get(edit, "type"), "clear_thinking_20251015") ||
				    !field_says(json_object_get(edit, "keep"),
						"all")) return field_fail(e, "context_management",
									  "edits of the context are not made here, but "
									  "for clear_thinking_20251015 with keep: all");
	return 0;
}

static int read_tools(struct reply *r, struct message_fields *f, struct field_error *e)
{
	json_t *tools, *choice = NULL, *parallel = NULL;
	int rc = anthropic_tools(&tools, f->tools, e);
	if (!rc)
		rc = anthropic_tool_choice(&choice, &parallel, f->tool_choice, e);
	if (!rc)
		rc = tool_choice_read(&f->choice, tools, choice, parallel, e);
	r->one_call = parallel != NULL;
	json_decref(tools);
	json_decref(choice);
	json_decref(parallel);
	return rc;
}

static int read_body(struct api_call *c, struct message_fields *f, struct field_error *e)
{
	struct reply *r = c->reply;
	const struct kvik_vocab *v = c->api->config.engine.vocab;
	const struct field own[] = {
		{"model", FIELD_STRING, &r->model, 0, 0},
		{"messages", FIELD_JSON, &f->messages, 0, 0},
		{"system", FIELD_JSON, &f->system, 0, 0},
		{"max_tokens", FIELD_JSON, &f->max_tokens, 0, 0},
		{"stop_sequences", FIELD_JSON, &r->sampling.stop_json, 0, 0},
		{"stream", FIELD_BOOL, &r->stream, 0, 0},
		{"tools", FIELD_JSON, &f->tools, 0, 0},
		{"tool_choice", FIELD_JSON, &f->tool_choice, 0, 0},
		{"thinking", FIELD_JSON, &f->thinking, 0, 0},
		{"output_config", FIELD_JSON, &f->output_config, 0, 0},
		{"output_format", FIELD_JSON, &f->output_format, 0, 0},
		{"context_management", FIELD_JSON, &f->context_management, 0, 0},
		{"cache_control", FIELD_NO_EFFECT, NULL, 0, 0}, /* every prefix is kept and found, to the token */
		{"inference_geo", FIELD_NO_EFFECT, NULL, 0, 0},
		{"x_kvik", FIELD_JSON, &r->x_kvik, 0, 0},
	};
	bool nonce = false;
	int rc = reply_read(c, own, sizeof own / sizeof *own, e);
	if (!rc && r->sampling.n != 1)
		rc = field_fail(e, "n", "'n' is not a parameter of messages");
	if (!rc)
		rc = anthropic_messages(&f->chat, f->messages, f->system, &nonce, e);
	if (!rc)
		rc = read_thinking(f, e);
	if (!rc)
		rc = read_output(r, f, v, e);
	if (!rc)
		rc = check_edits(f, e);
	if (!rc)
		rc = read_tools(r, f, e);
	if (!rc)
		rc = reply_read_max_tokens(c, "max_tokens", f->max_tokens, false, e);
	if (nonce)
		api_warn_once(c->api,
			      "a system text that begins with x-anthropic-billing-header: is left out of prompts: it "
			      "differs in every request, and nothing behind it could be found in the cache");
	return rc;
}

static void count(struct api_call *c)
{
	call_json(c, 200, json_pack("{s:I}", "input_tokens", (json_int_t)c->reply->prompts[0].n_ids));
}

/* The prompt of a request, and what is to become of it. */
static void answer(struct api_call *c, json_t *body, void (*next)(struct api_call *c))
{
	struct reply *r = reply_new(c, &dialect, body, "msg_");
	struct message_fields f = {.words = json_object()};
	struct field_error e;
	if (r) {
		r->state = mem_zalloc(1, sizeof(struct message));
		r->is_chat = true;
	}
	if (!r || !r->state || !f.words)
		call_error(c, 500, "server_error", NULL, "out of memory");
	else if (read_body(c, &f, &e))
		call_bad_field(c, &e);
	else if (chat_prompt(c, &(struct chat_request){.messages = f.chat,
						       .tools = f.choice.shown,
						       .choice = &f.choice,
						       .kwargs = f.words}) == 0)
		next(c);
	tool_choice_release(&f.choice);
	json_decref(f.words);
	json_decref(f.chat);
}

void anthropic_messages_call(struct api_call *c, json_t *body)
{
	answer(c, body, reply_start);
}

void anthropic_count_tokens(struct api_call *c, json_t *body)
{
	answer(c, body, count);
}
