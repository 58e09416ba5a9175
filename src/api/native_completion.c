/* native_completion.c: llama-server's POST /completion and /infill, for the programs that speak it. */
#include <string.h>

#include "api/infill.h"
#include "api/reply.h"
#include "api/routes.h"
#include "base/mem.h"

/* ---- Answers ----------------------------------------------------------------------------------------------------- */

/* What the answer was made with. */
static json_t *settings(const struct api_call *c)
{
	const struct reply *r = c->reply;
	const struct kvik_generate_params *g = &r->sampling.generate;
	const struct kvik_sampling *s = &r->sampling.draw;
	json_int_t n_predict = r->no_answer ? 0 : g->max_tokens ? (json_int_t)g->max_tokens : -1;
	json_t *stop = json_array();
	for (size_t i = 0; i < g->n_stop; i++)
		json_array_append_new(stop, json_stringn(g->stop[i], g->stop_bytes[i]));
	return json_pack("{s:I, s:I, s:I, s:f, s:i, s:f, s:f, s:i, s:f, s:f, s:f, s:o, s:b, s:b, s:i}", "n_predict",
			 n_predict, "max_tokens", n_predict, "seed", (json_int_t)s->seed, "temperature",
			 reply_number(s->temperature), "top_k", (int)s->top_k, "top_p", reply_number(s->top_p), "min_p",
			 reply_number(s->min_p), "repeat_last_n", s->penalty_last_n ? (int)s->penalty_last_n : -1,
			 "repeat_penalty", reply_number(s->repeat_penalty), "presence_penalty",
			 reply_number(s->presence_penalty), "frequency_penalty", reply_number(s->frequency_penalty),
			 "stop", stop, "ignore_eos", g->ignore_end, "stream", r->stream, "n_probs",
			 (int)r->top_logprobs);
}

/* Nothing is ever shifted out: an answer that fills the context ends. */
static bool filled_context(const struct api_call *c, const struct reply_prompt *p, const struct reply_choice *ch)
{
	return p->n_ids + ch->tokens >= c->api->config.engine.context;
}

static const char *stop_type(const struct reply_choice *ch)
{
	return ch->finish == KVIK_FINISH_LENGTH ? "limit" : ch->stop ? "word" : "eos";
}

/* The prompt as the model saw it, special tokens included. */
static json_t *prompt_text(const struct api_call *c, const struct reply_prompt *p)
{
	const struct kvik_vocab *v = c->api->config.engine.vocab;
	char *text = NULL;
	size_t bytes = 0;
	if (!v || kvik_detokenize(v, p->ids, p->n_ids, KVIK_KEEP_SPECIAL, &text, &bytes, NULL))
		return json_string("");
	json_t *s = json_stringn(text, bytes);
	kvik_free(text);
	return s;
}

static json_t *partial(const struct api_call *c, uint32_t i, const char *text, size_t bytes, bool stop, json_t *ids)
{
	const struct reply *r = c->reply;
	return json_pack("{s:i, s:s%, s:o, s:b, s:i, s:I, s:I}", "index", (int)i, "content", text, bytes, "tokens", ids,
			 "stop", stop, "id_slot", r->slot > 0 ? (int)r->slot : 0, "tokens_predicted",
			 (json_int_t)r->choices[i].tokens, "tokens_evaluated",
			 (json_int_t)reply_prompt_of(r, i)->n_ids);
}

/* Puts the fields of `all` that were asked for into a new object, under the paths by which they were asked for
 * ("generation_settings/seed"); takes all's reference. */
static json_t *pick_fields(json_t *all, const json_t *paths)
{
	json_t *picked = json_object(), *path;
	size_t i;
	json_array_foreach((json_t *)paths, i, path)
	{
		const char *at = json_string_value(path), *slash;
		const json_t *v = all;
		for (; v && (slash = strchr(at, '/')); at = slash + 1)
			v = json_object_getn(v, at, (size_t)(slash - at));
		v = json_object_get(v, at);
		if (v)
			json_object_set(picked, json_string_value(path), (json_t *)v);
	}
	json_decref(all);
	return picked;
}

