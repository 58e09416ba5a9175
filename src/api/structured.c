/* structured.c: see structured.h. */
#include "api/structured.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "chat/json_read.h"

struct kept_constraint {
	struct kvik_constraint *c;
	enum kvik_constraint_kind kind;
	char *text; /* [bytes], owned */
	size_t bytes;
	uint64_t hash, used;
	unsigned users;
	bool listed; /* in the cache */
};

/* ---- Keeping ----------------------------------------------------------------------------------------------------- */

void structured_cache_init(struct structured_cache *sc)
{
	*sc = (struct structured_cache){0};
	pthread_mutex_init(&sc->lock, NULL);
}

static void kept_free(struct kept_constraint *k)
{
	if (!k)
		return;
	kvik_constraint_free(k->c);
	mem_free(k->text);
	mem_free(k);
}

void structured_cache_release(struct structured_cache *sc)
{
	for (int i = 0; i < STRUCTURED_KEPT; i++)
		kept_free(sc->kept[i]);
	pthread_mutex_destroy(&sc->lock);
}

/* Under the lock. */
static struct kept_constraint *find(struct structured_cache *sc, uint64_t hash, enum kvik_constraint_kind kind,
				    const char *text, size_t n)
{
	for (int i = 0; i < STRUCTURED_KEPT; i++) {
		struct kept_constraint *k = sc->kept[i];
		if (k && k->hash == hash && k->kind == kind && k->bytes == n && memcmp(k->text, text, n) == 0)
			return k;
	}
	return NULL;
}

/* Puts k in the place of the one that nobody has used for longest; if all are in use it is its user's alone. */
static void list(struct structured_cache *sc, struct kept_constraint *k)
{
	int oldest = -1;
	for (int i = 0; i < STRUCTURED_KEPT; i++) {
		const struct kept_constraint *o = sc->kept[i];
		if (!o || (o->users == 0 && (oldest < 0 || (sc->kept[oldest] && o->used < sc->kept[oldest]->used))))
			oldest = i;
	}
	if (oldest < 0)
		return;
	kept_free(sc->kept[oldest]);
	sc->kept[oldest] = k;
	k->listed = true;
}

static struct kept_constraint *make(const struct kvik_vocab *v, enum kvik_constraint_kind kind, const char *text,
				    size_t n, struct kvik_err *err)
{
	struct kept_constraint *k = mem_zalloc(1, sizeof *k);
	if (k)
		k->text = mem_strndup(text, n);
	if (!k || !k->text) {
		mem_free(k);
		err_set(err, KVIK_ERR_NOMEM, "no memory for a constraint");
		return NULL;
	}
	k->kind = kind;
	k->bytes = n;
	k->hash = hash_bytes(text, n);
	if (kvik_constraint_new(&k->c, v, kind, text, n, err) != 0) {
		kept_free(k);
		return NULL;
	}
	return k;
}

static struct kept_constraint *hold(struct structured_cache *sc, const struct kvik_vocab *v,
				    enum kvik_constraint_kind kind, const char *text, size_t n, struct kvik_err *err)
{
	pthread_mutex_lock(&sc->lock);
	struct kept_constraint *k = find(sc, hash_bytes(text, n), kind, text, n), *made = NULL;
	if (!k) {
		pthread_mutex_unlock(&sc->lock); /* others need not wait for it to be compiled */
		made = make(v, kind, text, n, err);
		pthread_mutex_lock(&sc->lock);
		k = made ? find(sc, made->hash, kind, text, n) : NULL;
		if (made && !k) {
			k = made;
			made = NULL;
			list(sc, k);
		}
	}
	if (k) {
		k->users++;
		k->used = ++sc->clock;
	}
	pthread_mutex_unlock(&sc->lock);
	kept_free(made);
	return k;
}

void structured_release(struct structured *s, struct structured_cache *sc)
{
	struct kept_constraint *k = s->constraint;
	s->constraint = NULL;
	if (!k)
		return;
	pthread_mutex_lock(&sc->lock);
	bool last = --k->users == 0 && !k->listed;
	pthread_mutex_unlock(&sc->lock);
	if (last)
		kept_free(k);
}

struct kvik_constraint *structured_constraint(const struct structured *s)
{
	return s->constraint ? s->constraint->c : NULL;
}

/* ---- Reading ----------------------------------------------------------------------------------------------------- */

