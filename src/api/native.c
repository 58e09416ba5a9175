/* native.c: llama-server's own paths, for the programs that speak them: /tokenize, /detokenize, /apply-template,
 * /props, /slots, /health; and /v1/models. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/reply.h"
#include "api/routes.h"
#include "base/mem.h"

enum { ANSWER_BYTES_MAX = 64 << 20 }; /* of /tokenize */

/* ---- Text and tokens --------------------------------------------------------------------------------------------- */

/* The text of a token, or the list of its bytes where they are no whole characters. */
static json_t *piece(const struct api_call *c, uint32_t id)
{
	size_t bytes = 0;
	char *text = call_token_text(c, id, &bytes);
	json_t *o = text ? json_stringn(text, bytes) : json_string("");
	if (!o)
		o = json_array();
	for (size_t i = 0; i < bytes && json_is_array(o); i++)
		json_array_append_new(o, json_integer((unsigned char)text[i]));
	kvik_free(text);
	return o;
}

static bool add_token(const struct api_call *c, struct buf *out, uint32_t id, bool pieces)
{
	char number[16];
	if (!pieces)
		return buf_add_text(out, number, (size_t)snprintf(number, sizeof number, "%u", id));
	json_t *o = json_pack("{s:I, s:o}", "id", (json_int_t)id, "piece", piece(c, id));
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	bool ok = text && buf_add_text(out, text, strlen(text));
	free(text);
	json_decref(o);
	return ok;
}

/* Written as it is sent: as values, millions of tokens would take fifty times as much. */
static void answer_tokens(struct api_call *c, const uint32_t *ids, size_t n, bool pieces)
{
	struct buf out = {0};
	bool ok = buf_add_text(&out, "{\"tokens\":[", 11);
	for (size_t i = 0; i < n && ok && out.n < ANSWER_BYTES_MAX; i++)
		ok = (i == 0 || buf_add_text(&out, ",", 1)) && add_token(c, &out, ids[i], pieces);
	ok = ok && buf_add_text(&out, "]}", 2);
	if (out.n > ANSWER_BYTES_MAX)
		call_error(c, 400, "invalid_request_error", "content",
			   "the list of %zu tokens would be longer than %d MiB: send the text in parts", n,
			   ANSWER_BYTES_MAX >> 20);
	else if (ok)
		call_text(c, 200, "application/json", out.data, out.n);
	else
		call_error(c, 500, "server_error", NULL, "out of memory");
	buf_release(&out);
}

void native_tokenize(struct api_call *c, json_t *body)
{
	json_t *content = NULL;
	bool add_special = false, parse_special = true, pieces = false;
	const struct field fields[] = {{"content", FIELD_JSON, &content, 0, 0},
				       {"add_special", FIELD_BOOL, &add_special, 0, 0},
				       {"parse_special", FIELD_BOOL, &parse_special, 0, 0},
				       {"with_pieces", FIELD_BOOL, &pieces, 0, 0}};
	const struct kvik_vocab *v = c->api->config.engine.vocab;
	struct field_error e;
	struct kvik_err err;
	uint32_t *ids = NULL;
	size_t n = 0;
	if (fields_read(body, fields, sizeof fields / sizeof *fields, &e)) {
		call_bad_field(c, &e);
	} else if (content && !json_is_string(content)) {
		call_error(c, 400, "invalid_request_error", "content", "'content' must be a text");
	} else if (!v) {
		call_error(c, 400, "invalid_request_error", NULL, "this model has no vocabulary");
	} else if (kvik_tokenize(v, content ? json_string_value(content) : "", json_string_length(content),
				 (add_special ? KVIK_ADD_SPECIAL : 0u) | (parse_special ? KVIK_PARSE_SPECIAL : 0u),
				 &ids, &n, &err)) {
		call_kvik_error(c, &err, 0);
	} else {
		answer_tokens(c, ids, n, pieces);
	}
	kvik_free(ids);
	json_decref(body);
}

void native_detokenize(struct api_call *c, json_t *body)
{
	json_t *tokens = NULL, *v;
	const struct field fields[] = {{"tokens", FIELD_JSON, &tokens, 0, 0}};
	const struct kvik_vocab *vocab = c->api->config.engine.vocab;
	struct field_error e;
	struct kvik_err err = {0};
	char *text = NULL;
	size_t i, bytes = 0, n;
	int64_t id;
	int rc = fields_read(body, fields, 1, &e);
	n = json_array_size(tokens);
	uint32_t *ids = rc ? NULL : mem_zalloc(n + 1, sizeof *ids);
	bool ok = ids && json_is_array(tokens);
	json_array_foreach(tokens, i, v)
	{
		ok = ok && field_whole(v, 0, UINT32_MAX - 1, &id);
		if (ok)
			ids[i] = (uint32_t)id;
	}
	if (rc)
		call_bad_field(c, &e);
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
	struct chat_request q = {0};
	const struct field fields[] = {{"messages", FIELD_JSON, &q.messages, 0, 0},
				       {"tools", FIELD_JSON, &q.tools, 0, 0},
				       {"chat_template_kwargs", FIELD_JSON, &q.kwargs, 0, 0},
				       {"add_generation_prompt", FIELD_JSON, &q.add_generation_prompt, 0, 0},
				       {"continue_final_message", FIELD_JSON, &q.continue_final, 0, 0},
				       {"model", FIELD_NO_EFFECT, NULL, 0, 0}};
	struct field_error e;
	struct chat_prompt prompt = {0};
	if (fields_read(body, fields, sizeof fields / sizeof *fields, &e))
		call_bad_field(c, &e);
	else if (q.kwargs && !json_is_object(q.kwargs))
		call_error(c, 400, "invalid_request_error", "chat_template_kwargs",
			   "'chat_template_kwargs' must be an object");
	else if (chat_render(c, &q, &prompt) == 0)
		call_json(c, 200, json_pack("{s:s%}", "prompt", prompt.text.text, prompt.text.bytes));
	chat_prompt_release(&prompt);
	json_decref(body);
}

