/* openai_embeddings.c: POST /v1/embeddings: the final hidden states of a text, pooled and of length 1. */
#include <stdlib.h>
#include <string.h>

#include "api/reply.h"
#include "api/routes.h"
#include "base/mem.h"

/* Several inputs are answered one after the other: each request of the engine starts the next. */
struct inputs {
	json_t *list; /* borrowed from the body */
	size_t next;
	json_t *data; /* owned; answers so far */
	json_int_t tokens;
	bool base64;
};

static void start_next(struct api_call *c);

static json_t *as_base64(const float *v, size_t n)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *p = (const unsigned char *)v;
	size_t bytes = n * sizeof *v, at = 0;
	char *text = mem_alloc((bytes + 2) / 3 * 4 + 1);
	if (!text)
		return NULL;
	for (size_t i = 0; i < bytes; i += 3) {
		size_t left = bytes - i;
		uint32_t w =
			(uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) | (left > 2 ? p[i + 2] : 0u);
		text[at++] = digits[w >> 18];
		text[at++] = digits[w >> 12 & 63];
		text[at++] = left > 1 ? digits[w >> 6 & 63] : '=';
		text[at++] = left > 2 ? digits[w & 63] : '=';
	}
	json_t *s = json_stringn(text, at);
	mem_free(text);
	return s;
}

static json_t *as_list(const float *v, size_t n)
{
	json_t *list = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_real((double)v[i]));
	return list;
}

static void whole(struct api_call *c)
{
	struct reply *r = c->reply;
	struct inputs *in = r->state;
	size_t dim = kvik_model_get_info(kvik_engine_model(c->api->config.engine)).dim;
	json_t *vector = !r->embedding ? NULL : in->base64 ? as_base64(r->embedding, dim) : as_list(r->embedding, dim);
	mem_free(r->embedding);
	r->embedding = NULL;
	in->tokens += r->usage.prompt_tokens;
	json_array_append_new(in->data, json_pack("{s:s, s:i, s:o}", "object", "embedding", "index", (int)in->next - 1,
						  "embedding", vector));
	if (in->next < json_array_size(in->list)) {
		start_next(c);
		return;
	}
	json_t *o = json_pack("{s:s, s:O, s:s, s:{s:I, s:I}}", "object", "list", "data", in->data, "model",
			      r->model ? r->model : c->api->config.model_name, "usage", "prompt_tokens", in->tokens,
			      "total_tokens", in->tokens);
	json_decref(in->data);
	in->data = NULL;
	call_json(c, 200, o);
}

static const struct dialect dialect = {.whole = whole};

static int take_ids(struct api_call *c, const json_t *list)
{
	if (reply_take_ids(c->reply, list))
		return 0;
	call_error(c, 400, "invalid_request_error", "input", "'input' must hold texts or lists of token ids");
	return -1;
}

static void drop_inputs(struct inputs *in)
{
	json_decref(in->data);
	in->data = NULL;
}

static void start_next(struct api_call *c)
{
	struct reply *r = c->reply;
	struct inputs *in = r->state;
	json_t *v = json_array_get(in->list, in->next++);
	kvik_free(r->ids);
	r->ids = NULL;
	reply_drop_choices(r);
	int rc = json_is_string(v) ? prompt_tokenize(c, json_string_value(v), json_string_length(v), true)
				   : take_ids(c, v);
	if (rc)
		drop_inputs(in);
	else
		reply_start(c);
}

static int read_body(struct api_call *c, json_t *body, json_t **input, struct field_error *e)
{
	struct reply *r = c->reply;
	struct inputs *in = r->state;
	const char *format = "float", *pooling = "mean";
	const struct field fields[] = {
		{"model", FIELD_STRING, &r->model, 0, 0},         {"input", FIELD_JSON, input, 0, 0},
		{"encoding_format", FIELD_STRING, &format, 0, 0}, {"pooling", FIELD_STRING, &pooling, 0, 0},
		{"dimensions", FIELD_FALSE_ONLY, NULL, 0, 0},     {"user", FIELD_NO_EFFECT, NULL, 0, 0},
	};
	int rc = fields_read(body, fields, sizeof fields / sizeof *fields, e);
	if (rc)
		return rc;
	in->base64 = strcmp(format, "base64") == 0;
	r->pooling = strcmp(pooling, "last") == 0 ? KVIK_POOLING_LAST : KVIK_POOLING_MEAN;
	if (!in->base64 && strcmp(format, "float") != 0)
		return field_fail(e, "encoding_format", "'encoding_format' must be float or base64");
	if (strcmp(pooling, "mean") != 0 && strcmp(pooling, "last") != 0)
		return field_fail(e, "pooling", "'pooling' must be mean or last");
	if (!*input)
		return field_fail(e, "input", "'input' is missing");
	return 0;
}

void openai_embeddings(struct api_call *c, json_t *body)
{
	enum { INPUTS_MAX = 2048 };
	struct reply *r = reply_new(c, &dialect, body, "embd-");
	struct field_error e;
	json_t *input = NULL;
	if (r)
		r->state = mem_zalloc(1, sizeof(struct inputs));
	if (!r || !r->state) {
		call_error(c, 500, "server_error", NULL, "out of memory");
		return;
	}
	struct inputs *in = r->state;
	if (read_body(c, body, &input, &e)) {
		call_bad_field(c, &e);
		return;
	}
	bool single = json_is_string(input) || json_is_integer(json_array_get(input, 0));
	if (single) { /* as a list of one, kept by the body */
		json_t *list = json_pack("[O]", input);
		json_object_set_new(body, "input", list);
		input = list;
	}
	if (json_array_size(input) == 0 || json_array_size(input) > INPUTS_MAX) {
		call_error(c, 400, "invalid_request_error", "input", "'input' must hold 1 to %d texts", INPUTS_MAX);
		return;
	}
	in->list = input;
	in->data = json_array();
	start_next(c);
}