size_t structured_fields(struct structured *s, struct field *table)
{
	const struct field fields[] = {
		{"response_format", FIELD_JSON, &s->response_format, 0, 0},
		{"structured_outputs", FIELD_JSON, &s->outputs, 0, 0},
		{"guided_json", FIELD_JSON, &s->json, 0, 0},
		{"guided_regex", FIELD_JSON, &s->regex, 0, 0},
		{"guided_choice", FIELD_JSON, &s->choice, 0, 0},
		{"guided_grammar", FIELD_JSON, &s->guided_grammar, 0, 0},
		{"json_schema", FIELD_JSON, &s->json_schema, 0, 0},
		{"grammar", FIELD_JSON, &s->grammar, 0, 0},
		{"regex", FIELD_JSON, &s->sglang_regex, 0, 0},
		{"ebnf", FIELD_JSON, &s->ebnf, 0, 0},
		{"structural_tag", FIELD_JSON, &s->structural_tag, 0, 0},
	};
	_Static_assert(sizeof fields / sizeof *fields == STRUCTURED_FIELDS, "STRUCTURED_FIELDS");
	memcpy(table, fields, sizeof fields);
	return STRUCTURED_FIELDS;
}

struct reading {
	struct structured *s;
	struct structured_cache *sc;
	const struct kvik_vocab *v;
	struct field_error *e;
};

/* value: the schema or list as JSON, or a text (of a schema: JSON inside of a text). */
static int take(const struct reading *r, const char *name, enum kvik_constraint_kind kind, const json_t *value)
{
	struct kvik_err err;
	bool text = json_is_string(value) && kind != KVIK_CONSTRAINT_CHOICE;
	char *dumped = text || !value ? NULL : json_write(value, JSON_ENCODE_ANY | JSON_COMPACT);
	const char *bytes = text ? json_string_value(value) : dumped ? dumped : "";
	size_t n = text ? json_string_length(value) : strlen(bytes);
	if (r->s->constraint) {
		free(dumped);
		return field_fail(r->e, name, "'%s' is a second form for one answer: give one", name);
	}
	if (!r->v) {
		free(dumped);
		return field_fail(r->e, name, "'%s' needs a model with a vocabulary", name);
	}
	r->s->constraint = hold(r->sc, r->v, kind, bytes, n, &err);
	free(dumped);
	return r->s->constraint ? 0 : field_fail(r->e, name, "'%s': %s", name, err.text);
}

/* Of kinds that are texts: a regular expression, a grammar. Empty: none. */
static int take_text(const struct reading *r, const char *name, enum kvik_constraint_kind kind, const json_t *value)
{
	if (!json_is_string(value))
		return field_fail(r->e, name, "'%s' must be a text", name);
	return json_string_length(value) > 0 ? take(r, name, kind, value) : 0;
}

/* A format whose form is a text beside its type, which must not be missing. */
static int take_inside(const struct reading *r, const char *name, const json_t *format, const char *field,
		       enum kvik_constraint_kind kind)
{
	const json_t *text = json_object_get(format, field);
	return json_string_length(text) > 0
		       ? take(r, name, kind, text)
		       : field_fail(r->e, name, "'%s' of this type must have a text '%s'", name, field);
}

/* {"type": ..., "json_schema": {"schema": ...}}; what is inside may also stand beside the type. */
static int take_format(const struct reading *r, const char *name, const json_t *format)
{
	const json_t *type = json_object_get(format, "type"), *inner = json_object_get(format, "json_schema");
	const json_t *schema = json_object_get(inner ? inner : format, "schema");
	if (!schema) /* as TGI and huggingface_hub have it */
		schema = json_object_get(format, "value");
	if (!json_is_string(type))
		return field_fail(
			r->e, name,
			"'%s' must be an object with a 'type': text, json_object, json_schema, regex, grammar or "
			"structural_tag",
			name);
	if (field_says(type, "text"))
		return 0;
	if (field_says(type, "structural_tag"))
		return take(r, name, KVIK_CONSTRAINT_TAGS, format);
	if (field_says(type, "grammar"))
		return take_inside(r, name, format, "grammar", KVIK_CONSTRAINT_GRAMMAR);
	if (field_says(type, "regex"))
		return take_inside(r, name, format, "pattern", KVIK_CONSTRAINT_REGEX);
	if (field_says(type, "json_object") && (!schema || json_is_null(schema)))
		return take(r, name, KVIK_CONSTRAINT_JSON, NULL);
	if (!field_says(type, "json_schema") && !field_says(type, "json_object"))
		return field_fail(
			r->e, name,
			"'%s' of type '%.40s' is not supported; text, json_object, json_schema, regex, grammar and "
			"structural_tag are",
			name, json_string_value(type));
	if (!json_is_object(schema) && !json_is_boolean(schema))
		return field_fail(r->e, name,
				  "'%s' of type json_schema must hold the schema: {\"type\": \"json_schema\", "
				  "\"json_schema\": {\"name\": \"...\", \"schema\": {...}}}",
				  name);
	return take(r, name, KVIK_CONSTRAINT_SCHEMA, schema);
}

