/* ollama.c: Ollama's paths that generate: POST /api/chat, /api/generate, /api/embed and /api/embeddings. A stream, which is what
 * they give unless told otherwise, is a line of JSON for each piece. Those that only tell: ollama_models.c. */
#include <string.h>
#include <time.h>

#include "api/ollama.h"
#include "api/ollama_input.h"
#include "api/reply.h"
#include "api/routes.h"
#include "base/mem.h"

static json_t *error_json(const struct api_call *c, int status, const char *type, const char *param, const char *text)
{
	(void)c;
	(void)status;
	(void)type;
	(void)param;
	return json_pack("{s:s}", "error", text);
}

const struct wire wire_ollama = {error_json, NULL, true};

json_t *ollama_time(int64_t seconds)
{
	char text[32];
	time_t t = (time_t)seconds;
	struct tm tm;
	gmtime_r(&t, &tm);
	strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_string(text);
}

/* ---- Answers ----------------------------------------------------------------------------------------------------- */

/* Puts a piece of an answer where the path has it. text: what is said. */
static json_t *piece(const struct api_call *c, const char *text, size_t bytes)
{
	const struct reply *r = c->reply;
	const bool *generates = r->state;
	json_t *o = json_pack("{s:s, s:o}", "model", reply_model(c), "created_at", ollama_time(r->created));
	if (*generates)
		json_object_set_new(o, "response", json_stringn(text, bytes));
	else
		json_object_set_new(o, "message",
				    json_pack("{s:s, s:s%}", "role", "assistant", "content", text, bytes));
	return o;
}

/* Takes v. Of a chat it is a member of the message. */
static void add(json_t *o, const char *name, json_t *v)
{
	json_t *message = json_object_get(o, "message");
	json_object_set_new(message ? message : o, name, v);
}

static json_t *call_of(const char *id, size_t index, const char *name, const char *arguments)
{
	return json_pack("{s:s, s:{s:I, s:s, s:o}}", "id", id, "function", "index", (json_int_t)index, "name", name,
			 "arguments", reply_arguments(arguments));
}

static void send(struct api_call *c, json_t *o)
{
	json_object_set_new(o, "done", json_false());
	call_stream_json(c, NULL, o);
}

static void delta(struct api_call *c, uint32_t i, const char *text, size_t bytes, json_t *logprobs)
{
	(void)i;
	(void)logprobs;
	if (bytes > 0)
		send(c, piece(c, text, bytes));
}

static void thought(struct api_call *c, uint32_t i, const char *text, size_t bytes)
{
	json_t *o = piece(c, "", 0);
	(void)i;
	add(o, "thinking", json_stringn(text, bytes));
	send(c, o);
}

/* A call is told when it is whole. */
static void call(struct api_call *c, uint32_t i, const struct answer_part *p)
{
	(void)i;
	if (p->kind != ANSWER_CALL)
		return;
	json_t *o = piece(c, "", 0);
	add(o, "tool_calls", json_pack("[o]", call_of(p->id, p->index, p->name, p->arguments)));
	send(c, o);
}

static void choice_end(struct api_call *c, uint32_t i)
{
	(void)c;
	(void)i; /* the last line says it */
}

/* Takes o: that it is the last, and what it took, in nanoseconds. */
static json_t *ended(const struct api_call *c, json_t *o)
{
	const struct reply *r = c->reply;
	const struct kvik_usage *u = &r->prompts[0].usage;
	json_object_update_new(o, json_pack("{s:b, s:s, s:I, s:i, s:I, s:I, s:I, s:I}", "done", 1, "done_reason",
					    r->choices[0].finish == KVIK_FINISH_LENGTH ? "length" : "stop",
					    "total_duration", (json_int_t)(u->total_ms * 1e6), "load_duration", 0,
					    "prompt_eval_count", (json_int_t)u->prompt_tokens, "prompt_eval_duration",
					    (json_int_t)((u->first_token_ms - u->queue_ms) * 1e6), "eval_count",
					    (json_int_t)u->new_tokens, "eval_duration",
					    (json_int_t)((u->total_ms - u->first_token_ms) * 1e6)));
	if (r->explain)
		json_object_set_new(o, "x_kvik", reply_explain(c));
	return o;
}

static void end(struct api_call *c)
{
	call_stream_json(c, NULL, ended(c, piece(c, "", 0)));
	call_stream_end(c, false);
}

