/* openai_responses.c: POST /v1/responses: text in and out, whole or as the named events of OpenAI's stream. Nothing is
 * kept between requests: `store` changes nothing, `previous_response_id` is refused. */
#include <string.h>

#include "api/reply.h"
#include "api/routes.h"
#include "base/mem.h"

struct response {
	int sequence; /* of the next event */
	bool begun;
};

static json_t *no_logprob(const struct api_call *c, const struct kvik_token *t)
{
	(void)c;
	(void)t;
	return json_null();
}

static json_t *usage(const struct api_call *c)
{
	const struct kvik_usage *u = &c->reply->prompts[0].usage;
	return json_pack("{s:I, s:{s:I}, s:I, s:{s:i}, s:I}", "input_tokens", (json_int_t)u->prompt_tokens,
			 "input_tokens_details", "cached_tokens", (json_int_t)u->cached_tokens, "output_tokens",
			 (json_int_t)u->new_tokens, "output_tokens_details", "reasoning_tokens", 0, "total_tokens",
			 (json_int_t)u->prompt_tokens + u->new_tokens);
}

static json_t *part(const struct reply_choice *ch)
{
	return json_pack("{s:s, s:s%, s:[]}", "type", "output_text", "text", ch->text.data, ch->text.n, "annotations");
}

static json_t *item(const struct api_call *c, const char *status, bool with_text)
{
	const struct reply *r = c->reply;
	json_t *content = json_array();
	char id[API_ID_BYTES + 8];
	snprintf(id, sizeof id, "msg_%s", c->request_id);
	if (with_text)
		json_array_append_new(content, part(&r->choices[0]));
	return json_pack("{s:s, s:s, s:s, s:s, s:o}", "id", id, "type", "message", "status", status, "role",
			 "assistant", "content", content);
}

static json_t *response(const struct api_call *c, const char *status, bool with_output)
{
	const struct reply *r = c->reply;
	bool cut = with_output && r->choices[0].finish == KVIK_FINISH_LENGTH;
	json_t *output = json_array();
	if (with_output)
		json_array_append_new(output, item(c, cut ? "incomplete" : "completed", true));
	json_t *o = json_pack("{s:s, s:s, s:I, s:s, s:s, s:o, s:n, s:f, s:f, s:b, s:s, s:[], s:{}, s:s}", "id", r->id,
			      "object", "response", "created_at", (json_int_t)r->created, "status",
			      cut ? "incomplete" : status, "model", r->model ? r->model : c->api->config.model_name,
			      "output", output, "error", "temperature", reply_number(r->sampling.draw.temperature),
			      "top_p", reply_number(r->sampling.draw.top_p), "parallel_tool_calls", 0, "tool_choice",
			      "none", "tools", "metadata", "truncation", "disabled");
	json_object_set_new(o, "incomplete_details",
			    cut ? json_pack("{s:s}", "reason", "max_output_tokens") : json_null());
	if (with_output)
		json_object_set_new(o, "usage", usage(c));
	if (with_output && r->explain)
		json_object_set_new(o, "x_kvik", reply_explain(c));
	return o;
}

/* Takes o; adds type and sequence number. */
static void send(struct api_call *c, const char *type, json_t *o)
{
	struct response *s = c->reply->state;
	json_object_set_new(o, "type", json_string(type));
	json_object_set_new(o, "sequence_number", json_integer(s->sequence++));
	call_stream_json(c, type, o);
}

static json_t *place(const struct api_call *c)
{
	char id[API_ID_BYTES + 8];
	snprintf(id, sizeof id, "msg_%s", c->request_id);
	return json_pack("{s:s, s:i, s:i}", "item_id", id, "output_index", 0, "content_index", 0);
}

