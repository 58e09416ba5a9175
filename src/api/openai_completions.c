/* openai_completions.c: POST /v1/completions: text or token ids in, text out. */
#include <math.h>
#include <string.h>

#include "api/infill.h"
#include "api/reply.h"
#include "api/routes.h"
#include "api/text_offset.h"
#include "base/mem.h"

/* Of a stream's choice: has it been sent the prompt's echo, and where its next token begins. */
struct place {
	bool echoed;
	struct text_place at;
};

/* The first token of a prompt has nothing before it that could make it probable. */
static json_t *first_entry(const struct api_call *c, uint32_t id)
{
	size_t n = 0;
	char *text = call_token_text(c, id, &n);
	json_t *token = text ? json_stringn(text, n) : NULL;
	kvik_free(text);
	return json_pack("{s:I, s:o, s:n, s:n}", "id", (json_int_t)id, "token",
			 token ? token : json_sprintf("<%u>", id), "logprob", "top");
}

/* One token: {"id", "token", "logprob", "top": {text: logprob}}; put together by logprobs_object. The token itself is
 * always among the top ones, so that there may be one more than was asked for. */
static json_t *logprob(const struct api_call *c, const struct kvik_token *t)
{
	if (isnan(t->logprob))
		return first_entry(c, t->id);
	json_t *chat = chat_logprob(c, t), *top = json_object(), *v;
	const json_t *token = json_object_get(chat, "token"), *value = json_object_get(chat, "logprob");
	size_t i;
	json_array_foreach(json_object_get(chat, "top_logprobs"), i, v)
	{
		const json_t *text = json_object_get(v, "token");
		if (!json_object_getn(top, json_string_value(text),
				      json_string_length(text))) /* of two with one text */
			json_object_setn(top, json_string_value(text), json_string_length(text),
					 json_object_get(v, "logprob"));
	}
	json_object_setn(top, json_string_value(token), json_string_length(token), (json_t *)(uintptr_t)value);
	json_t *o = json_pack("{s:O, s:O, s:O, s:o}", "id", json_object_get(chat, "id"), "token", token, "logprob",
			      value, "top", top);
	json_decref(chat);
	return o;
}

/* OpenAI's parallel lists. */
struct lists {
	json_t *tokens, *values, *top, *offsets;
};

static struct lists lists_new(void)
{
	return (struct lists){json_array(), json_array(), json_array(), json_array()};
}

static void add_entries(struct lists *l, const struct api_call *c, const json_t *entries, struct text_place *at)
{
	json_t *v;
	size_t i;
	json_array_foreach((json_t *)(uintptr_t)entries, i, v)
	{
		uint32_t id = (uint32_t)json_integer_value(json_object_get(v, "id"));
		json_array_append(l->tokens, json_object_get(v, "token"));
		json_array_append(l->values, json_object_get(v, "logprob"));
		json_array_append(l->top, json_object_get(v, "top"));
		json_array_append_new(l->offsets, json_integer((json_int_t)text_place_pass(at, c, id)));
	}
}

static json_t *lists_object(const struct lists *l)
{
	return json_pack("{s:o, s:o, s:o, s:o}", "tokens", l->tokens, "token_logprobs", l->values, "top_logprobs",
			 l->top, "text_offset", l->offsets);
}

static void add_echo(struct lists *l, const struct api_call *c, const struct reply_prompt *p)
{
	struct text_place at = {.text = p->echo, .bytes = p->echo_bytes, .whole = true};
	add_entries(l, c, p->logprobs, &at);
}

/* Of a whole answer, behind its echo if there is one; NULL: not wanted. */
static json_t *whole_logprobs(const struct api_call *c, uint32_t i)
{
	const struct reply_choice *ch = &c->reply->choices[i];
	const struct reply_prompt *p = reply_prompt_of(c->reply, i);
	struct text_place at = {.text = ch->text.data, .bytes = ch->text.n, .whole = true};
	struct lists l;
	if (!ch->logprobs)
		return NULL;
	l = lists_new();
	add_echo(&l, c, p);
	at.chars = text_characters(p->echo, p->echo_bytes);
	add_entries(&l, c, ch->logprobs, &at);
	return lists_object(&l);
}

static json_t *head(const struct api_call *c)
{
	const struct reply *r = c->reply;
	return json_pack("{s:s, s:s, s:I, s:s, s:s}", "id", r->id, "object", "text_completion", "created",
			 (json_int_t)r->created, "model", reply_model(c), "system_fingerprint", "kvik");
}

