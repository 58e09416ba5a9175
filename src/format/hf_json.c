/* hf_json.c: see hf_json.h. jansson bounds the depth of nesting and rejects what is not UTF-8. */
#include "format/hf_json.h"

#include <string.h>

#include "base/mem.h"

/* Python writes Infinity and -Infinity, which are no JSON: null in their place, outside of strings. True: there were
 * some. */
static bool drop_infinities(char *json, size_t bytes)
{
	static const char *const words[] = {"-Infinity", "Infinity"};
	bool in_text = false, found = false;
	for (size_t i = 0; i < bytes; i++) {
		if (in_text && json[i] == '\\')
			i++;
		else if (json[i] == '"')
			in_text = !in_text;
		for (size_t k = 0; k < 2 && !in_text; k++) {
			size_t n = strlen(words[k]);
			if (i >= bytes || bytes - i < n || memcmp(json + i, words[k], n) != 0)
				continue;
			memset(json + i, ' ', n);
			memcpy(json + i, "null", 4);
			found = true;
		}
	}
	return found;
}

static json_t *load(const char *json, size_t bytes, json_error_t *where)
{
	json_t *v = json_loadb(json, bytes, JSON_REJECT_DUPLICATES, where);
	char *copy = v ? NULL : mem_strndup(json, bytes);
	if (copy && drop_infinities(copy, bytes))
		v = json_loadb(copy, bytes, JSON_REJECT_DUPLICATES, where);
	mem_free(copy);
	return v;
}

int hf_json_load(json_t **root, const char *json, size_t bytes, const char *name, struct kvik_err *err)
{
	json_error_t where;
	*root = NULL;
	if (bytes == 0)
		return err_set(err, KVIK_ERR_FORMAT, "%s: is empty; download it again", name);
	json_t *v = load(json, bytes, &where);
	if (!v)
		return err_set(err, KVIK_ERR_FORMAT, "%s: not JSON: %s (line %d); download it again", name, where.text,
			       where.line);
	if (!json_is_object(v)) {
		json_decref(v);
		return err_set(err, KVIK_ERR_FORMAT, "%s: not a JSON object; is it the right file?", name);
	}
	*root = v;
	return 0;
}