static int take_outputs(const struct reading *r, const json_t *o)
{
	json_t *json = NULL, *regex = NULL, *choice = NULL, *grammar = NULL, *tag = NULL;
	bool json_object = false;
	const struct field fields[] = {
		{"json", FIELD_JSON, &json, 0, 0},
		{"regex", FIELD_JSON, &regex, 0, 0},
		{"choice", FIELD_JSON, &choice, 0, 0},
		{"json_object", FIELD_BOOL, &json_object, 0, 0},
		{"grammar", FIELD_JSON, &grammar, 0, 0},
		{"structural_tag", FIELD_JSON, &tag, 0, 0},
		{"disable_any_whitespace", FIELD_NO_EFFECT, NULL, 0, 0},
		{"disable_fallback", FIELD_NO_EFFECT, NULL, 0, 0},
		{"disable_additional_properties", FIELD_NO_EFFECT, NULL, 0, 0},
		{"whitespace_pattern", FIELD_NO_EFFECT, NULL, 0, 0},
	};
	if (!json_is_object(o))
		return field_fail(r->e, "structured_outputs", "'structured_outputs' must be an object");
	int rc = fields_read(o, fields, sizeof fields / sizeof *fields, r->e);
	if (!rc && json)
		rc = take(r, "structured_outputs", KVIK_CONSTRAINT_SCHEMA, json);
	if (!rc && regex)
		rc = take_text(r, "structured_outputs", KVIK_CONSTRAINT_REGEX, regex);
	if (!rc && grammar)
		rc = take_text(r, "structured_outputs", KVIK_CONSTRAINT_GRAMMAR, grammar);
	if (!rc && tag)
		rc = take(r, "structured_outputs", KVIK_CONSTRAINT_TAGS, tag);
	if (!rc && choice)
		rc = take(r, "structured_outputs", KVIK_CONSTRAINT_CHOICE, choice);
	if (!rc && json_object)
		rc = take(r, "structured_outputs", KVIK_CONSTRAINT_JSON, NULL);
	return rc;
}

int structured_finish(struct structured *s, struct structured_cache *sc, const struct kvik_vocab *v,
		      struct field_error *e)
{
	const struct reading r = {s, sc, v, e};
	int rc = s->response_format ? take_format(&r, "response_format", s->response_format) : 0;
	s->of_text = !rc && s->constraint;
	if (!rc && s->outputs)
		rc = take_outputs(&r, s->outputs);
	if (!rc && s->json)
		rc = take(&r, "guided_json", KVIK_CONSTRAINT_SCHEMA, s->json);
	if (!rc && s->regex)
		rc = take_text(&r, "guided_regex", KVIK_CONSTRAINT_REGEX, s->regex);
	if (!rc && s->choice && json_array_size(s->choice) + !json_is_array(s->choice) > 0)
		rc = take(&r, "guided_choice", KVIK_CONSTRAINT_CHOICE, s->choice);
	if (!rc && s->json_schema)
		rc = take(&r, "json_schema", KVIK_CONSTRAINT_SCHEMA, s->json_schema);
	if (!rc && s->guided_grammar)
		rc = take_text(&r, "guided_grammar", KVIK_CONSTRAINT_GRAMMAR, s->guided_grammar);
	if (!rc && s->grammar)
		rc = take_text(&r, "grammar", KVIK_CONSTRAINT_GRAMMAR, s->grammar);
	if (!rc && s->sglang_regex)
		rc = take_text(&r, "regex", KVIK_CONSTRAINT_REGEX, s->sglang_regex);
	if (!rc && s->ebnf)
		rc = take_text(&r, "ebnf", KVIK_CONSTRAINT_GRAMMAR, s->ebnf);
	if (!rc && s->structural_tag)
		rc = take(&r, "structural_tag", KVIK_CONSTRAINT_TAGS, s->structural_tag);
	return rc;
}

int structured_format(struct structured *s, const json_t *format, const char *name, struct structured_cache *sc,
		      const struct kvik_vocab *v, struct field_error *e)
{
	const struct reading r = {s, sc, v, e};
	int rc = take_format(&r, name, format);
	s->of_text = !rc && s->constraint;
	return rc;
}

int structured_call(struct structured *s, enum kvik_constraint_kind kind, const json_t *form,
		    struct structured_cache *sc, const struct kvik_vocab *v, struct field_error *e)
{
	const struct reading r = {s, sc, v, e};
	if (s->of_text)
		structured_release(s, sc);
	return take(&r, "tool_choice", kind, form);
}
