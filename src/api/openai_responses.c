/* openai_responses.c: POST /v1/responses, as OpenAI documents it: an answer is a list of items (thoughts, a message, calls), told
 * whole or as the named events of a stream. Nothing is kept between requests: `store` changes nothing, `previous_response_id`
 * is refused. What it reads: responses_input.c. */
#include <stdio.h>
#include <string.h>

#include "api/reply.h"
#include "api/responses_input.h"
#include "api/routes.h"
#include "api/tool_choice.h"
#include "base/mem.h"

enum item_kind { ITEM_NONE, ITEM_THOUGHT, ITEM_MESSAGE, ITEM_CALL };
enum { ITEM_ID_BYTES = API_ID_BYTES + 32 };

struct response {
	int sequence; /* of the next event */
	bool begun;
	enum item_kind open;    /* of the item at hand */
	char id[ITEM_ID_BYTES]; /* and its id */
	size_t from;            /* its text begins here in the choice's `said` or `thought` */
	json_t *call;           /* of ITEM_CALL; owned */
	json_t *output;         /* the items that have ended; owned */
	json_t *tools, *choice; /* as the request has them; borrowed */
	bool parallel;
};

static json_t *usage(const struct api_call *c)
{
	const struct kvik_usage *u = &c->reply->prompts[0].usage;
	return json_pack("{s:I, s:{s:I}, s:I, s:{s:I}, s:I}", "input_tokens", (json_int_t)u->prompt_tokens,
			 "input_tokens_details", "cached_tokens", (json_int_t)u->cached_tokens, "output_tokens",
			 (json_int_t)u->new_tokens, "output_tokens_details", "reasoning_tokens",
			 (json_int_t)c->reply->choices[0].thought_tokens, "total_tokens",
			 (json_int_t)u->prompt_tokens + u->new_tokens);
}

/* ---- Items ------------------------------------------------------------------------------------------------------- */

/* Of the index-th item; the first of a kind is named as the response. */
static void item_id(const struct api_call *c, const char *prefix, size_t index, char out[ITEM_ID_BYTES])
{
	if (index == 0)
		snprintf(out, ITEM_ID_BYTES, "%s_%s", prefix, c->request_id);
	else
		snprintf(out, ITEM_ID_BYTES, "%s_%s_%zu", prefix, c->request_id, index);
}

static json_t *part(const char *text, size_t bytes)
{
	return json_pack("{s:s, s:s%, s:[]}", "type", "output_text", "text", text, bytes, "annotations");
}

/* text: NULL = none yet. */
static json_t *message_item(const char *id, const char *status, const char *text, size_t bytes)
{
	json_t *content = json_array();
	if (text)
		json_array_append_new(content, part(text, bytes));
	return json_pack("{s:s, s:s, s:s, s:s, s:o}", "id", id, "type", "message", "status", status, "role",
			 "assistant", "content", content);
}

static json_t *thought_item(const char *id, const char *text, size_t bytes)
{
	json_t *content = json_array();
	if (text)
		json_array_append_new(content, json_pack("{s:s, s:s%}", "type", "reasoning_text", "text", text, bytes));
	return json_pack("{s:s, s:s, s:[], s:o}", "id", id, "type", "reasoning", "summary", "content", content);
}

static json_t *call_item(const char *id, const char *status, const char *call_id, const char *name,
			 const char *arguments)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "id", id, "type", "function_call", "status", status,
			 "call_id", call_id, "name", name, "arguments", arguments);
}

static json_t *call_item_of(const struct api_call *c, const json_t *call, size_t index)
{
	const json_t *f = json_object_get(call, "function");
	char id[ITEM_ID_BYTES];
	item_id(c, "fc", index, id);
	return call_item(id, "completed", json_string_value(json_object_get(call, "id")),
			 json_string_value(json_object_get(f, "name")),
			 json_string_value(json_object_get(f, "arguments")));
}

