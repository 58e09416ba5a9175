/* native.c: llama-server's own paths, for the programs that speak them: /completion, /tokenize, /detokenize,
 * /apply-template, /props, /slots, /health; and /v1/models. */
#include <string.h>

#include "api/reply.h"
#include "api/routes.h"
#include "base/mem.h"

static const struct kvik_model *model_of(const struct api_call *c)
{
	return kvik_engine_model(c->api->config.engine);
}

static void bad_field(struct api_call *c, const struct field_error *e)
{
	call_error(c, 400, "invalid_request_error", e->param[0] ? e->param : NULL, "%s", e->text);
}

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
		bad_field(c, &e);
		return;
	}
	json_int_t want = json_integer_value(n_predict);
	r->sampling.generate.max_tokens = want > 0 && want < UINT32_MAX ? (uint32_t)want : 0;
	r->sampling.generate.n_logprobs = n_probs;
	r->wants_logprobs = n_probs > 0;
	if (read_prompt(c, prompt) == 0)
		reply_start(c);
}

/* ---- Text and tokens --------------------------------------------------------------------------------------------- */

void native_tokenize(struct api_call *c, json_t *body)
{
	const char *content = "";
	bool add_special = false, parse_special = true, pieces = false;
	const struct field fields[] = {{"content", FIELD_STRING, &content, 0, 0},
				       {"add_special", FIELD_BOOL, &add_special, 0, 0},
				       {"parse_special", FIELD_BOOL, &parse_special, 0, 0},
				       {"with_pieces", FIELD_BOOL, &pieces, 0, 0}};
	const struct kvik_vocab *v = kvik_model_vocab(model_of(c));
	struct field_error e;
	struct kvik_err err;
	uint32_t *ids = NULL;
	size_t n = 0;
	if (fields_read(body, fields, sizeof fields / sizeof *fields, &e)) {
		bad_field(c, &e);
	} else if (!v) {
		call_error(c, 400, "invalid_request_error", NULL, "this model has no vocabulary");
	} else if (kvik_tokenize(v, content, strlen(content),
				 (add_special ? KVIK_ADD_SPECIAL : 0u) | (parse_special ? KVIK_PARSE_SPECIAL : 0u),
				 &ids, &n, &err)) {
		call_kvik_error(c, &err, 0);
	} else {
		json_t *list = json_array();
		for (size_t i = 0; i < n; i++) {
			size_t bytes = 0;
			char *text = pieces ? call_token_text(c, ids[i], &bytes) : NULL;
			json_array_append_new(
				list, pieces ? json_pack("{s:I, s:o}", "id", (json_int_t)ids[i], "piece",
							 text ? json_stringn_nocheck(text, bytes) : json_string(""))
					     : json_integer(ids[i]));
			kvik_free(text);
		}
		call_json(c, 200, json_pack("{s:o}", "tokens", list));
	}
	kvik_free(ids);
	json_decref(body);
}

void native_detokenize(struct api_call *c, json_t *body)
{
	json_t *tokens = NULL, *v;
	const struct field fields[] = {{"tokens", FIELD_JSON, &tokens, 0, 0}};
	const struct kvik_vocab *vocab = kvik_model_vocab(model_of(c));
	struct field_error e;
	struct kvik_err err = {0};
	char *text = NULL;
	size_t i, bytes = 0, n;
	int rc = fields_read(body, fields, 1, &e);
	n = json_array_size(tokens);
	uint32_t *ids = rc ? NULL : mem_zalloc(n + 1, sizeof *ids);
	bool ok = ids && json_is_array(tokens);
	json_array_foreach(tokens, i, v)
	{
		ok = ok && json_is_integer(v) && json_integer_value(v) >= 0 && json_integer_value(v) < UINT32_MAX;
		if (ok)
			ids[i] = (uint32_t)json_integer_value(v);
	}
	if (rc)
		bad_field(c, &e);
	else if (!ok || !vocab)
		call_error(c, 400, "invalid_request_error", "tokens", "'tokens' must be a list of token ids");
	else if (kvik_detokenize(vocab, ids, n, KVIK_KEEP_SPECIAL, &text, &bytes, &err))
		call_kvik_error(c, &err, 0);
	else
		call_json(c, 200, json_pack("{s:s%}", "content", text, bytes));
	kvik_free(text);
	mem_free(ids);
	json_decref(body);
}

