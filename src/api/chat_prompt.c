/* chat_prompt.c: messages and tools through the model's chat template into a prompt. */
#include <string.h>

#include "api/reply.h"
#include "api/routes.h"
#include "base/mem.h"
#include "chat/chat_text.h"

/* The texts of content parts, a line break between two, as vLLM and llama-server have it; NULL after the call was
 * answered: a part is no text. */
static json_t *join_parts(struct api_call *c, const json_t *parts)
{
	size_t i, bytes = 0;
	json_t *part;
	json_array_foreach((json_t *)parts, i, part)
	{
		const char *type = json_string_value(json_object_get(part, "type"));
		const json_t *text = json_object_get(part, "text");
		bool is_text = type && (strcmp(type, "text") == 0 || strcmp(type, "input_text") == 0 ||
					strcmp(type, "output_text") == 0);
		if (!is_text || !json_is_string(text)) {
			call_error(c, 400, "invalid_request_error", "messages",
				   "content of type '%.40s' is not supported: this model reads text",
				   type ? type : "?");
			return NULL;
		}
		bytes += json_string_length(text) + 1;
	}
	char *all = mem_alloc(bytes + 1), *to = all;
	if (!all)
		return json_string("");
	json_array_foreach((json_t *)parts, i, part)
	{
		const json_t *text = json_object_get(part, "text");
		if (i > 0)
			*to++ = '\n';
		memcpy(to, json_string_value(text), json_string_length(text));
		to += json_string_length(text);
	}
	json_t *s = json_stringn(all, (size_t)(to - all));
	mem_free(all);
	return s;
}

/* Clients send the arguments of tool calls as text; templates want the object. */
static void open_arguments(json_t *message)
{
	size_t i;
	json_t *call;
	json_array_foreach(json_object_get(message, "tool_calls"), i, call)
	{
		json_t *f = json_object_get(call, "function"), *args = json_object_get(f, "arguments");
		json_t *o = json_is_string(args) ? json_loads(json_string_value(args), 0, NULL) : NULL;
		if (json_is_object(o))
			json_object_set(f, "arguments", o);
		json_decref(o);
	}
}

/* A copy of the messages as templates want them; NULL after the call was answered. */
static json_t *prepare(struct api_call *c, const json_t *messages)
{
	size_t i;
	json_t *m, *copy = json_deep_copy(messages);
	if (!json_is_array(messages) || json_array_size(messages) == 0) {
		json_decref(copy);
		call_error(c, 400, "invalid_request_error", "messages",
			   "'messages' must be a list with at least one message");
		return NULL;
	}
	json_array_foreach(copy, i, m)
	{
		json_t *content = json_object_get(m, "content");
		bool ok = json_is_object(m) && json_is_string(json_object_get(m, "role")) &&
			  (!content || json_is_string(content) || json_is_array(content) || json_is_null(content));
		json_t *joined = ok && json_is_array(content) ? join_parts(c, content) : NULL;
		if (!ok)
			call_error(c, 400, "invalid_request_error", "messages",
				   "messages[%zu] must have a 'role' and a 'content' of text", i);
		if (!ok || (json_is_array(content) && !joined)) {
			json_decref(copy);
			return NULL;
		}
		if (joined)
			json_object_set_new(m, "content", joined);
		open_arguments(m);
	}
	return copy;
}

/* The text of a token, NULL: none; freed with mem_free. */
static char *token_text(const struct kvik_vocab *v, uint32_t id)
{
	char *bytes = NULL, *text = NULL;
	size_t n;
	if (id != KVIK_NO_ID && !kvik_token_bytes(v, id, &bytes, &n, NULL))
		text = mem_strndup(bytes, n);
	kvik_free(bytes);
	return text;
}

int chat_render(struct api_call *c, const struct chat_request *q, struct tmpl_text *text)
{
	const struct kvik_vocab *v = c->api->config.engine.vocab;
	struct kvik_err err;
	*text = (struct tmpl_text){0};
	if (!c->api->chat_template || !v) {
		call_error(c, 400, "invalid_request_error", "messages",
			   "this model has no chat template: use /v1/completions, or give one with --chat-template");
		return -1;
	}
	json_t *list = prepare(c, q->messages);
	if (!list)
		return -1;
	char *bos = token_text(v, kvik_vocab_bos(v)), *eos = token_text(v, kvik_vocab_eos(v));
	const struct chat_vars vars = {list, q->tools, q->kwargs, bos, eos, q->add_generation_prompt};
	int rc = chat_text(c->api->chat_template, &vars, text, &err);
	mem_free(bos);
	mem_free(eos);
	json_decref(list);
	if (rc)
		call_kvik_error(c, &err, 0);
	return rc;
}

/* A prompt has at least one token. */
static int check_ids(struct api_call *c, struct reply_prompt *p, int rc, struct kvik_err *err)
{
	const struct kvik_vocab *v = c->api->config.engine.vocab;
	if (!rc && p->n_ids == 0 && kvik_vocab_bos(v) != KVIK_NO_ID) {
		uint32_t *one = mem_alloc(sizeof *one); /* kvik_free's allocator */
		if (one) {
			*one = kvik_vocab_bos(v);
			p->ids = one;
			p->n_ids = 1;
		}
	}
	if (!rc && p->n_ids == 0)
		rc = err_set(err, KVIK_ERR_ARG, "the prompt is empty");
	if (rc)
		call_kvik_error(c, err, 0);
	return rc;
}

int chat_prompt(struct api_call *c, const struct chat_request *q)
{
	struct reply_prompt *p = reply_add_prompt(c);
	struct tmpl_text text;
	struct kvik_err err;
	if (!p)
		return -1;
	int rc = chat_render(c, q, &text);
	if (!rc) {
		struct kvik_span *data = mem_zalloc(text.n_data + 1, sizeof *data);
		for (size_t i = 0; data && i < text.n_data; i++)
			data[i] = (struct kvik_span){text.data[i].from, text.data[i].to};
		rc = data ? kvik_tokenize_data(c->api->config.engine.vocab, text.text, text.bytes, KVIK_PARSE_SPECIAL,
					       data, q->parse_special ? 0 : text.n_data, &p->ids, &p->n_ids, &err)
			  : err_set(&err, KVIK_ERR_NOMEM, "no memory for the prompt");
		mem_free(data);
		rc = check_ids(c, p, rc, &err);
	}
	p->text = text.text;
	text.text = NULL;
	tmpl_text_release(&text);
	return rc;
}

int prompt_tokenize(struct api_call *c, struct reply_prompt *p, const char *text, size_t bytes, bool add_special)
{
	const struct kvik_vocab *v = c->api->config.engine.vocab;
	unsigned flags = KVIK_PARSE_SPECIAL | (add_special ? KVIK_ADD_SPECIAL : 0u);
	struct kvik_err err;
	if (!v) {
		call_error(c, 400, "invalid_request_error", "prompt", "this model has no vocabulary: send token ids");
		return -1;
	}
	return check_ids(c, p, kvik_tokenize(v, text, bytes, flags, &p->ids, &p->n_ids, &err), &err);
}

char *call_token_text(const struct api_call *c, uint32_t id, size_t *bytes)
{
	const struct kvik_vocab *v = c->api->config.engine.vocab;
	char *text = NULL;
	if (!v || id >= kvik_vocab_size(v) || kvik_token_bytes(v, id, &text, bytes, NULL))
		return NULL;
	return text;
}