/* All items of an answer that was not streamed. */
static json_t *output(const struct api_call *c, const char *status)
{
	const struct reply_choice *ch = &c->reply->choices[0];
	json_t *list = json_array(), *call;
	char id[ITEM_ID_BYTES];
	size_t i;
	if (ch->thought.n > 0) {
		item_id(c, "rs", 0, id);
		json_array_append_new(list, thought_item(id, ch->thought.data, ch->thought.n));
	}
	if (ch->said.n > 0 || json_array_size(ch->calls) == 0) {
		item_id(c, "msg", 0, id);
		json_array_append_new(list, message_item(id, status, ch->said.data, ch->said.n));
	}
	json_array_foreach(ch->calls, i, call) json_array_append_new(list, call_item_of(c, call, i));
	return list;
}

static json_t *response(const struct api_call *c, const char *status, bool ended)
{
	const struct reply *r = c->reply;
	const struct response *s = r->state;
	bool cut = ended && r->choices[0].finish == KVIK_FINISH_LENGTH;
	json_t *items = !ended      ? json_array()
			: r->stream ? json_incref(s->output)
				    : output(c, cut ? "incomplete" : "completed");
	json_t *o = json_pack("{s:s, s:s, s:I, s:s, s:s, s:o, s:n, s:f, s:f, s:b, s:o, s:o, s:{}, s:s}", "id", r->id,
			      "object", "response", "created_at", (json_int_t)r->created, "status",
			      cut ? "incomplete" : status, "model", reply_model(c), "output", items, "error",
			      "temperature", reply_number(r->sampling.draw.temperature), "top_p",
			      reply_number(r->sampling.draw.top_p), "parallel_tool_calls", s->parallel, "tool_choice",
			      s->choice ? json_incref(s->choice) : json_string(s->tools ? "auto" : "none"), "tools",
			      s->tools ? json_incref(s->tools) : json_array(), "metadata", "truncation", "disabled");
	json_object_set_new(o, "incomplete_details",
			    cut ? json_pack("{s:s}", "reason", "max_output_tokens") : json_null());
	if (ended)
		json_object_set_new(o, "usage", usage(c));
	if (ended && r->explain)
		json_object_set_new(o, "x_kvik", reply_explain(c));
	return o;
}

/* ---- The stream -------------------------------------------------------------------------------------------------- */

/* Takes o; adds type and sequence number. */
static void send(struct api_call *c, const char *type, json_t *o)
{
	struct response *s = c->reply->state;
	json_object_set_new(o, "type", json_string(type));
	json_object_set_new(o, "sequence_number", json_integer(s->sequence++));
	call_stream_json(c, type, o);
}

/* Where an event belongs; content: in the one part that items of text have. */
static json_t *place(const struct response *s, bool content)
{
	json_t *o = json_pack("{s:s, s:i}", "item_id", s->id, "output_index", (int)json_array_size(s->output));
	if (content)
		json_object_set_new(o, "content_index", json_integer(0));
	return o;
}

static void begin(struct api_call *c)
{
	struct response *s = c->reply->state;
	if (s->begun)
		return;
	s->begun = true;
	send(c, "response.created", json_pack("{s:o}", "response", response(c, "in_progress", false)));
	send(c, "response.in_progress", json_pack("{s:o}", "response", response(c, "in_progress", false)));
}

static void send_item(struct api_call *c, const char *type, json_t *item)
{
	struct response *s = c->reply->state;
	send(c, type, json_pack("{s:i, s:o}", "output_index", (int)json_array_size(s->output), "item", item));
}

