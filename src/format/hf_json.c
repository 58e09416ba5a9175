/* hf_json.c: see hf_json.h. jansson bounds the depth of nesting and rejects what is not UTF-8. */
#include "format/hf_json.h"

int hf_json_load(json_t **root, const char *json, size_t bytes, const char *name, struct kvik_err *err)
{
	json_error_t where;
	*root = NULL;
	if (bytes == 0)
		return err_set(err, KVIK_ERR_FORMAT, "%s: is empty; download it again", name);
	json_t *v = json_loadb(json, bytes, JSON_REJECT_DUPLICATES, &where);
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
