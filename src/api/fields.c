/* fields.c: see fields.h. */
#include "api/fields.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "api/fields_known.h"

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

bool field_whole(const json_t *v, int64_t min, int64_t max, int64_t *out)
{
	double x = json_number_value(v);
	if (json_is_real(v) && (x != floor(x) || fabs(x) > 0x1p53))
		return false;
	*out = json_is_real(v) ? (int64_t)x : json_integer_value(v);
	return json_is_number(v) && *out >= min && *out <= max;
}

bool field_says(const json_t *v, const char *text)
{
	size_t n = strlen(text);
	return json_is_string(v) && json_string_length(v) == n && memcmp(json_string_value(v), text, n) == 0;
}

static int read_number(const json_t *v, const struct field *f, double *out, struct field_error *e)
{
	double x = json_number_value(v);
	if (!json_is_number(v) || !isfinite(x) || x < f->min || x > f->max)
		return field_fail(e, f->name, "'%s' must be a number from %g to %g", f->name, f->min, f->max);
	*out = x;
	return 0;
}

static int read_u32(const json_t *v, const struct field *f, struct field_error *e)
{
	double x = 0;
	int rc = read_number(v, f, &x, e);
	if (!rc && x != floor(x))
		return field_fail(e, f->name, "'%s' must be a whole number", f->name);
	if (!rc)
		*(uint32_t *)f->value = (uint32_t)x;
	return rc;
}

static int read_count(const json_t *v, const struct field *f, struct field_error *e)
{
	double x = json_number_value(v);
	if (!json_is_number(v) || !isfinite(x) || x < f->min || x != floor(x))
		return field_fail(e, f->name, "'%s' must be a whole number, %g or more", f->name, f->min);
	*(uint32_t *)f->value = (uint32_t)(x > f->max ? f->max : x < 0 ? 0 : x);
	return 0;
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
	case FIELD_U32: return read_u32(v, f, e);
	case FIELD_COUNT: return read_count(v, f, e);
	case FIELD_FLOAT:
		rc = read_number(v, f, &x, e);
		if (!rc)
			*(float *)f->value = (float)x;
		return rc;
	case FIELD_STRING:
		if (!json_is_string(v) || strlen(json_string_value(v)) != json_string_length(v))
			return field_fail(e, f->name, "'%s' must be a text, without NUL", f->name);
		*(const char **)f->value = json_string_value(v);
		return 0;
	case FIELD_JSON: *(json_t **)f->value = v; return 0;
	case FIELD_NO_EFFECT: return 0;
	}
	return 0;
}

/* Not in the table. */
static int other(const char *key, const json_t *v, const struct field *fields, size_t n, struct field_error *e)
{
	int rc = json_is_null(v) && field_is_known(key) ? 0 : field_known(key, v, e);
	if (rc <= 0)
		return rc;
	struct nearest guess = nearest_begin(key, strlen(key));
	for (size_t i = 0; i < n; i++)
		nearest_try(&guess, fields[i].name);
	fields_known_try(&guess);
	if (guess.best)
		return field_fail(e, key, "unknown parameter '%.100s': did you mean '%s'?", key, guess.best);
	return field_fail(e, key, "unknown parameter '%.100s': it could change the answer, so it is not ignored", key);
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
		int rc = i == n ? other(key, v, fields, n, e) : json_is_null(v) ? 0 : read_one(v, &fields[i], e);
		if (rc)
			return rc;
	}
	return 0;
}