static void end_message(struct api_call *c, const struct buf *said)
{
	struct response *s = c->reply->state;
	const char *text = said->data + s->from;
	size_t n = said->n - s->from;
	json_t *p = place(s, true), *item = message_item(s->id, "completed", text, n);
	json_object_set_new(p, "text", json_stringn(text, n));
	json_object_set_new(p, "logprobs", json_array());
	send(c, "response.output_text.done", p);
	p = place(s, true);
	json_object_set_new(p, "part", part(text, n));
	send(c, "response.content_part.done", p);
	send_item(c, "response.output_item.done", json_incref(item));
	if (c->reply->choices[0].ended && c->reply->choices[0].finish == KVIK_FINISH_LENGTH)
		json_object_set_new(item, "status", json_string("incomplete"));
	json_array_append_new(s->output, item);
}

static void end_thought(struct api_call *c, const struct buf *thought)
{
	struct response *s = c->reply->state;
	json_t *p = place(s, true), *item = thought_item(s->id, thought->data + s->from, thought->n - s->from);
	json_object_set_new(p, "text", json_stringn(thought->data + s->from, thought->n - s->from));
	send(c, "response.reasoning_text.done", p);
	send_item(c, "response.output_item.done", json_incref(item));
	json_array_append_new(s->output, item);
}

/* Closes the item at hand. A call that has not ended is none of the answer's items. */
static void end_item(struct api_call *c)
{
	struct response *s = c->reply->state;
	const struct reply_choice *ch = &c->reply->choices[0];
	if (s->open == ITEM_MESSAGE)
		end_message(c, &ch->said);
	if (s->open == ITEM_THOUGHT)
		end_thought(c, &ch->thought);
	if (s->open == ITEM_CALL) {
		json_object_set_new(s->call, "status", json_string("incomplete"));
		send_item(c, "response.output_item.done", s->call);
		s->call = NULL;
	}
	s->open = ITEM_NONE;
}

/* Opens one, if it is not open already. */
static void open_item(struct api_call *c, enum item_kind kind, const char *prefix, size_t from)
{
	struct response *s = c->reply->state;
	begin(c);
	if (s->open == kind)
		return;
	end_item(c);
	size_t same = 0, i;
	json_t *item;
	json_array_foreach(s->output, i, item) same +=
		strncmp(json_string_value(json_object_get(item, "id")), prefix, strlen(prefix)) == 0;
	item_id(c, prefix, same, s->id);
	s->open = kind;
	s->from = from;
}

static void delta(struct api_call *c, uint32_t i, const char *text, size_t bytes, json_t *logprobs)
{
	struct response *s = c->reply->state;
	bool opens = s->open != ITEM_MESSAGE;
	(void)logprobs;
	open_item(c, ITEM_MESSAGE, "msg", c->reply->choices[i].sent);
	if (opens) {
		send_item(c, "response.output_item.added", message_item(s->id, "in_progress", NULL, 0));
		json_t *p = place(s, true);
		json_object_set_new(p, "part", part("", 0));
		send(c, "response.content_part.added", p);
	}
	json_t *p = place(s, true);
	json_object_set_new(p, "delta", json_stringn(text, bytes));
	json_object_set_new(p, "logprobs", json_array());
	send(c, "response.output_text.delta", p);
}

static void thought(struct api_call *c, uint32_t i, const char *text, size_t bytes)
{
	struct response *s = c->reply->state;
	bool opens = s->open != ITEM_THOUGHT;
	open_item(c, ITEM_THOUGHT, "rs", c->reply->choices[i].thought.n - bytes);
	if (opens)
		send_item(c, "response.output_item.added", thought_item(s->id, NULL, 0));
	json_t *p = place(s, true);
	json_object_set_new(p, "delta", json_stringn(text, bytes));
	send(c, "response.reasoning_text.delta", p);
}

static void call_ends(struct api_call *c, const struct answer_part *p)
{
	struct response *s = c->reply->state;
	json_t *o = place(s, false);
	json_object_set_new(o, "arguments", json_string(p->arguments));
	json_object_set_new(o, "name", json_string(p->name));
	send(c, "response.function_call_arguments.done", o);
	json_object_set_new(s->call, "status", json_string("completed"));
	json_object_set_new(s->call, "arguments", json_string(p->arguments));
	send_item(c, "response.output_item.done", json_incref(s->call));
	json_array_append_new(s->output, s->call);
	s->call = NULL;
	s->open = ITEM_NONE;
}