void native_apply_template(struct api_call *c, json_t *body)
{
	json_t *messages = NULL, *tools = NULL, *kwargs = NULL;
	bool add = true;
	const struct field fields[] = {{"messages", FIELD_JSON, &messages, 0, 0},
				       {"tools", FIELD_JSON, &tools, 0, 0},
				       {"chat_template_kwargs", FIELD_JSON, &kwargs, 0, 0},
				       {"add_generation_prompt", FIELD_BOOL, &add, 0, 0},
				       {"model", FIELD_NO_EFFECT, NULL, 0, 0}};
	struct field_error e;
	char *prompt = NULL;
	size_t bytes;
	if (fields_read(body, fields, sizeof fields / sizeof *fields, &e))
		bad_field(c, &e);
	else if (kwargs && !json_is_object(kwargs))
		call_error(c, 400, "invalid_request_error", "chat_template_kwargs",
			   "'chat_template_kwargs' must be an object");
	else if (chat_render(c, messages, tools, kwargs, add, &prompt, &bytes) == 0)
		call_json(c, 200, json_pack("{s:s%}", "prompt", prompt, bytes));
	mem_free(prompt);
	json_decref(body);
}

/* ---- Looks at the server ----------------------------------------------------------------------------------------- */

void native_health(struct api_call *c, json_t *body)
{
	json_decref(body);
	struct kvik_engine_stats s = kvik_engine_get_stats(c->api->config.engine);
	if (s.draining)
		call_json(c, 503,
			  json_pack("{s:{s:s, s:s, s:i}}", "error", "message", "shutting down", "type",
				    "unavailable_error", "code", 503));
	else
		call_json(c, 200, json_pack("{s:s}", "status", "ok"));
}

void native_props(struct api_call *c, json_t *body)
{
	struct kvik_model_info m = kvik_model_get_info(model_of(c));
	json_decref(body);
	call_json(c, 200,
		  json_pack("{s:s, s:s, s:s?, s:s, s:{s:I}, s:{s:s, s:i, s:i, s:i, s:i, s:i, s:I}}", "model_alias",
			    c->api->config.model_name, "model_path", c->api->config.model_name, "chat_template",
			    c->api->config.chat_template, "build_info", kvik_version(), "default_generation_settings",
			    "n_ctx", (json_int_t)m.context, "model", "architecture", m.architecture, "layers",
			    (int)m.layers, "dim", (int)m.dim, "heads", (int)m.heads, "kv_heads", (int)m.kv_heads,
			    "vocab_size", (int)m.vocab_size, "parameters", (json_int_t)m.parameters));
}

void native_slots(struct api_call *c, json_t *body)
{
	struct kvik_engine_stats s = kvik_engine_get_stats(c->api->config.engine);
	json_decref(body);
	call_json(c, 200,
		  json_pack("[{s:i, s:b, s:i, s:i, s:I, s:I, s:I, s:I}]", "id", 0, "is_processing", s.running > 0,
			    "running", (int)s.running, "waiting", (int)s.waiting, "kv_bytes_used",
			    (json_int_t)s.kv_bytes_used, "kv_bytes_cached", (json_int_t)s.kv_bytes_cached,
			    "kv_bytes_ceiling", (json_int_t)s.kv_bytes_ceiling, "steps", (json_int_t)s.steps));
}

void openai_models(struct api_call *c, json_t *body)
{
	struct kvik_model_info m = kvik_model_get_info(model_of(c));
	json_decref(body);
	call_json(c, 200,
		  json_pack("{s:s, s:[{s:s, s:s, s:I, s:s, s:{s:I, s:I, s:I, s:I}}]}", "object", "list", "data", "id",
			    c->api->config.model_name, "object", "model", "created", (json_int_t)c->api->created,
			    "owned_by", "kvik", "meta", "n_vocab", (json_int_t)m.vocab_size, "n_ctx_train",
			    (json_int_t)m.context, "n_params", (json_int_t)m.parameters, "size",
			    (json_int_t)m.weight_bytes));
}
