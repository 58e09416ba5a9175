/* keys.c: typed access to the fields of GGUF metadata and of config.json. Both become one struct value, whose type is
 * then checked in one place; what differs is how a field is found and how an error calls it. */
#include "format/keys.h"

#include <stdio.h>
#include <string.h>

#include "format/hf_json.h"
#include "format/keys_unread.h"
#include "format/source_impl.h"

/* ---- Finding ----------------------------------------------------------------------------------------------------- */

static const char *name_of(const struct keys *k, const char *gguf, const char *hf)
{
	return k->json ? hf : gguf;
}

static void remember(struct keys *k, const char *field)
{
	for (uint32_t i = 0; i < k->n_asked; i++)
		if (strcmp(k->asked[i], field) == 0)
			return;
	if (k->n_asked < KEYS_ASKED_MAX)
		snprintf(k->asked[k->n_asked++], KEYS_NAME_MAX, "%s", field);
}

/* The value at a path of member names; NULL: absent. */
static const json_t *at_path(const json_t *o, const char *path)
{
	char name[KEYS_NAME_MAX];
	for (const char *dot; o && (dot = strchr(path, '.')) != NULL; path = dot + 1) {
		snprintf(name, sizeof name, "%.*s", (int)(dot - path), path);
		o = json_object_get(o, name);
	}
	return json_object_get(o, path);
}

static void full_key(const struct keys *k, const char *field, char key[128])
{
	snprintf(key, 128, "%s.%s", k->arch, field);
}

void keys_fail(struct keys *k, int code, const char *gguf, const char *hf, const char *what)
{
	const char *field = name_of(k, gguf, hf);
	if (k->rc)
		return;
	if (k->json)
		k->rc = err_set(k->err, code, "%s: '%s' %s", k->file, field ? field : "?", what);
	else
		k->rc = err_set(k->err, code, "%s: GGUF key '%s.%s' %s", k->file, k->arch, field ? field : "?", what);
}

/* Where a field lies; at most one of the two is set, none where it is absent or null. */
struct place {
	const json_t *json;
	const char *gguf; /* key */
	char key[128];
};

static bool find(struct keys *k, const char *gguf, const char *hf, struct place *p)
{
	const char *field = name_of(k, gguf, hf);
	*p = (struct place){0};
	if (!field || k->rc)
		return false;
	remember(k, field);
	if (k->json) {
		const json_t *v = at_path(k->json, field);
		p->json = json_is_null(v) ? NULL : v;
		return p->json != NULL;
	}
	full_key(k, field, p->key);
	p->gguf = gguf_has(k->gguf, p->key) ? p->key : NULL;
	return p->gguf != NULL;
}

bool keys_has(struct keys *k, const char *gguf, const char *hf)
{
	struct place p;
	return find(k, gguf, hf, &p);
}

bool keys_is_null(struct keys *k, const char *hf)
{
	if (!k->json)
		return false;
	remember(k, hf);
	return json_is_null(at_path(k->json, hf));
}

bool keys_object(struct keys *k, const char *hf)
{
	const json_t *v = k->json && !k->rc ? at_path(k->json, hf) : NULL;
	if (v && !json_is_null(v) && !json_is_object(v))
		keys_fail(k, KVIK_ERR_FORMAT, NULL, hf, "is not an object; is the file intact?");
	return json_is_object(v) && json_object_size(v) > 0;
}

static const char not_u32[] = "is not a whole number from 0 to 4294967295; is the file intact?";
static const char not_text[] = "is not a string; is the file intact?";
static const char not_bool[] = "is neither true nor false; is the file intact?";

bool keys_whole_has(const struct keys *k, const char *hf)
{
	const json_t *v = k->whole ? json_object_get(k->whole, hf) : NULL;
	return v && !json_is_null(v);
}

bool keys_whole_bool(struct keys *k, const char *hf, bool *v)
{
	const json_t *j = keys_whole_has(k, hf) && !k->rc ? json_object_get(k->whole, hf) : NULL;
	if (j && !json_is_boolean(j))
		keys_fail(k, KVIK_ERR_FORMAT, NULL, hf, not_bool);
	else if (j)
		*v = json_is_true(j);
	return json_is_boolean(j);
}

/* ---- Values ------------------------------------------------------------------------------------------------------ */

/* A getter of gguf.h has spoken: its errors do not name the file. */
static bool got(struct keys *k, int rc)
{
	if (rc < 0) {
		err_prefix(k->err, "%s", k->file);
		k->rc = rc;
	}
	return rc > 0;
}