static void call(struct api_call *c, uint32_t i, const struct answer_part *p)
{
	struct response *s = c->reply->state;
	(void)i;
	if (p->kind == ANSWER_CALL_BEGIN) {
		begin(c);
		end_item(c);
		open_item(c, ITEM_CALL, "fc", 0);
		s->call = call_item(s->id, "in_progress", p->id, p->name, "");
		send_item(c, "response.output_item.added", json_copy(s->call));
	} else if (p->kind == ANSWER_ARGUMENTS && s->open == ITEM_CALL) {
		json_t *o = place(s, false);
		json_object_set_new(o, "delta", json_stringn(p->text, p->bytes));
		send(c, "response.function_call_arguments.delta", o);
	} else if (p->kind == ANSWER_CALL && s->open == ITEM_CALL) {
		call_ends(c, p);
	} else if (p->kind == ANSWER_LOST && s->open == ITEM_CALL) {
		end_item(c);
	}
}

static void choice_end(struct api_call *c, uint32_t i)
{
	struct response *s = c->reply->state;
	if (s->open == ITEM_NONE && json_array_size(s->output) == 0)
		delta(c, i, "", 0, NULL); /* an empty message */
	end_item(c);
}

static void end(struct api_call *c)
{
	bool cut = c->reply->choices[0].finish == KVIK_FINISH_LENGTH;
	send(c, cut ? "response.incomplete" : "response.completed",
	     json_pack("{s:o}", "response", response(c, "completed", true)));
	call_stream_end(c, false);
}

static void whole(struct api_call *c)
{
	call_json(c, 200, response(c, "completed", true));
}

static void release(struct reply *r)
{
	struct response *s = r->state;
	json_decref(s->call);
	json_decref(s->output);
}

static const struct dialect dialect = {NULL, delta, choice_end, end, whole, thought, call, release};

/* ---- The request ------------------------------------------------------------------------------------------------- */

struct response_fields {
	json_t *input, *instructions, *max_tokens, *reasoning, *text, *salt;
	json_t *tools, *tool_choice, *parallel;
	struct tool_choice choice;
	json_t *words; /* to the template; owned */
};

/* "reasoning": {"effort": "low"}: the template may know it. */
static int read_reasoning(struct response_fields *f, struct field_error *e)
{
	json_t *effort = NULL;
	const struct field fields[] = {
		{"effort", FIELD_JSON, &effort, 0, 0},
		{"summary", FIELD_NO_EFFECT, NULL, 0, 0}, /* nothing is hidden that could be summed up */
		{"generate_summary", FIELD_NO_EFFECT, NULL, 0, 0},
	};
	if (!f->reasoning)
		return 0;
	if (!json_is_object(f->reasoning))
		return field_fail(e, "reasoning", "'reasoning' must be an object");
	int rc = fields_read(f->reasoning, fields, sizeof fields / sizeof *fields, e);
	if (!rc && effort && !json_is_string(effort))
		rc = field_fail(e, "reasoning", "'reasoning.effort' must be a text, such as low");
	if (rc || !effort)
		return rc;
	json_object_set(f->words, "reasoning_effort", effort);
	if (field_says(effort, "none"))
		json_object_set_new(f->words, "enable_thinking", json_false());
	return 0;
}

