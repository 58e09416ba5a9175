/* chat_template.c: where a model keeps its chat template, or several with names: GGUF's tokenizer.chat_template and
 * tokenizer.chat_template.NAME; in a Hugging Face folder chat_template.jinja and additional_chat_templates/NAME.jinja,
 * else chat_template of tokenizer_config.json or of chat_template.json: a text, or a list of named ones. Any thread. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "engine/embedded.h"
#include "engine/loaded.h"

static int copy(char **out, const char *text, size_t n, struct kvik_err *err)
{
	*out = mem_strndup(text, n);
	return *out ? 0 : err_set(err, KVIK_ERR_NOMEM, "no memory for the chat template");
}

/* name: NULL = the default one. */
static int of_gguf(char **out, const struct gguf *g, const char *name, struct kvik_err *err)
{
	char key[256];
	struct gguf_str s;
	snprintf(key, sizeof key, "tokenizer.chat_template%s%s", name ? "." : "", name ? name : "");
	int found = gguf_get_str(g, key, &s, err);
	return found <= 0 ? found : copy(out, s.text, s.bytes, err);
}

/* A text, or a list of named ones. */
static const json_t *pick(const json_t *t, const char *name)
{
	if (!json_is_array(t))
		return name ? NULL : t;
	for (size_t i = 0; i < json_array_size(t); i++) {
		const json_t *v = json_array_get(t, i);
		const char *its = json_string_value(json_object_get(v, "name"));
		if (its && strcmp(its, name ? name : "default") == 0)
			return json_object_get(v, "template");
	}
	return NULL;
}

static int of_config(char **out, const char *path, const char *name, struct kvik_err *err)
{
	struct file_map m;
	json_error_t e;
	if (file_map(&m, path, NULL))
		return 0; /* no such file: no template */
	/* model_max_length is often 10^30, which no integer of jansson holds */
	json_t *o = json_loadb((const char *)m.data, m.size, JSON_DECODE_INT_AS_REAL, &e);
	const json_t *t = pick(json_object_get(o, "chat_template"), name);
	int rc = o ? 0 : err_set(err, KVIK_ERR_FORMAT, "%s: line %d: %s", path, e.line, e.text);
	if (!rc && json_is_string(t))
		rc = copy(out, json_string_value(t), json_string_length(t), err);
	json_decref(o);
	file_unmap(&m);
	return rc;
}

/* The whole of a file; one that is not there leaves *out NULL. */
static int of_text(char **out, const char *path, struct kvik_err *err)
{
	struct file_map m;
	if (file_map(&m, path, NULL))
		return 0;
	int rc = copy(out, m.data ? (const char *)m.data : "", m.size, err);
	file_unmap(&m);
	return rc;
}

static int of_folder(char **out, const char *dir, const char *name, struct kvik_err *err)
{
	char path[4096];
	if (name)
		snprintf(path, sizeof path, "%s/additional_chat_templates/%s.jinja", dir, name);
	else
		snprintf(path, sizeof path, "%s/chat_template.jinja", dir);
	int rc = of_text(out, path, err);
	snprintf(path, sizeof path, "%s/tokenizer_config.json", dir);
	if (!rc && !*out)
		rc = of_config(out, path, name, err);
	snprintf(path, sizeof path, "%s/chat_template.json", dir);
	if (!rc && !*out)
		rc = of_config(out, path, name, err);
	return rc;
}

int chat_template_of(char **out, const struct source *s, const char *name, struct kvik_err *err)
{
	int rc = 0;
	*out = NULL;
	if (source_gguf(s))
		rc = of_gguf(out, source_gguf(s), name, err);
	else if (source_dir(s))
		rc = of_folder(out, source_dir(s), name, err);
	if (*out && !**out) { /* an empty one would hide what is said */
		mem_free(*out);
		*out = NULL;
	}
	return rc;
}

/* ---- Without a model --------------------------------------------------------------------------------------------- */

static int of_bytes(char **out, const uint8_t *data, size_t bytes, const char *path, const char *name,
		    struct kvik_err *err)
{
	struct gguf *g = NULL;
	int rc = gguf_open(&g, data, bytes, path, err);
	if (!rc)
		rc = of_gguf(out, g, name, err);
	gguf_free(g);
	return rc;
}

static bool is_json(const char *path)
{
	size_t n = strlen(path);
	return n > 5 && strcmp(path + n - 5, ".json") == 0;
}

static int of_file(char **out, const char *path, const char *name, struct kvik_err *err)
{
	struct file_map m;
	int rc = file_map(&m, path, err);
	if (rc)
		return rc;
	if (m.size >= 4 && memcmp(m.data, "GGUF", 4) == 0)
		rc = of_bytes(out, m.data, m.size, path, name, err);
	else if (is_json(path))
		rc = of_config(out, path, name, err);
	else if (name)
		rc = err_set(err, KVIK_ERR_ARG, "%s is one template, without names", path);
	else
		rc = copy(out, m.data ? (const char *)m.data : "", m.size, err);
	file_unmap(&m);
	return rc;
}

static int of_built_in(char **out, const char *name, struct kvik_err *err)
{
	size_t bytes;
	const uint8_t *data = embedded_model(&bytes);
	return of_bytes(out, data, bytes, "kvik-mini (built in)", name, err);
}

int kvik_chat_template_load(char **text, const char *path, const char *name, struct kvik_err *err)
{
	struct stat st;
	int rc;
	*text = NULL;
	if (name && strchr(name, '/'))
		return err_set(err, KVIK_ERR_ARG, "'%.60s' is no name of a chat template", name);
	if (!path)
		rc = of_built_in(text, name, err);
	else if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		rc = of_folder(text, path, name, err);
	else
		rc = of_file(text, path, name, err);
	if (!rc && !*text)
		rc = err_set(err, KVIK_ERR_FORMAT, "%s: no chat template%s%s%s; give the file of one instead",
			     path ? path : "kvik-mini (built in)", name ? " named '" : "", name ? name : "",
			     name ? "'" : "");
	return rc;
}