static void whole(struct api_call *c)
{
	const struct reply_choice *ch = &c->reply->choices[0];
	const struct buf *said = c->reply->is_chat ? &ch->said : &ch->text;
	json_t *o = piece(c, said->data, said->n), *calls = json_array(), *call;
	size_t i;
	if (ch->thought.n > 0)
		add(o, "thinking", json_stringn(ch->thought.data, ch->thought.n));
	json_array_foreach(ch->calls, i, call)
	{
		const json_t *f = json_object_get(call, "function");
		json_array_append_new(calls, call_of(json_string_value(json_object_get(call, "id")), i,
						     json_string_value(json_object_get(f, "name")),
						     json_string_value(json_object_get(f, "arguments"))));
	}
	if (json_array_size(calls) > 0)
		add(o, "tool_calls", json_incref(calls));
	json_decref(calls);
	call_json(c, 200, ended(c, o));
}

static const struct dialect dialect = {NULL, delta, choice_end, end, whole, thought, call, NULL};

/* ---- The request ------------------------------------------------------------------------------------------------- */

struct ollama_fields {
	json_t *messages, *tools, *think, *format, *num_predict, *num_ctx, *context;
	const char *prompt, *system, *suffix;
	bool raw;
	json_t *words, *chat; /* to the template; owned */
};

enum { OWN_MAX = 13 };

/* The fields of both paths, and those of one; returns how many. */
static size_t fields_of(struct reply *r, struct ollama_fields *f, struct field own[OWN_MAX])
{
	const bool *generates = r->state;
	const struct field shared[] = {
		{"model", FIELD_STRING, &r->model, 0, 0},   {"name", FIELD_STRING, &r->model, 0, 0},
		{"stream", FIELD_BOOL, &r->stream, 0, 0},   {"format", FIELD_JSON, &f->format, 0, 0},
		{"think", FIELD_JSON, &f->think, 0, 0},     {"num_predict", FIELD_JSON, &f->num_predict, 0, 0},
		{"num_ctx", FIELD_JSON, &f->num_ctx, 0, 0}, {"x_kvik", FIELD_JSON, &r->x_kvik, 0, 0},
	};
	const struct field of_chat[] = {
		{"messages", FIELD_JSON, &f->messages, 0, 0},
		{"tools", FIELD_JSON, &f->tools, 0, 0},
	};
	const struct field of_generate[] = {
		{"prompt", FIELD_STRING, &f->prompt, 0, 0}, {"system", FIELD_STRING, &f->system, 0, 0},
		{"suffix", FIELD_STRING, &f->suffix, 0, 0}, {"context", FIELD_JSON, &f->context, 0, 0},
		{"raw", FIELD_BOOL, &f->raw, 0, 0},
	};
	size_t n = sizeof shared / sizeof *shared, more = *generates ? sizeof of_generate : sizeof of_chat;
	memcpy(own, shared, sizeof shared);
	memcpy(own + n, *generates ? of_generate : of_chat, more);
	return n + more / sizeof *own;
}

static int read_body(struct api_call *c, struct ollama_fields *f, struct field_error *e)
{
	struct reply *r = c->reply;
	json_t *format = NULL;
	struct field own[OWN_MAX];
	r->stream = true;
	int rc = reply_read(c, own, fields_of(r, f, own), e);
	if (!rc && r->sampling.n != 1)
		rc = field_fail(e, "n", "'n' is not a parameter here");
	if (!rc && f->suffix && f->suffix[0])
		rc = field_fail(e, "suffix", "'suffix' is not supported here: /infill and /v1/completions have it");
	if (!rc && json_array_size(f->context) > 0)
		rc = field_fail(e, "context", "'context' is not supported: say the text again, the cache knows it");
	if (!rc)
		rc = ollama_think(f->words, f->think, e);
	if (!rc)
		rc = ollama_format(&format, f->format, e);
	if (!rc && format)
		rc = structured_format(&r->structured, format, "format", r->constraints, c->api->config.engine.vocab,
				       e);
	json_decref(format);
	if (!rc && json_number_value(f->num_ctx) > c->api->config.engine.context)
		api_warn_once(c->api,
			      "requests set 'num_ctx' beyond the context of this server, which kvik serve --ctx sets");
	return rc ? rc : reply_read_max_tokens(c, "num_predict", f->num_predict, false, e);
}

/* Nothing to say: clients ask so whether the model is there. */
static void loaded(struct api_call *c)
{
	json_t *o = piece(c, "", 0);
	json_object_set_new(o, "done", json_true());
	json_object_set_new(o, "done_reason", json_string("load"));
	call_json(c, 200, o);
}

