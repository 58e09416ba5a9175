/* openai_embeddings.c: POST /v1/embeddings: the final hidden states of a text, pooled and of length 1. */
#include <stdlib.h>
#include <string.h>

#include "api/reply.h"
#include "api/routes.h"
#include "base/mem.h"

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

static void whole(struct api_call *c)
{
	struct reply *r = c->reply;
	const bool *base64 = r->state;
	size_t dim = c->api->config.engine.model.dim;
	json_int_t tokens = reply_total(r).prompt_tokens;
	json_t *data = json_array();
	for (uint32_t i = 0; i < r->n_prompts; i++) {
		const float *v = r->prompts[i].embedding;
		json_array_append_new(data, json_pack("{s:s, s:i, s:o}", "object", "embedding", "index", (int)i,
						      "embedding", *base64 ? as_base64(v, dim) : reply_floats(v, dim)));
	}
	call_json(c, 200,
		  json_pack("{s:s, s:o, s:s, s:{s:I, s:I}}", "object", "list", "data", data, "model", reply_model(c),
			    "usage", "prompt_tokens", tokens, "total_tokens", tokens));
}

static const struct dialect dialect = {.whole = whole};

static int read_body(struct api_call *c, json_t *body, json_t **input, struct field_error *e)
{
	struct reply *r = c->reply;
	bool *base64 = r->state;
	const char *format = "float", *pooling = "mean";
	const struct field fields[] = {
		{"model", FIELD_STRING, &r->model, 0, 0},
		{"input", FIELD_JSON, input, 0, 0},
		{"encoding_format", FIELD_STRING, &format, 0, 0},
		{"pooling", FIELD_STRING, &pooling, 0, 0},
	};
	int rc = fields_read(body, fields, sizeof fields / sizeof *fields, e);
	if (rc)
		return rc;
	*base64 = strcmp(format, "base64") == 0;
	r->pooling = strcmp(pooling, "last") == 0 ? KVIK_POOLING_LAST : KVIK_POOLING_MEAN;
	if (!*base64 && strcmp(format, "float") != 0)
		return field_fail(e, "encoding_format", "'encoding_format' must be float or base64");
	if (strcmp(pooling, "mean") != 0 && strcmp(pooling, "last") != 0)
		return field_fail(e, "pooling", "'pooling' must be mean or last");
	if (!*input)
		return field_fail(e, "input", "'input' is missing");
	return 0;
}

void openai_embeddings(struct api_call *c, json_t *body)
{
	struct reply *r = reply_new(c, &dialect, body, "embd-");
	struct field_error e;
	json_t *input = NULL;
	if (r)
		r->state = mem_zalloc(1, sizeof(bool)); /* as base64? */
	if (!r || !r->state) {
		call_error(c, 500, "server_error", NULL, "out of memory");
		return;
	}
	if (read_body(c, body, &input, &e))
		call_bad_field(c, &e);
	else if (reply_read_prompts(c, input, "input") == 0)
		reply_start(c);
}
