/* chat_template.c: where a model keeps its chat template: GGUF's tokenizer.chat_template; chat_template.jinja or the
 * chat_template of tokenizer_config.json in a Hugging Face folder. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "engine/loaded.h"

static int copy(char **out, const char *text, size_t n, struct kvik_err *err)
{
	*out = mem_strndup(text, n);
	return *out ? 0 : err_set(err, KVIK_ERR_NOMEM, "no memory for the chat template");
}

static int of_gguf(char **out, const struct gguf *g, struct kvik_err *err)
{
	struct gguf_str s;
	int found = gguf_get_str(g, "tokenizer.chat_template", &s, err);
	return found <= 0 ? found : copy(out, s.text, s.bytes, err);
}

/* A text, or a list of named ones, of which "default" is meant. */
static const json_t *pick(const json_t *t)
{
	size_t i;
	json_t *v;
	if (!json_is_array(t))
		return t;
	json_array_foreach((json_t *)t, i, v)
	{
		const char *name = json_string_value(json_object_get(v, "name"));
		if (name && strcmp(name, "default") == 0)
			return json_object_get(v, "template");
	}
	return NULL;
}

static int of_config(char **out, const char *path, struct kvik_err *err)
{
	struct file_map m;
	json_error_t e;
	if (file_map(&m, path, NULL))
		return 0; /* no such file: no template */
	/* model_max_length is often 10^30, which no integer of jansson holds */
	json_t *o = json_loadb((const char *)m.data, m.size, JSON_DECODE_INT_AS_REAL, &e);
	const json_t *t = pick(json_object_get(o, "chat_template"));
	int rc = o ? 0 : err_set(err, KVIK_ERR_FORMAT, "%s: line %d: %s", path, e.line, e.text);
	if (!rc && json_is_string(t))
		rc = copy(out, json_string_value(t), json_string_length(t), err);
	json_decref(o);
	file_unmap(&m);
	return rc;
}

static int of_folder(char **out, const char *dir, struct kvik_err *err)
{
	char path[4096];
	struct file_map m;
	snprintf(path, sizeof path, "%s/chat_template.jinja", dir);
	if (file_map(&m, path, NULL) == 0) {
		int rc = copy(out, (const char *)m.data, m.size, err);
		file_unmap(&m);
		return rc;
	}
	snprintf(path, sizeof path, "%s/tokenizer_config.json", dir);
	return of_config(out, path, err);
}

int chat_template_of(char **out, const struct source *s, struct kvik_err *err)
{
	*out = NULL;
	if (source_gguf(s))
		return of_gguf(out, source_gguf(s), err);
	return source_dir(s) ? of_folder(out, source_dir(s), err) : 0;
}
