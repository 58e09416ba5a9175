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

void hf_fail(struct hf_reader *r, int code, const char *field, const char *what)
{
	if (!r->rc)
		r->rc = err_set(r->err, code, "%s: '%.60s' %s", r->name, field, what);
}

const json_t *hf_get(const json_t *o, const char *field)
{
	const json_t *v = json_object_get(o, field);
	return json_is_null(v) ? NULL : v;
}

bool hf_get_u32(struct hf_reader *r, const json_t *o, const char *field, uint32_t *out)
{
	const json_t *v = hf_get(o, field);
	if (!v)
		return false;
	if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > UINT32_MAX) {
		hf_fail(r, KVIK_ERR_FORMAT, field, "is not a whole number from 0 to 4294967295; is the file intact?");
		return false;
	}
	*out = (uint32_t)json_integer_value(v);
	return true;
}

bool hf_get_f64(struct hf_reader *r, const json_t *o, const char *field, double *out)
{
	const json_t *v = hf_get(o, field);
	if (!v)
		return false;
	if (!json_is_number(v)) {
		hf_fail(r, KVIK_ERR_FORMAT, field, "is not a number; is the file intact?");
		return false;
	}
	*out = json_number_value(v);
	return true;
}

bool hf_get_f32(struct hf_reader *r, const json_t *o, const char *field, float *out)
{
	double d;
	if (!hf_get_f64(r, o, field, &d))
		return false;
	*out = (float)d;
	return true;
}

bool hf_get_bool(struct hf_reader *r, const json_t *o, const char *field, bool *out)
{
	const json_t *v = hf_get(o, field);
	if (!v)
		return false;
	if (!json_is_boolean(v)) {
		hf_fail(r, KVIK_ERR_FORMAT, field, "is neither true nor false; is the file intact?");
		return false;
	}
	*out = json_is_true(v);
	return true;
}

const char *hf_get_str(struct hf_reader *r, const json_t *o, const char *field)
{
	const json_t *v = hf_get(o, field);
	if (v && !json_is_string(v))
		hf_fail(r, KVIK_ERR_FORMAT, field, "is not a string; is the file intact?");
	return json_string_value(v);
}