static void begin(struct api_call *c)
{
	struct response *s = c->reply->state;
	if (s->begun)
		return;
	s->begun = true;
	send(c, "response.created", json_pack("{s:o}", "response", response(c, "in_progress", false)));
	send(c, "response.in_progress", json_pack("{s:o}", "response", response(c, "in_progress", false)));
	send(c, "response.output_item.added",
	     json_pack("{s:i, s:o}", "output_index", 0, "item", item(c, "in_progress", false)));
	json_t *p = place(c);
	json_object_set_new(p, "part", json_pack("{s:s, s:s, s:[]}", "type", "output_text", "text", "", "annotations"));
	send(c, "response.content_part.added", p);
}

static void delta(struct api_call *c, uint32_t i, const char *text, size_t bytes, json_t *logprobs)
{
	(void)i;
	(void)logprobs;
	begin(c);
	json_t *p = place(c);
	json_object_set_new(p, "delta", json_stringn(text, bytes));
	json_object_set_new(p, "logprobs", json_array());
	send(c, "response.output_text.delta", p);
}

static void choice_end(struct api_call *c, uint32_t i)
{
	const struct reply_choice *ch = &c->reply->choices[i];
	begin(c);
	json_t *p = place(c);
	json_object_set_new(p, "text", json_stringn(ch->text.data, ch->text.n));
	json_object_set_new(p, "logprobs", json_array());
	send(c, "response.output_text.done", p);
	p = place(c);
	json_object_set_new(p, "part", part(ch));
	send(c, "response.content_part.done", p);
	send(c, "response.output_item.done",
	     json_pack("{s:i, s:o}", "output_index", 0, "item", item(c, "completed", true)));
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

static const struct dialect dialect = {no_logprob, delta, choice_end, end, whole, NULL, NULL};

/* `instructions` and `input` as messages. NULL after the call was answered. */
static json_t *messages_of(struct api_call *c, json_t *input, json_t *instructions)
{
	json_t *list = json_array(), *v;
	size_t i;
	if (instructions)
		json_array_append_new(list, json_pack("{s:s, s:O}", "role", "system", "content", instructions));
	if (json_is_string(input))
		json_array_append_new(list, json_pack("{s:s, s:O}", "role", "user", "content", input));
	json_array_foreach(input, i, v)
	{
		const json_t *type = json_object_get(v, "type"), *role = json_object_get(v, "role");
		if (!json_is_string(role) || (type && !json_is_null(type) && !field_says(type, "message"))) {
			json_decref(list);
			call_error(c, 400, "invalid_request_error", "input",
				   "input items of type '%.40s' are not supported; messages are",
				   json_is_string(type) ? json_string_value(type) : "?");
			return NULL;
		}
		json_array_append_new(list,
				      json_pack("{s:O, s:O?}", "role", role, "content", json_object_get(v, "content")));
	}
	return list;
}

struct response_fields {
	json_t *input, *instructions, *max_tokens, *reasoning, *text, *salt;
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
		{"cache_salt", FIELD_JSON, &f->salt, 0, 0},
		{"x_kvik", FIELD_BOOL, &r->explain, 0, 0},
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
		rc = reply_read_cache_salt(c, f->salt, e);
	return rc ? rc : reply_read_max_tokens(c, "max_output_tokens", f->max_tokens, false, e);
}

static void answer(struct api_call *c, const struct response_fields *f)
{
	json_t *messages = messages_of(c, f->input, f->instructions);
	const struct chat_request q = {.messages = messages, .kwargs = f->words};
	if (messages && chat_prompt(c, &q) == 0)
		reply_start(c);
	json_decref(messages);
}

void openai_responses(struct api_call *c, json_t *body)
{
	struct reply *r = reply_new(c, &dialect, body, "resp_");
	struct response_fields f = {.words = json_object()};
	struct field_error e;
	if (r)
		r->state = mem_zalloc(1, sizeof(struct response));
	if (!r || !r->state)
		call_error(c, 500, "server_error", NULL, "out of memory");
	else if (read_body(c, &f, &e))
		call_bad_field(c, &e);
	else
		answer(c, &f);
	json_decref(f.words);
}