static void answer_raw(struct api_call *c, const struct ollama_fields *f)
{
	struct reply_prompt *p = reply_add_prompt(c);
	c->reply->is_chat = false;
	if (p && prompt_tokenize(c, p, f->prompt, strlen(f->prompt), true) == 0)
		reply_start(c);
}

static void answer(struct api_call *c, struct ollama_fields *f)
{
	struct field_error e;
	if (f->prompt && f->raw && f->prompt[0])
		answer_raw(c, f);
	else if (ollama_messages(&f->chat, f->messages, f->system, f->prompt, &e))
		call_bad_field(c, &e);
	else if (json_array_size(f->chat) == 0)
		loaded(c);
	else if (chat_prompt(c, &(struct chat_request){.messages = f->chat,
						       .tools = json_array_size(f->tools) > 0 ? f->tools : NULL,
						       .kwargs = f->words}) == 0)
		reply_start(c);
}

static void handle(struct api_call *c, json_t *body, bool generates)
{
	struct reply *r = reply_new(c, &dialect, ollama_flat(body), "ollama-");
	struct ollama_fields f = {.words = json_object()};
	struct field_error e;
	bool *which = r ? mem_zalloc(1, sizeof *which) : NULL;
	if (which) {
		*which = generates;
		r->state = which;
		r->is_chat = true;
	}
	if (!which || !f.words)
		call_error(c, 500, "server_error", NULL, "out of memory");
	else if (read_body(c, &f, &e))
		call_bad_field(c, &e);
	else
		answer(c, &f);
	json_decref(f.words);
	json_decref(f.chat);
}

void ollama_chat(struct api_call *c, json_t *body)
{
	handle(c, body, false);
}

void ollama_generate(struct api_call *c, json_t *body)
{
	handle(c, body, true);
}

/* ---- Embeddings -------------------------------------------------------------------------------------------------- */

static void embeddings_whole(struct api_call *c)
{
	const struct reply *r = c->reply;
	size_t dim = c->api->config.engine.model.dim;
	struct kvik_usage u = reply_total(r);
	const bool *one = r->state;
	json_t *list = json_array();
	for (uint32_t i = 0; i < r->n_prompts; i++)
		json_array_append_new(list, reply_floats(r->prompts[i].embedding, dim));
	json_t *o = json_pack("{s:s}", "model", reply_model(c));
	if (*one) {
		json_object_set(o, "embedding", json_array_get(list, 0));
		json_decref(list);
	} else {
		json_object_set_new(o, "embeddings", list);
	}
	json_object_update_new(o, json_pack("{s:I, s:i, s:I}", "total_duration", (json_int_t)(u.total_ms * 1e6),
					    "load_duration", 0, "prompt_eval_count", (json_int_t)u.prompt_tokens));
	call_json(c, 200, o);
}

static const struct dialect embeddings_dialect = {.whole = embeddings_whole};

static void embed(struct api_call *c, json_t *body, bool one)
{
	const char *field = one ? "prompt" : "input";
	json_t *flat = ollama_flat(body), *input = NULL;
	struct reply *r = reply_new(c, &embeddings_dialect, flat, "ollama-");
	bool *state = r ? mem_zalloc(1, sizeof *state) : NULL;
	struct field_error e;
	if (!state) {
		call_error(c, 500, "server_error", NULL, "out of memory");
		return;
	}
	*state = one;
	r->state = state;
	r->pooling = KVIK_POOLING_MEAN;
	const struct field fields[] = {
		{"model", FIELD_STRING, &r->model, 0, 0},    {field, FIELD_JSON, &input, 0, 0},
		{"truncate", FIELD_NO_EFFECT, NULL, 0, 0}, /* what is too long is an error */
		{"keep_alive", FIELD_NO_EFFECT, NULL, 0, 0}, {"num_ctx", FIELD_NO_EFFECT, NULL, 0, 0},
	};
	if (fields_read(flat, fields, sizeof fields / sizeof *fields, &e))
		call_bad_field(c, &e);
	else if (!input || (one && !json_is_string(input)))
		call_error(c, 400, "invalid_request_error", field, "'%s' is missing", field);
	else if (reply_read_prompts(c, input, field) == 0)
		reply_start(c);
}

void ollama_embed(struct api_call *c, json_t *body)
{
	embed(c, body, false);
}

void ollama_embeddings(struct api_call *c, json_t *body)
{
	embed(c, body, true);
}