/* "text": {"format": {"type": "json_schema", "schema": ...}, "verbosity": "low"} */
static int read_text(struct reply *r, struct response_fields *f, const struct kvik_vocab *v, struct field_error *e)
{
	json_t *format = NULL, *verbosity = NULL;
	const struct field fields[] = {
		{"format", FIELD_JSON, &format, 0, 0},
		{"verbosity", FIELD_JSON, &verbosity, 0, 0},
	};
	if (!f->text)
		return 0;
	if (!json_is_object(f->text))
		return field_fail(e, "text", "'text' must be an object");
	int rc = fields_read(f->text, fields, sizeof fields / sizeof *fields, e);
	if (!rc && format)
		rc = structured_format(&r->structured, format, "text", r->constraints, v, e);
	if (!rc && verbosity && !json_is_string(verbosity))
		rc = field_fail(e, "text", "'text.verbosity' must be a text, such as low");
	if (!rc && verbosity)
		json_object_set(f->words, "verbosity", verbosity);
	return rc;
}

static int read_body(struct api_call *c, struct response_fields *f, struct field_error *e)
{
	struct reply *r = c->reply;
	const struct field own[] = {
		{"model", FIELD_STRING, &r->model, 0, 0},
		{"input", FIELD_JSON, &f->input, 0, 0},
		{"instructions", FIELD_JSON, &f->instructions, 0, 0},
		{"max_output_tokens", FIELD_JSON, &f->max_tokens, 0, 0},
		{"stream", FIELD_BOOL, &r->stream, 0, 0},
		{"reasoning", FIELD_JSON, &f->reasoning, 0, 0},
		{"text", FIELD_JSON, &f->text, 0, 0},
		{"tools", FIELD_JSON, &f->tools, 0, 0},
		{"tool_choice", FIELD_JSON, &f->tool_choice, 0, 0},
		{"parallel_tool_calls", FIELD_JSON, &f->parallel, 0, 0},
		{"cache_salt", FIELD_JSON, &f->salt, 0, 0},
		{"x_kvik", FIELD_JSON, &r->x_kvik, 0, 0},
	};
	int rc = reply_read(c, own, sizeof own / sizeof *own, e);
	if (!rc && r->sampling.n != 1)
		rc = field_fail(e, "n", "'n' is not a parameter of responses");
	if (!rc && !json_is_string(f->input) && !json_is_array(f->input))
		rc = field_fail(e, "input", "'input' must be a text or a list of messages");
	if (!rc && f->instructions && !json_is_string(f->instructions))
		rc = field_fail(e, "instructions", "'instructions' must be a text");
	if (!rc)
		rc = read_reasoning(f, e);
	if (!rc)
		rc = read_text(r, f, c->api->config.engine.vocab, e);
	if (!rc)
		rc = tool_choice_read(&f->choice, f->tools, f->tool_choice, f->parallel, e);
	if (!rc)
		rc = reply_read_cache_salt(c, f->salt, e);
	return rc ? rc : reply_read_max_tokens(c, "max_output_tokens", f->max_tokens, false, e);
}

static void answer(struct api_call *c, const struct response_fields *f)
{
	struct response *s = c->reply->state;
	json_t *messages = responses_messages(c, f->input, f->instructions);
	const struct chat_request q = {
		.messages = messages, .tools = f->choice.shown, .choice = &f->choice, .kwargs = f->words};
	s->tools = json_array_size(f->tools) > 0 ? f->tools : NULL;
	s->choice = f->tool_choice;
	s->parallel = s->tools && !(f->parallel && json_is_false(f->parallel));
	c->reply->one_call = f->parallel && json_is_false(f->parallel);
	if (messages && chat_prompt(c, &q) == 0)
		reply_start(c);
	json_decref(messages);
}

void openai_responses(struct api_call *c, json_t *body)
{
	struct reply *r = reply_new(c, &dialect, body, "resp_");
	struct response_fields f = {.words = json_object()};
	struct response *s = r ? mem_zalloc(1, sizeof *s) : NULL;
	struct field_error e;
	if (s) {
		r->state = s;
		r->is_chat = true;
		s->output = json_array();
	}
	if (!s || !s->output)
		call_error(c, 500, "server_error", NULL, "out of memory");
	else if (read_body(c, &f, &e))
		call_bad_field(c, &e);
	else
		answer(c, &f);
	tool_choice_release(&f.choice);
	json_decref(f.words);
}
