/* hf_ends.c: see hf_ends.h. */
#include "format/hf_ends.h"

#include "format/hf_json.h"

static int wrong(const char *name, int code, const char *what, struct kvik_err *err)
{
	return err_set(err, code, "%s: 'eos_token_id' %s", name, what);
}

int hf_ends(const struct json_t *root, const char *name, uint32_t *ids, size_t max, size_t *n, struct kvik_err *err)
{
	const json_t *v = json_object_get(root, "eos_token_id");
	size_t count = json_is_array(v) ? json_array_size(v) : !json_is_null(v) && v;
	*n = 0;
	for (size_t i = 0; i < count; i++) {
		const json_t *id = json_is_array(v) ? json_array_get(v, i) : v;
		if (!json_is_integer(id) || json_integer_value(id) > UINT32_MAX)
			return wrong(name, KVIK_ERR_FORMAT, "is neither a token id nor a list of them", err);
		if (json_integer_value(id) < 0)
			continue;
		if (*n == max)
			return wrong(name, KVIK_ERR_LIMIT, "lists more ids than kvik keeps", err);
		ids[(*n)++] = (uint32_t)json_integer_value(id);
	}
	return 0;
}