static bool json_u32(const json_t *j, uint32_t *v)
{
	if (!json_is_integer(j) || json_integer_value(j) < 0 || json_integer_value(j) > UINT32_MAX)
		return false;
	*v = (uint32_t)json_integer_value(j);
	return true;
}

bool keys_u32(struct keys *k, const char *gguf, const char *hf, uint32_t *v)
{
	struct place p;
	uint64_t u;
	if (!find(k, gguf, hf, &p))
		return false;
	if (p.json && !json_u32(p.json, v))
		keys_fail(k, KVIK_ERR_FORMAT, gguf, hf, not_u32);
	if (p.json)
		return !k->rc;
	if (!got(k, gguf_get_u64(k->gguf, p.gguf, &u, k->err)))
		return false;
	if (u > UINT32_MAX)
		keys_fail(k, KVIK_ERR_FORMAT, gguf, hf, not_u32);
	else
		*v = (uint32_t)u;
	return !k->rc;
}

bool keys_f64(struct keys *k, const char *gguf, const char *hf, double *v)
{
	struct place p;
	double d = 0;
	if (!find(k, gguf, hf, &p))
		return false;
	if (p.json && !json_is_number(p.json))
		keys_fail(k, KVIK_ERR_FORMAT, gguf, hf, "is not a number; is the file intact?");
	if (p.json)
		d = json_number_value(p.json);
	if (k->rc || (p.gguf && !got(k, gguf_get_f64(k->gguf, p.gguf, &d, k->err))))
		return false;
	*v = d;
	return true;
}

bool keys_f32(struct keys *k, const char *gguf, const char *hf, float *v)
{
	double d;
	if (!keys_f64(k, gguf, hf, &d))
		return false;
	*v = (float)d;
	return true;
}

bool keys_bool(struct keys *k, const char *gguf, const char *hf, bool *v)
{
	struct place p;
	if (!find(k, gguf, hf, &p))
		return false;
	if (p.gguf)
		return got(k, gguf_get_bool(k->gguf, p.gguf, v, k->err));
	if (!json_is_boolean(p.json)) {
		keys_fail(k, KVIK_ERR_FORMAT, gguf, hf, not_bool);
		return false;
	}
	*v = json_is_true(p.json);
	return true;
}

bool keys_text(struct keys *k, const char *gguf, const char *hf, char *v, size_t bytes)
{
	struct place p;
	struct gguf_str s = {"", 0};
	if (!find(k, gguf, hf, &p))
		return false;
	if (p.gguf) {
		if (!got(k, gguf_get_str(k->gguf, p.gguf, &s, k->err)))
			return false;
		snprintf(v, bytes, "%.*s", (int)(s.bytes < bytes ? s.bytes : bytes - 1), s.text);
		return true;
	}
	if (!json_is_string(p.json)) {
		keys_fail(k, KVIK_ERR_FORMAT, gguf, hf, not_text);
		return false;
	}
	snprintf(v, bytes, "%s", json_string_value(p.json));
	return true;
}

static void missing(struct keys *k, const char *gguf, const char *hf)
{
	keys_fail(k, KVIK_ERR_FORMAT, gguf, hf,
		  k->json ? "is missing; is this the config.json of a causal language model?"
			  : "is missing; convert the model again");
}

void keys_need_u32(struct keys *k, const char *gguf, const char *hf, uint32_t *v)
{
	if (!keys_u32(k, gguf, hf, v))
		missing(k, gguf, hf);
}

void keys_need_f32(struct keys *k, const char *gguf, const char *hf, float *v)
{
	if (!keys_f32(k, gguf, hf, v))
		missing(k, gguf, hf);
}

/* ---- Arrays ------------------------------------------------------------------------------------------------------ */

uint64_t keys_count(struct keys *k, const char *gguf, const char *hf)
{
	struct place p;
	struct gguf_array a;
	if (!find(k, gguf, hf, &p))
		return 0;
	if (p.json)
		return json_array_size(p.json);
	return gguf_get_array(k->gguf, p.gguf, &a, NULL) == 1 ? a.n : 0;
}

/* Element i of a GGUF array of whole numbers of four bytes, or of truth values. */
static bool gguf_element(struct keys *k, const char *key, uint32_t i, bool truth, uint32_t *v)
{
	enum { ELEM_U32 = 4, ELEM_I32 = 5, ELEM_BOOL = 7 };
	struct gguf_array a = {0};
	if (!got(k, gguf_get_array(k->gguf, key, &a, k->err)) || i >= a.n)
		return false;
	if (truth ? a.type != ELEM_BOOL : a.type != ELEM_U32 && a.type != ELEM_I32) {
		k->rc = err_set(k->err, KVIK_ERR_FORMAT,
				"%s: GGUF key '%s' is not an array of %s; convert the model again", k->file, key,
				truth ? "truth values" : "32-bit whole numbers");
		return false;
	}
	if (truth)
		*v = a.data[i];
	else
		memcpy(v, a.data + (size_t)i * 4, 4);
	return true;
}

