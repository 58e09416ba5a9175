/* fields.c: see fields.h. */
#include "api/fields.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int field_fail(struct field_error *e, const char *param, const char *fmt, ...)
{
	struct kvik_err cut; /* cuts at whole characters */
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof e->text, fmt, ap);
	va_end(ap);
	err_set(&cut, KVIK_ERR_ARG, "%.60s", param ? param : "");
	snprintf(e->param, sizeof e->param, "%.63s", cut.text);
	return KVIK_ERR_ARG;
}

static int read_number(const json_t *v, const struct field *f, double *out, struct field_error *e)
{
	double x = json_number_value(v);
	if (!json_is_number(v) || !isfinite(x) || x < f->min || x > f->max)
		return field_fail(e, f->name, "'%s' must be a number from %g to %g", f->name, f->min, f->max);
	*out = x;
	return 0;
}

static bool asks_for_nothing(const json_t *v)
{
	return json_is_false(v) || (json_is_number(v) && json_number_value(v) == 0) ||
	       (json_is_string(v) && json_string_length(v) == 0) || (json_is_array(v) && json_array_size(v) == 0) ||
	       (json_is_object(v) && json_object_size(v) == 0);
}

static int read_integer(const json_t *v, const struct field *f, struct field_error *e)
{
	double x = 0;
	if (f->kind == FIELD_U64) {
		if (!json_is_integer(v))
			return field_fail(e, f->name, "'%s' must be an integer", f->name);
		*(uint64_t *)f->value = (uint64_t)json_integer_value(v);
		return 0;
	}
	int rc = read_number(v, f, &x, e);
	if (!rc && x != floor(x))
		return field_fail(e, f->name, "'%s' must be a whole number", f->name);
	if (!rc)
		*(uint32_t *)f->value = (uint32_t)x;
	return rc;
}

static int read_one(json_t *v, const struct field *f, struct field_error *e)
{
	double x = 0;
	int rc = 0;
	switch (f->kind) {
	case FIELD_BOOL:
		if (!json_is_boolean(v))
			return field_fail(e, f->name, "'%s' must be true or false", f->name);
		*(bool *)f->value = json_is_true(v);
		return 0;
	case FIELD_U32:
	case FIELD_U64: return read_integer(v, f, e);
	case FIELD_FLOAT:
		rc = read_number(v, f, &x, e);
		if (!rc)
			*(float *)f->value = (float)x;
		return rc;
	case FIELD_STRING:
		if (!json_is_string(v) || strlen(json_string_value(v)) != json_string_length(v))
			return field_fail(e, f->name, "'%s' must be a text", f->name);
		*(const char **)f->value = json_string_value(v);
		return 0;
	case FIELD_JSON: *(json_t **)f->value = v; return 0;
	case FIELD_NO_EFFECT: return 0;
	case FIELD_FALSE_ONLY:
		return asks_for_nothing(v) ? 0 : field_fail(e, f->name, "'%s' is not supported yet", f->name);
	}
	return 0;
}

int fields_read(const json_t *o, const struct field *fields, size_t n, struct field_error *e)
{
	const char *key;
	json_t *v;
	if (!json_is_object(o))
		return field_fail(e, NULL, "the body must be a JSON object");
	json_object_foreach((json_t *)o, key, v)
	{
		size_t i = 0;
		while (i < n && strcmp(fields[i].name, key) != 0)
			i++;
		if (i == n)
			return field_fail(
				e, key, "unknown parameter '%.100s': it could change the answer, so it is not ignored",
				key);
		int rc = json_is_null(v) ? 0 : read_one(v, &fields[i], e);
		if (rc)
			return rc;
	}
	return 0;
}
