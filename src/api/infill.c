/* infill.c: see infill.h. The order of parts is that of Qwen2.5-Coder, StarCoder2, CodeLlama, ...: what is before the
 * hole, what is behind it, then the token that says "fill". Special tokens written in the texts are text. */
#include "api/infill.h"

#include <string.h>

#include "api/reply.h"
#include "api/routes.h"

/* A prompt being put together; once something fails the rest is left out. */
struct parts {
	const struct kvik_vocab *v;
	struct ids ids;
	struct kvik_err err;
	int rc;
};

static void add_id(struct parts *p, uint32_t id)
{
	if (!p->rc && id != KVIK_NO_ID && !ids_add(&p->ids, id))
		p->rc = err_set(&p->err, KVIK_ERR_NOMEM, "no memory for the prompt");
}

static void add_bytes(struct parts *p, const char *text, size_t bytes)
{
	uint32_t *ids = NULL;
	size_t n = 0;
	if (!p->rc && bytes > 0)
		p->rc = kvik_tokenize(p->v, text, bytes, 0, &ids, &n, &p->err);
	if (!p->rc && !ids_append(&p->ids, ids, n))
		p->rc = err_set(&p->err, KVIK_ERR_NOMEM, "no memory for the prompt");
	kvik_free(ids);
}

static void add_text(struct parts *p, const json_t *text)
{
	add_bytes(p, json_string_value(text), json_string_length(text));
}

static void add_line(struct parts *p, const char *line)
{
	add_bytes(p, line, strlen(line));
}

/* The token that begins a text, where the model wants one. */
static void add_begin(struct parts *p)
{
	uint32_t *ids = NULL;
	size_t n = 0;
	if (!p->rc)
		p->rc = kvik_tokenize(p->v, "", 0, KVIK_ADD_SPECIAL, &ids, &n, &p->err);
	if (!p->rc && n > 0 && ids[0] == kvik_vocab_bos(p->v))
		add_id(p, ids[0]);
	kvik_free(ids);
}

/* Names that nobody gave are those that llama-server has for them. */
static void add_files(struct parts *p, const json_t *extra)
{
	uint32_t file = kvik_vocab_fim(p->v, KVIK_FIM_FILE);
	size_t i;
	json_t *f;
	if (json_array_size(extra) == 0)
		return;
	if (kvik_vocab_fim(p->v, KVIK_FIM_REPO) != KVIK_NO_ID) {
		add_id(p, kvik_vocab_fim(p->v, KVIK_FIM_REPO));
		add_line(p, "myproject\n");
	}
	json_array_foreach((json_t *)(uintptr_t)extra, i, f)
	{
		const json_t *name = json_object_get(f, "filename");
		add_id(p, file);
		if (file == KVIK_NO_ID)
			add_line(p, "\n\n--- snippet ---\n\n");
		else if (name)
			add_text(p, name);
		else
			add_line(p, "tmp");
		if (file != KVIK_NO_ID)
			add_line(p, "\n");
		add_text(p, json_object_get(f, "text"));
		add_line(p, "\n");
	}
	add_id(p, file);
	if (file != KVIK_NO_ID)
		add_line(p, "filename\n");
}

static bool is_text(const json_t *v)
{
	return !v || json_is_string(v);
}

static const char *wrong_field(const struct infill *q)
{
	size_t i;
	json_t *f;
	if (!is_text(q->prefix))
		return "input_prefix";
	if (!is_text(q->suffix))
		return "input_suffix";
	if (!is_text(q->prompt))
		return "prompt";
	if (q->extra && !json_is_array(q->extra))
		return "input_extra";
	json_array_foreach((json_t *)(uintptr_t)q->extra, i,
			   f) if (!json_is_string(json_object_get(f, "text")) ||
				  !is_text(json_object_get(f, "filename"))) return "input_extra";
	return NULL;
}

int infill_prompt(struct api_call *c, const struct infill *q)
{
	struct parts p = {.v = c->api->config.engine.vocab};
	const char *wrong = wrong_field(q);
	uint32_t middle = p.v ? kvik_vocab_fim(p.v, KVIK_FIM_MIDDLE) : KVIK_NO_ID;
	if (wrong) {
		call_error(c, 400, "invalid_request_error", wrong,
			   strcmp(wrong, "input_extra") == 0 ? "'%s' must be a list of {\"filename\", \"text\"}"
							     : "'%s' must be a text",
			   wrong);
		return -1;
	}
	if (middle == KVIK_NO_ID || kvik_vocab_fim(p.v, KVIK_FIM_PREFIX) == KVIK_NO_ID ||
	    kvik_vocab_fim(p.v, KVIK_FIM_SUFFIX) == KVIK_NO_ID) {
		call_error(
			c, 400, "invalid_request_error", NULL,
			"this model cannot fill in: it has no tokens for a text with a hole (fim_prefix, fim_suffix, "
			"fim_middle)");
		return -1;
	}
	struct reply_prompt *to = reply_add_prompt(c);
	if (!to)
		return -1;
	add_begin(&p);
	add_files(&p, q->extra);
	add_id(&p, kvik_vocab_fim(p.v, KVIK_FIM_PREFIX));
	add_text(&p, q->prefix);
	add_text(&p, q->prompt);
	add_id(&p, kvik_vocab_fim(p.v, KVIK_FIM_SUFFIX));
	add_text(&p, q->suffix);
	add_id(&p, middle);
	to->ids = p.ids.data;
	to->n_ids = p.ids.n;
	if (p.rc)
		call_kvik_error(c, &p.err, 0);
	return p.rc;
}