static void send_chunk(struct api_call *c, uint32_t i, const char *text, size_t bytes, json_t *logprobs,
		       const char *finish)
{
	json_t *o = head(c);
	json_object_set_new(o, "choices",
			    json_pack("[{s:i, s:s%, s:o?, s:s?}]", "index", (int)i, "text", text, bytes, "logprobs",
				      logprobs, "finish_reason", finish));
	if (c->reply->include_usage)
		json_object_set_new(o, "usage", c->reply->usage_in_chunks ? reply_usage_so_far(c, i) : json_null());
	call_stream_json(c, NULL, o);
}

/* The prompt's part of a stream, before a choice's first own. */
static void send_echo(struct api_call *c, uint32_t i)
{
	const struct reply_prompt *p = reply_prompt_of(c->reply, i);
	struct place *place = (struct place *)c->reply->state + i;
	struct lists l;
	if (place->echoed)
		return;
	place->echoed = true;
	place->at.chars = text_characters(p->echo, p->echo_bytes);
	if (!p->echo)
		return;
	if (p->logprobs) {
		l = lists_new();
		add_echo(&l, c, p);
	}
	send_chunk(c, i, p->echo, p->echo_bytes, p->logprobs ? lists_object(&l) : NULL, NULL);
}

static void delta(struct api_call *c, uint32_t i, const char *text, size_t bytes, json_t *logprobs)
{
	struct place *place = (struct place *)c->reply->state + i;
	struct lists l;
	send_echo(c, i);
	if (logprobs) {
		l = lists_new();
		place->at.text = c->reply->choices[i].text.data;
		place->at.bytes = c->reply->choices[i].text.n;
		add_entries(&l, c, logprobs, &place->at);
	}
	send_chunk(c, i, text, bytes, logprobs ? lists_object(&l) : NULL, NULL);
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

static json_t *whole_choice(const struct api_call *c, uint32_t i)
{
	const struct reply_choice *ch = &c->reply->choices[i];
	const struct reply_prompt *p = reply_prompt_of(c->reply, i);
	json_t *o = json_pack("{s:i, s:s%+%, s:o?, s:s}", "index", (int)i, "text", p->echo ? p->echo : "",
			      p->echo_bytes, ch->text.data, ch->text.n, "logprobs", whole_logprobs(c, i),
			      "finish_reason", kvik_finish_name(ch->finish));
	if (c->reply->prompt_by_id)
		json_object_set(o, "prompt_logprobs", p->by_id);
	return o;
}

static void whole(struct api_call *c)
{
	const struct reply *r = c->reply;
	json_t *o = head(c), *choices = json_array();
	for (uint32_t i = 0; i < r->n_choices; i++)
		json_array_append_new(choices, whole_choice(c, i));
	json_object_set_new(o, "choices", choices);
	json_object_set_new(o, "usage", reply_usage(c));
	if (r->explain)
		json_object_set_new(o, "x_kvik", reply_explain(c));
	call_json(c, 200, o);
}

static const struct dialect dialect = {logprob, delta, choice_end, end, whole, NULL, NULL, NULL};

/* ---- The request ------------------------------------------------------------------------------------------------- */

/* A text as it was given; ids as what they stand for, special tokens too. */
static int make_echo(struct api_call *c, struct reply_prompt *p)
{
	const struct kvik_vocab *v = c->api->config.engine.vocab;
	struct kvik_err err;
	int rc = 0;
	if (p->text) {
		p->echo = p->text;
		p->echo_bytes = p->text_bytes;
		p->text = NULL;
	} else if (!v) {
		rc = err_set(&err, KVIK_ERR_ARG, "'echo' needs a vocabulary");
	} else {
		rc = kvik_detokenize(v, p->ids, p->n_ids, KVIK_KEEP_SPECIAL, &p->echo, &p->echo_bytes, &err);
	}
	if (rc)
		call_kvik_error(c, &err, 0);
	return rc;
}

/* Each prompt before its answers, with log-probabilities where they are wanted. */
static int prepare_echo(struct api_call *c)
{
	struct reply *r = c->reply;
	r->echo_logprobs = r->wants_logprobs;
	for (uint32_t i = 0; i < r->n_prompts; i++)
		if (make_echo(c, &r->prompts[i]))
			return -1;
	return 0;
}

struct completion_fields {
	json_t *prompt, *suffix, *max_tokens, *logprobs, *prompt_logprobs, *stream_options, *salt;
	uint32_t best_of;
	bool echo, add_special;
};

static int check_best_of(const struct reply *r, const struct completion_fields *f, struct field_error *e)
{
	if (f->best_of == 0 || f->best_of == r->sampling.n)
		return 0;
	return field_fail(e, "best_of", "'best_of' other than 'n' is not supported: ask for all with 'n', and choose");
}

/* "logprobs": 2; some clients say true, and mean the tokens' own alone. */
static int read_logprobs(struct reply *r, const json_t *v, struct field_error *e)
{
	int64_t n = 0;
	r->wants_logprobs = v && !json_is_false(v);
	if (v && !json_is_boolean(v) && !field_whole(v, 0, 20, &n))
		return field_fail(e, "logprobs", "'logprobs' must be a number from 0 to 20");
	r->top_logprobs = (uint32_t)n;
	return 0;
}

static int read_body(struct api_call *c, struct completion_fields *f, struct field_error *e)
{
	struct reply *r = c->reply;
	const struct field own[] = {
		{"model", FIELD_STRING, &r->model, 0, 0},
		{"prompt", FIELD_JSON, &f->prompt, 0, 0},
		{"suffix", FIELD_JSON, &f->suffix, 0, 0},
		{"stream", FIELD_BOOL, &r->stream, 0, 0},
		{"stream_options", FIELD_JSON, &f->stream_options, 0, 0},
		{"max_tokens", FIELD_JSON, &f->max_tokens, 0, 0},
		{"logprobs", FIELD_JSON, &f->logprobs, 0, 0},
		{"prompt_logprobs", FIELD_JSON, &f->prompt_logprobs, 0, 0},
		{"echo", FIELD_BOOL, &f->echo, 0, 0},
		{"add_special_tokens", FIELD_BOOL, &f->add_special, 0, 0},
		{"best_of", FIELD_COUNT, &f->best_of, 1, 1e9},
		{"cache_salt", FIELD_JSON, &f->salt, 0, 0},
		{"x_kvik", FIELD_JSON, &r->x_kvik, 0, 0},
	};
	int rc = reply_read(c, own, sizeof own / sizeof *own, e);
	r->bare = !f->add_special;
	if (!rc && !f->prompt)
		rc = field_fail(e, "prompt", "'prompt' is missing");
	if (!rc && f->suffix && !(json_is_string(f->suffix) && json_is_string(f->prompt)))
		rc = field_fail(e, "suffix", "'suffix' must be a text, and then 'prompt' too");
	if (!rc)
		rc = check_best_of(r, f, e);
	if (!rc)
		rc = read_logprobs(r, f->logprobs, e);
	if (!rc)
		rc = reply_read_stream_options(r, f->stream_options, e);
	if (!rc)
		rc = reply_read_prompt_logprobs(r, f->prompt_logprobs, e);
	if (!rc)
		rc = reply_read_cache_salt(c, f->salt, e);
	if (!rc)
		rc = reply_read_max_tokens(c, "max_tokens", f->max_tokens, f->echo || r->prompt_by_id, e);
	return rc;
}

/* With a suffix the answer is what belongs between the two. */
static int make_prompts(struct api_call *c, const struct completion_fields *f)
{
	if (json_string_length(f->suffix) == 0)
		return reply_read_prompts(c, f->prompt, "prompt");
	if (infill_prompt(c, &(struct infill){.prefix = f->prompt, .suffix = f->suffix}))
		return -1;
	c->reply->prompts[0].text = mem_strndup(json_string_value(f->prompt), json_string_length(f->prompt));
	c->reply->prompts[0].text_bytes = json_string_length(f->prompt);
	return 0;
}

/* What streams remember of their choices. */
static int new_places(struct api_call *c)
{
	struct reply *r = c->reply;
	r->state = mem_zalloc(r->n_prompts * (size_t)r->sampling.n, sizeof(struct place));
	if (r->state)
		return 0;
	call_error(c, 500, "server_error", NULL, "out of memory");
	return -1;
}

void openai_completions(struct api_call *c, json_t *body)
{
	struct field_error e;
	struct completion_fields f = {.add_special = true};
	if (!reply_new(c, &dialect, body, "cmpl-"))
		call_error(c, 500, "server_error", NULL, "out of memory");
	else if (read_body(c, &f, &e))
		call_bad_field(c, &e);
	else if (make_prompts(c, &f) == 0 && (!f.echo || prepare_echo(c) == 0) && new_places(c) == 0)
		reply_start(c);
}