/* All there is to say about an answer that has ended. */
static json_t *result(struct api_call *c, uint32_t i)
{
	struct reply *r = c->reply;
	const struct reply_choice *ch = &r->choices[i];
	const struct reply_prompt *p = reply_prompt_of(r, i);
	const json_t *fields = r->state ? *(json_t **)r->state : NULL;
	bool list_ids = ch->ids && !r->stream;
	json_t *o = partial(c, i, r->stream ? "" : ch->text.data, r->stream ? 0 : ch->text.n, true,
			    list_ids ? json_incref(ch->ids) : reply_unsent_ids(r, i));
	json_object_set_new(o, "model", json_string(c->api->config.model_name));
	json_object_set_new(o, "generation_settings", settings(c));
	json_object_set_new(o, "prompt", prompt_text(c, p));
	json_object_set_new(o, "has_new_line", json_boolean(memchr(ch->text.data, '\n', ch->text.n) != NULL));
	json_object_set_new(o, "truncated", json_boolean(filled_context(c, p, ch)));
	json_object_set_new(o, "stop_type", json_string(stop_type(ch)));
	json_object_set_new(o, "stopping_word", json_stringn(ch->stop ? ch->stop : "", ch->stop_bytes));
	json_object_set_new(o, "tokens_cached", json_integer((json_int_t)p->n_ids + ch->tokens));
	json_object_set_new(o, "timings", reply_timings(c, i));
	if (ch->logprobs && !r->stream)
		json_object_set(o, "completion_probabilities", ch->logprobs);
	if (r->explain)
		json_object_set_new(o, "x_kvik", reply_explain(c));
	return json_array_size(fields) > 0 ? pick_fields(o, fields) : o;
}

static void delta(struct api_call *c, uint32_t i, const char *text, size_t bytes, json_t *logprobs)
{
	json_t *o = partial(c, i, text, bytes, false, reply_unsent_ids(c->reply, i));
	if (logprobs)
		json_object_set(o, "completion_probabilities", logprobs);
	if (c->reply->timings_per_token)
		json_object_set_new(o, "timings", reply_timings(c, i));
	call_stream_json(c, NULL, o);
}

static void choice_end(struct api_call *c, uint32_t i)
{
	(void)c;
	(void)i; /* the end of the stream says it */
}

static void end(struct api_call *c)
{
	for (uint32_t i = 0; i < c->reply->n_choices; i++)
		call_stream_json(c, NULL, result(c, i));
	call_stream_end(c, false);
}

static void whole(struct api_call *c)
{
	const struct reply *r = c->reply;
	if (r->n_choices == 1) {
		call_json(c, 200, result(c, 0));
		return;
	}
	json_t *list = json_array();
	for (uint32_t i = 0; i < r->n_choices; i++)
		json_array_append_new(list, result(c, i));
	call_json(c, 200, list);
}

static const struct dialect dialect = {chat_logprob, delta, choice_end, end, whole, NULL, NULL, NULL};

/* ---- The request ------------------------------------------------------------------------------------------------- */

static int read_fields(struct api_call *c, const json_t *fields, struct field_error *e)
{
	size_t i;
	json_t *v;
	bool ok = !fields || json_is_array(fields);
	json_array_foreach((json_t *)fields, i, v) ok = ok && json_is_string(v);
	if (!ok)
		return field_fail(e, "response_fields", "'response_fields' must be a list of names");
	const json_t **kept = mem_alloc(sizeof *kept);
	if (kept)
		*kept = fields;
	c->reply->state = (void *)kept;
	return 0;
}

struct native_fields {
	json_t *prompt, *n_predict, *max_tokens, *response_fields, *salt, *slot;
	json_t *prefix, *suffix, *extra; /* of /infill */
	json_t *predict_ms;
};