bool keys_u32_at(struct keys *k, const char *gguf, const char *hf, uint32_t i, uint32_t *v)
{
	struct place p;
	if (keys_count(k, gguf, hf) == 0)
		return keys_u32(k, gguf, hf, v);
	if (!find(k, gguf, hf, &p))
		return false;
	if (p.gguf)
		return gguf_element(k, p.gguf, i, false, v);
	const json_t *e = json_array_get(p.json, i);
	if (e && !json_u32(e, v))
		keys_fail(k, KVIK_ERR_FORMAT, gguf, hf, not_u32);
	return e && !k->rc;
}

bool keys_bool_at(struct keys *k, const char *gguf, const char *hf, uint32_t i, bool *v)
{
	struct place p;
	uint32_t u = 0;
	if (keys_count(k, gguf, hf) == 0)
		return keys_bool(k, gguf, hf, v);
	if (!find(k, gguf, hf, &p))
		return false;
	if (p.gguf) {
		if (!gguf_element(k, p.gguf, i, true, &u))
			return false;
		*v = u != 0;
		return true;
	}
	const json_t *e = json_array_get(p.json, i);
	if (e && !json_is_boolean(e))
		keys_fail(k, KVIK_ERR_FORMAT, gguf, hf, not_bool);
	if (!e || k->rc)
		return false;
	*v = json_is_true(e);
	return true;
}

bool keys_text_at(struct keys *k, const char *hf, uint32_t i, char *v, size_t bytes)
{
	struct place p;
	if (!k->json || !find(k, NULL, hf, &p))
		return false;
	const json_t *e = json_array_get(p.json, i);
	if (e && !json_is_string(e))
		keys_fail(k, KVIK_ERR_FORMAT, NULL, hf, not_text);
	if (!e || k->rc)
		return false;
	snprintf(v, bytes, "%s", json_string_value(e));
	return true;
}

bool keys_u32_layer(struct keys *k, const char *hf, uint32_t layer, const char *field, uint32_t *v)
{
	char path[KEYS_NAME_MAX];
	snprintf(path, sizeof path, "%s.#.%s", hf, field);
	if (!k->json || k->rc)
		return false;
	remember(k, path);
	for (int digits = 1; digits <= 4; digits++) {
		snprintf(path, sizeof path, "%s.%0*u.%s", hf, digits, layer, field);
		const json_t *j = at_path(k->json, path);
		if (!j || json_is_null(j))
			continue;
		if (!json_u32(j, v))
			keys_fail(k, KVIK_ERR_FORMAT, NULL, path, not_u32);
		return !k->rc;
	}
	return false;
}

/* ---- Opening and closing ----------------------------------------------------------------------------------------- */

int keys_open_json(struct keys *k, const struct json_t *json, const char *file, struct kvik_err *err)
{
	const json_t *text = json_object_get(json, "text_config");
	*k = (struct keys){.json = json, .file = file, .err = err};
	if (text && !json_is_null(text)) {
		k->json = text;
		k->whole = json;
	}
	if (!keys_text(k, NULL, "model_type", k->arch, sizeof k->arch))
		missing(k, NULL, k->whole ? "text_config.model_type" : "model_type");
	return k->rc;
}

static int open_gguf(struct keys *k, const struct gguf *g, const char *file, struct kvik_err *err)
{
	struct gguf_str s = {"", 0};
	*k = (struct keys){.gguf = g, .file = file, .err = err};
	if (!got(k, gguf_get_str(g, "general.architecture", &s, err)) && !k->rc)
		k->rc = err_set(err, KVIK_ERR_FORMAT,
				"%s: GGUF key 'general.architecture' is missing; convert the model again", file);
	snprintf(k->arch, sizeof k->arch, "%.*s", (int)(s.bytes < sizeof k->arch ? s.bytes : sizeof k->arch - 1),
		 s.text);
	return k->rc;
}

int keys_open(struct keys *k, const struct source *s, struct kvik_err *err)
{
	return s->config ? keys_open_json(k, s->config, s->config_path ? s->config_path : s->path, err)
			 : open_gguf(k, s->parts[0], s->path, err);
}

int keys_finish(struct keys *k, char *unknown, size_t unknown_bytes)
{
	unknown[0] = '\0';
	if (!k->rc)
		keys_check_unread(k, unknown, unknown_bytes);
	return k->rc;
}