/* ---- Looks at the server ----------------------------------------------------------------------------------------- */

void native_health(struct api_call *c, json_t *body)
{
	json_decref(body);
	struct kvik_engine_stats s = call_engine_stats(c);
	if (s.draining)
		call_json(c, 503,
			  json_pack("{s:{s:s, s:s, s:i}}", "error", "message", "shutting down", "type",
				    "unavailable_error", "code", 503));
	else
		call_json(c, 200, json_pack("{s:s}", "status", "ok"));
}

/* What a request gets that asks for nothing. */
static json_t *default_params(const struct api_call *c)
{
	const struct api_config *a = &c->api->config;
	return json_pack("{s:I, s:I}", "seed", (json_int_t)a->seed, "n_predict",
			 a->tokens_max ? (json_int_t)a->tokens_max : -1);
}

void native_props(struct api_call *c, json_t *body)
{
	const struct api_config *a = &c->api->config;
	struct kvik_model_info m = c->api->config.engine.model;
	json_decref(body);
	call_json(c, 200,
		  json_pack("{s:s, s:s, s:s?, s:s, s:i, s:{s:I, s:o}, s:{s:s, s:i, s:i, s:i, s:i, s:i, s:I}}",
			    "model_alias", a->model_name, "model_path", a->model_path, "chat_template",
			    a->chat_template, "build_info", kvik_version(), "total_slots", (int)a->engine.sequences,
			    "default_generation_settings", "n_ctx", (json_int_t)a->engine.context, "params",
			    default_params(c), "model", "architecture", m.architecture, "layers", (int)m.layers, "dim",
			    (int)m.dim, "heads", (int)m.heads, "kv_heads", (int)m.kv_heads, "vocab_size",
			    (int)m.vocab_size, "parameters", (json_int_t)m.parameters));
}

/* There are no slots with a place of their own; as many as sequences can be computed at once are shown, the busy ones
 * first, and in the first one the figures of the whole; to a key that may not see all, its own busy ones alone. */
void native_slots(struct api_call *c, json_t *body)
{
	struct kvik_engine_stats s = call_engine_stats(c);
	const struct api_engine *e = &c->api->config.engine;
	json_t *list = json_array();
	json_decref(body);
	int64_t running = c->sees_all ? s.running : metrics_running(c->metrics);
	for (uint32_t i = 0; i < e->sequences; i++)
		json_array_append_new(list,
				      json_pack("{s:i, s:I, s:b, s:o}", "id", (int)i, "n_ctx", (json_int_t)e->context,
						"is_processing", i < running, "params", default_params(c)));
	json_t *whole = json_pack("{s:i, s:i, s:I, s:I, s:I, s:I, s:I}", "running", (int)s.running, "waiting",
				  (int)s.waiting, "kv_bytes_used", (json_int_t)s.kv_bytes_used, "kv_bytes_live",
				  (json_int_t)s.kv_bytes_live, "kv_bytes_cached", (json_int_t)s.kv_bytes_cached,
				  "kv_bytes_ceiling", (json_int_t)s.kv_bytes_ceiling, "steps", (json_int_t)s.steps);
	if (c->sees_all)
		json_object_update(json_array_get(list, 0), whole);
	json_decref(whole);
	call_json(c, 200, list);
}

static json_t *model_json(const struct api_call *c)
{
	const struct kvik_model_info *m = &c->api->config.engine.model;
	return json_pack("{s:s, s:s, s:I, s:s, s:{s:I, s:I, s:I, s:I, s:I}}", "id", c->api->config.model_name, "object",
			 "model", "created", (json_int_t)c->api->created, "owned_by", "kvik", "meta", "n_vocab",
			 (json_int_t)m->vocab_size, "n_ctx_train", (json_int_t)m->context, "n_ctx",
			 (json_int_t)c->api->config.engine.context, "n_params", (json_int_t)m->parameters, "size",
			 (json_int_t)m->weight_bytes);
}

void openai_models(struct api_call *c, json_t *body)
{
	json_decref(body);
	call_json(c, 200, json_pack("{s:s, s:[o]}", "object", "list", "data", model_json(c)));
}

/* A name in a path, its %2F and the like as they were; false: it is another. */
static bool is_named(const char *in_path, const char *name)
{
	for (; *in_path; in_path++, name++) {
		char c = *in_path;
		unsigned byte;
		if (c == '%' && isxdigit((unsigned char)in_path[1]) && sscanf(in_path + 1, "%2x", &byte) == 1) {
			c = (char)byte;
			in_path += isxdigit((unsigned char)in_path[2]) ? 2 : 1;
		}
		if (c != *name)
			return false;
	}
	return !*name;
}

void openai_model(struct api_call *c, json_t *body)
{
	const char *name = strstr(c->path, "/models/") + strlen("/models/");
	json_decref(body);
	if (is_named(name, c->api->config.model_name))
		call_json(c, 200, model_json(c));
	else
		call_error(c, 404, "invalid_request_error", "model", "there is no model '%.200s' here; '%.200s' is",
			   name, c->api->config.model_name);
}