static int read_body(struct api_call *c, struct native_fields *f, bool infill, struct field_error *e)
{
	struct reply *r = c->reply;
	const struct field own[] = {
		{"model", FIELD_STRING, &r->model, 0, 0},
		{"prompt", FIELD_JSON, &f->prompt, 0, 0},
		{"stream", FIELD_BOOL, &r->stream, 0, 0},
		{"n_predict", FIELD_JSON, &f->n_predict, 0, 0},
		{"max_tokens", FIELD_JSON, &f->max_tokens, 0, 0},
		{"n_probs", FIELD_U32, &r->top_logprobs, 0, KVIK_LOGPROBS_MAX},
		{"return_tokens", FIELD_BOOL, &r->wants_ids, 0, 0},
		{"response_fields", FIELD_JSON, &f->response_fields, 0, 0},
		{"timings_per_token", FIELD_BOOL, &r->timings_per_token, 0, 0},
		{"cache_salt", FIELD_JSON, &f->salt, 0, 0},
		{"id_slot", FIELD_JSON, &f->slot, 0, 0},
		{"x_kvik", FIELD_JSON, &r->x_kvik, 0, 0},
		{"n_indent", FIELD_U32, &r->indent, 0, 1000},
		{"t_max_predict_ms", FIELD_JSON, &f->predict_ms, 0, 0},
		{"t_max_prompt_ms", FIELD_NO_EFFECT, NULL, 0, 0}, /* llama-server reads it, and does nothing with it */
		{"input_prefix", FIELD_JSON, &f->prefix, 0, 0},
		{"input_suffix", FIELD_JSON, &f->suffix, 0, 0},
		{"input_extra", FIELD_JSON, &f->extra, 0, 0},
		/* What editors name is how tokens are drawn anyway, in another order. */
		{"samplers", FIELD_NO_EFFECT, NULL, 0, 0},
	};
	enum { OF_INFILL = 4 };
	int64_t ms = 0;
	size_t n = sizeof own / sizeof *own - (infill ? 0 : OF_INFILL);
	int rc = reply_read(c, own, n, e);
	if (!rc)
		rc = f->n_predict ? reply_read_max_tokens(c, "n_predict", f->n_predict, true, e)
				  : reply_read_max_tokens(c, "max_tokens", f->max_tokens, true, e);
	if (!rc && f->predict_ms && !field_whole(f->predict_ms, -1, UINT32_MAX, &ms))
		rc = field_fail(e, "t_max_predict_ms", "'t_max_predict_ms' must be a number of milliseconds");
	r->predict_ms = ms > 0 ? (uint32_t)ms : 0;
	if (!rc)
		rc = read_fields(c, f->response_fields, e);
	if (!rc)
		rc = reply_read_cache_salt(c, f->salt, e);
	if (!rc && f->slot && !field_whole(f->slot, -1, c->api->config.engine.sequences - 1, &r->slot))
		rc = field_fail(e, "id_slot", "'id_slot' must be -1..%u", c->api->config.engine.sequences - 1);
	r->wants_ids |= r->stream; /* llama-server's streams always show them */
	r->wants_logprobs = r->top_logprobs > 0;
	return rc;
}

static int make_prompts(struct api_call *c, const struct native_fields *f, bool infill)
{
	const struct infill q = {f->prefix, f->suffix, f->prompt, f->extra};
	return infill ? infill_prompt(c, &q) : reply_read_prompts(c, f->prompt, "prompt");
}

static void complete(struct api_call *c, json_t *body, bool infill)
{
	struct field_error e;
	struct native_fields f = {0};
	if (!reply_new(c, &dialect, body, "cmpl-"))
		call_error(c, 500, "server_error", NULL, "out of memory");
	else if (read_body(c, &f, infill, &e))
		call_bad_field(c, &e);
	else if (make_prompts(c, &f, infill) == 0)
		reply_start(c);
}

void native_completion(struct api_call *c, json_t *body)
{
	complete(c, body, false);
}

void native_infill(struct api_call *c, json_t *body)
{
	complete(c, body, true);
}
