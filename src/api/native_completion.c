/* native_completion.c: llama-server's POST /completion, for the programs that speak it. */
#include <string.h>

#include "api/reply.h"
#include "api/routes.h"
#include "base/mem.h"

/* ---- /completion ------------------------------------------------------------------------------------------------- */

static json_t *result(const struct api_call *c, uint32_t i, const char *text, size_t bytes, bool stop)
{
	const struct reply *r = c->reply;
	const struct reply_choice *ch = &r->choices[i];
	json_t *o = json_pack("{s:i, s:s%, s:b, s:i, s:I, s:I}", "index", (int)i, "content", text, bytes, "stop", stop,
			      "id_slot", 0, "tokens_predicted", (json_int_t)ch->tokens, "tokens_evaluated",
			      (json_int_t)r->n_ids);
	if (!stop)
		return o;
	const struct kvik_usage *u = &r->usage;
	double decode_ms = u->total_ms - u->first_token_ms;
	json_object_set_new(o, "model", json_string(c->api->config.model_name));
	json_object_set_new(o, "stop_type", json_string(ch->finish == KVIK_FINISH_LENGTH ? "limit" : "eos"));
	json_object_set_new(o, "truncated", json_false());
	json_object_set_new(o, "prompt", json_string(r->prompt ? r->prompt : ""));
	json_object_set_new(o, "tokens_cached", json_integer((json_int_t)u->prompt_tokens + u->new_tokens));
	json_object_set_new(o, "tokens", ch->ids ? json_incref(ch->ids) : json_array());
	if (ch->logprobs)
		json_object_set(o, "completion_probabilities", ch->logprobs);
	json_object_set_new(o, "timings",
			    json_pack("{s:I, s:I, s:f, s:I, s:f, s:f}", "cache_n", (json_int_t)u->cached_tokens,
				      "prompt_n", (json_int_t)u->prompt_tokens - u->cached_tokens, "prompt_ms",
				      u->first_token_ms, "predicted_n", (json_int_t)u->new_tokens, "predicted_ms",
				      decode_ms, "predicted_per_second",
				      decode_ms > 0 ? u->new_tokens * 1000.0 / decode_ms : 0.0));
	return o;
}

static void delta(struct api_call *c, uint32_t i, const char *text, size_t bytes, json_t *logprobs)
{
	json_t *o = result(c, i, text, bytes, false);
	if (logprobs)
		json_object_set(o, "completion_probabilities", logprobs);
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
		call_stream_json(c, NULL, result(c, i, "", 0, true));
	call_stream_end(c, false);
}

static void whole(struct api_call *c)
{
	const struct reply *r = c->reply;
	if (r->n_choices == 1) {
		call_json(c, 200, result(c, 0, r->choices[0].text.data, r->choices[0].text.n, true));
		return;
	}
	json_t *list = json_array();
	for (uint32_t i = 0; i < r->n_choices; i++)
		json_array_append_new(list, result(c, i, r->choices[i].text.data, r->choices[i].text.n, true));
	call_json(c, 200, list);
}

static const struct dialect dialect = {chat_logprob, delta, choice_end, end, whole};

/* One part of a mixed prompt; the first text brings the model's begin token. */
static int add_part(struct api_call *c, struct ids *all, json_t *v, bool first)
{
	struct reply *r = c->reply;
	if (json_is_string(v)) {
		if (prompt_tokenize(c, json_string_value(v), json_string_length(v), first))
			return -1;
		bool ok = ids_append(all, r->ids, r->n_ids);
		kvik_free(r->ids);
		r->ids = NULL;
		if (ok)
			return 0;
	} else if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) >= UINT32_MAX) {
		call_error(c, 400, "invalid_request_error", "prompt", "'prompt' must hold texts and token ids");
		return -1;
	} else if (ids_add(all, (uint32_t)json_integer_value(v))) {
		return 0;
	}
	call_error(c, 500, "server_error", NULL, "out of memory");
	return -1;
}

/* A text, token ids, or texts and ids mixed. */
static int read_prompt(struct api_call *c, json_t *prompt)
{
	struct reply *r = c->reply;
	size_t i;
	json_t *v;
	if (json_is_string(prompt)) {
		r->prompt = mem_strndup(json_string_value(prompt), json_string_length(prompt));
		return prompt_tokenize(c, json_string_value(prompt), json_string_length(prompt), true);
	}
	struct ids all = {0};
	int rc = 0;
	json_array_foreach(prompt, i, v)
	{
		rc = add_part(c, &all, v, i == 0);
		if (rc)
			break;
	}
	r->ids = all.data;
	r->n_ids = all.n;
	if (!rc && all.n == 0) {
		call_error(c, 400, "invalid_request_error", "prompt", "'prompt' is missing or empty");
		rc = -1;
	}
	return rc;
}

void native_completion(struct api_call *c, json_t *body)
{
	struct reply *r = reply_new(c, &dialect, body, "cmpl-");
	struct field_error e;
	json_t *prompt = NULL, *n_predict = NULL;
	uint32_t n_probs = 0;
	if (!r) {
		call_error(c, 500, "server_error", NULL, "out of memory");
		return;
	}
	r->sampling.generate.sampling.temperature = 0.8f; /* llama-server's defaults */
	r->sampling.generate.sampling.top_k = 40;
	r->sampling.generate.sampling.top_p = 0.95f;
	r->sampling.generate.sampling.min_p = 0.05f;
	const struct field own[] = {
		{"model", FIELD_STRING, &r->model, 0, 0},
		{"prompt", FIELD_JSON, &prompt, 0, 0},
		{"stream", FIELD_BOOL, &r->stream, 0, 0},
		{"n_predict", FIELD_JSON, &n_predict, 0, 0},
		{"max_tokens", FIELD_JSON, &n_predict, 0, 0},
		{"n_probs", FIELD_U32, &n_probs, 0, KVIK_LOGPROBS_MAX},
		{"return_tokens", FIELD_BOOL, &r->wants_ids, 0, 0},
		{"id_slot", FIELD_NO_EFFECT, NULL, 0, 0},
		{"n_keep", FIELD_NO_EFFECT, NULL, 0, 0}, /* nothing is ever shifted out */
		{"timings_per_token", FIELD_NO_EFFECT, NULL, 0, 0},
		{"typical_p", FIELD_NO_EFFECT, NULL, 0, 0},
		{"grammar", FIELD_FALSE_ONLY, NULL, 0, 0},
		{"json_schema", FIELD_FALSE_ONLY, NULL, 0, 0},
		{"mirostat", FIELD_FALSE_ONLY, NULL, 0, 0},
	};
	int rc = reply_read(c, own, sizeof own / sizeof *own, &e);
	if (!rc && n_predict && !json_is_integer(n_predict))
		rc = field_fail(&e, "n_predict", "'n_predict' must be an integer");
	if (rc) {
		call_bad_field(c, &e);
		return;
	}
	json_int_t want = json_integer_value(n_predict);
	r->sampling.generate.max_tokens = want > 0 && want < UINT32_MAX ? (uint32_t)want : 0;
	r->sampling.generate.n_logprobs = n_probs;
	r->wants_logprobs = n_probs > 0;
	if (read_prompt(c, prompt) == 0)
		reply_start(c);
}
