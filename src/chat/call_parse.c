/* call_parse.c: one parser over the table of call formats. What does not parse is no call: a model may say anything. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "chat/call_scan.h"
#include "chat/json_read.h"

/* ---- What was read ----------------------------------------------------------------------------------------------- */

void calls_release(struct calls *c)
{
	for (size_t i = 0; i < c->n; i++) {
		mem_free(c->v[i].name);
		mem_free(c->v[i].arguments);
	}
	mem_free(c->v);
	*c = (struct calls){0};
}

/* Takes nothing; false: no memory. */
static bool add(struct calls *c, const char *name, size_t name_bytes, const char *arguments)
{
	if (c->n == CALLS_MAX)
		return true;
	struct call *v = mem_grow(c->v, &c->cap, c->n, sizeof *v);
	if (!v)
		return false;
	c->v = v;
	struct call call = {mem_strndup(name, name_bytes), mem_strndup(arguments, strlen(arguments))};
	if (!call.name || !call.arguments) {
		mem_free(call.name);
		mem_free(call.arguments);
		return false;
	}
	c->v[c->n++] = call;
	return true;
}

struct reader {
	struct scan scan;
	const struct call_format *f;
	const json_t *tools;
	struct calls *out;
	bool bare; /* the text is a call without marks */
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static void trim(const char **text, size_t *n)
{
	while (*n > 0 && is_blank((*text)[*n - 1]))
		--*n;
	for (; *n > 0 && is_blank(**text); --*n)
		++*text;
}

static enum call_read add_call(struct reader *r, const char *name, size_t n, json_t *arguments)
{
	const struct call_format *f = r->f;
	size_t prefix = f->name_prefix ? strlen(f->name_prefix) : 0;
	if (prefix && n > prefix && memcmp(name, f->name_prefix, prefix) == 0) { /* functions.NAME:0 */
		const char *colon = memrchr(name, ':', n);
		n = (colon ? (size_t)(colon - name) : n) - prefix;
		name += prefix;
	}
	trim(&name, &n);
	if (n == 0 || n > CALL_NAME_BYTES || memchr(name, '\n', n))
		return CALL_NONE;
	char *text = json_write(arguments, JSON_COMPACT | JSON_ENCODE_ANY);
	r->scan.no_memory |= !text || !add(r->out, name, n, text);
	free(text);
	return CALL_READ;
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static json_t *first_of(const json_t *o, const char *const *keys)
{
	for (; *keys; keys++) {
		json_t *v = json_object_get(o, *keys);
		if (v)
			return v;
	}
	return NULL;
}

/* Arguments may be told as the text of an object. */
static json_t *as_object(json_t *v)
{
	json_t *o = json_is_string(v) ? json_read(json_string_value(v), json_string_length(v), JSON_ALLOW_NUL, NULL)
				      : json_incref(v);
	if (json_is_object(o))
		return o;
	json_decref(o);
	return NULL;
}

static bool is_tool(const json_t *tools, const char *name)
{
	size_t i;
	json_t *t;
	json_array_foreach((json_t *)(uintptr_t)tools, i, t)
	{
		json_t *f = json_object_get(t, "function");
		const char *its = json_string_value(json_object_get(f ? f : t, "name"));
		if (its && strcmp(its, name) == 0)
			return true;
	}
	return false;
}

/* {"name", "arguments"}, under their other names or inside of "function" as well. */
static enum call_read json_call(struct reader *r, const json_t *o)
{
	static const char *const names[] = {"name", "tool_name", NULL};
	static const char *const arguments[] = {"arguments", "parameters", NULL};
	const json_t *f = json_object_get(o, "function");
	if (json_is_object(f))
		o = f;
	const char *name = json_string_value(first_of(o, names));
	json_t *args = first_of(o, arguments), *object = args ? as_object(args) : NULL;
	enum call_read result = CALL_NONE;
	bool known = !r->bare || !r->tools || (name && is_tool(r->tools, name));
	if (name && object && known)
		result = add_call(r, name, strlen(name), object);
	json_decref(object);
	return result;
}

static enum call_read read_json(struct reader *r)
{
	json_t *v, *o;
	size_t i;
	scan_blanks(&r->scan);
	enum call_read result = scan_json(&r->scan, &v);
	if (result == CALL_READ && json_is_object(v))
		result = json_call(r, v);
	else if (result == CALL_READ && json_array_size(v) == 0)
		result = CALL_NONE;
	json_array_foreach(v, i, o) if (result == CALL_READ) result = json_call(r, o);
	json_decref(v);
	return result;
}

/* ---- A name and JSON --------------------------------------------------------------------------------------------- */

static enum call_read read_named(struct reader *r)
{
	const char *name;
	size_t n;
	json_t *v;
	scan_blanks(&r->scan);
	if (r->scan.at < r->scan.n && (r->scan.s[r->scan.at] == '[' || r->scan.s[r->scan.at] == '{'))
		return read_json(r);
	enum call_read result = scan_until(&r->scan, r->f->name_end, &name, &n);
	if (result == CALL_MORE && r->scan.n - r->scan.at > CALL_NAME_BYTES + 64)
		result = CALL_NONE;
	if (result != CALL_READ)
		return result;
	scan_blanks(&r->scan);
	result = scan_json(&r->scan, &v);
	if (result == CALL_READ)
		result = json_is_object(v) ? add_call(r, name, n, v) : CALL_NONE;
	json_decref(v);
	return result;
}

/* ---- A name and tagged arguments --------------------------------------------------------------------------------- */

/* The type that the tools give to an argument; NULL: none, or several. */
static const char *type_of(const json_t *tools, const char *name, size_t name_bytes, const char *key, size_t key_bytes)
{
	size_t i;
	json_t *t;
	json_array_foreach((json_t *)(uintptr_t)tools, i, t)
	{
		const json_t *f = json_object_get(t, "function");
		const json_t *its = json_object_get(f ? f : t, "name");
		if (json_string_length(its) != name_bytes || memcmp(json_string_value(its), name, name_bytes) != 0)
			continue;
		const json_t *all = json_object_get(json_object_get(f ? f : t, "parameters"), "properties");
		return json_string_value(json_object_get(json_object_getn(all, key, key_bytes), "type"));
	}
	return NULL;
}

/* A value as it stands between its tags: a text where the schema says so, else JSON if it is. */
static json_t *tagged_value(const char *text, size_t n, bool is_text)
{
	json_t *v = is_text ? NULL : json_read(text, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	return v ? v : json_stringn(text, n);
}

/* One line break at each end belongs to the tags. */
static void trim_lines(const char **text, size_t *n)
{
	if (*n > 0 && **text == '\n') {
		++*text;
		--*n;
	}
	if (*n > 0 && (*text)[*n - 1] == '\n')
		--*n;
}

static enum call_read read_argument(struct reader *r, const char *name, size_t name_bytes, json_t *args)
{
	const struct call_format *f = r->f;
	struct scan *s = &r->scan;
	const char *key, *value;
	size_t key_bytes, bytes;
	enum call_read result = scan_expect(s, f->key);
	if (result == CALL_READ)
		result = scan_until(s, f->key_end, &key, &key_bytes);
	if (result == CALL_READ && f->value) {
		scan_blanks(s);
		result = scan_expect(s, f->value);
	}
	if (result == CALL_READ)
		result = scan_until(s, f->value_end, &value, &bytes);
	if (result != CALL_READ)
		return result;
	const char *quote = memchr(key, '"', key_bytes); /* name="key" string="true" */
	bool as_json = quote && memmem(quote, key_bytes - (size_t)(quote - key), "string=\"false\"", 14);
	bool as_text = quote && memmem(quote, key_bytes - (size_t)(quote - key), "string=\"true\"", 13);
	key_bytes = quote ? (size_t)(quote - key) : key_bytes;
	const char *type = type_of(r->tools, name, name_bytes, key, key_bytes);
	as_text = as_text || (!as_json && type && strcmp(type, "string") == 0);
	trim_lines(&value, &bytes);
	json_t *v = tagged_value(value, bytes, as_text);
	if (!v || json_object_setn_new(args, key, key_bytes, v))
		return CALL_NONE;
	if (f->value_end[strlen(f->value_end) - 1] != '/')
		return CALL_READ;
	char again[CALL_NAME_BYTES + 2]; /* "</" and the key: MiniMax M3 */
	if (key_bytes + 1 >= sizeof again)
		return CALL_NONE;
	memcpy(again, key, key_bytes);
	memcpy(again + key_bytes, ">", 2);
	return scan_expect(s, again);
}

/* The name ends at its mark, or where the first argument or the end of the call stands. */
static enum call_read tagged_name(struct reader *r, const char **name, size_t *n)
{
	const struct call_format *f = r->f;
	struct scan *s = &r->scan;
	if (f->name_end)
		return scan_until(s, f->name_end, name, n);
	size_t end = s->at;
	while (end < s->n && s->s[end] != '<')
		end++;
	*name = s->s + s->at;
	*n = end - s->at;
	if (end == s->n && !s->final)
		return *n > CALL_NAME_BYTES ? CALL_NONE : CALL_MORE;
	s->at = end;
	return CALL_READ;
}

static enum call_read read_tagged(struct reader *r)
{
	const char *name;
	size_t n;
	json_t *args = json_object();
	enum call_read result = tagged_name(r, &name, &n);
	bool closed = false;
	if (result == CALL_READ)
		trim(&name, &n);
	if (result == CALL_READ && (n == 0 || n > CALL_NAME_BYTES || memchr(name, '{', n) || memchr(name, '"', n)))
		result = CALL_NONE; /* JSON, which is another format's */
	while (result == CALL_READ && !closed) {
		scan_blanks(&r->scan);
		size_t before = r->scan.at;
		result = scan_expect(&r->scan, r->f->close);
		closed = result == CALL_READ;
		r->scan.at = closed ? before : r->scan.at;
		if (result == CALL_NONE && before < r->scan.n)
			result = read_argument(r, name, n, args);
	}
	if (result == CALL_READ)
		result = add_call(r, name, n, args);
	json_decref(args);
	return result;
}

/* ---- Neither ----------------------------------------------------------------------------------------------------- */

static enum call_read one_pythonic(struct reader *r)
{
	struct scan *s = &r->scan;
	json_t *args = NULL;
	scan_blanks(s);
	const char *open = memchr(s->s + s->at, '(', s->n - s->at), *name = s->s + s->at;
	if (!open)
		return s->final || s->n - s->at > CALL_NAME_BYTES ? CALL_NONE : CALL_MORE;
	size_t n = (size_t)(open - name);
	s->at += n;
	enum call_read result = scan_python_args(s, &args);
	if (result == CALL_READ)
		result = add_call(r, name, n, args);
	json_decref(args);
	return result;
}

/* [a(..), b(..)] */
static enum call_read read_pythonic(struct reader *r)
{
	struct scan *s = &r->scan;
	scan_blanks(s);
	enum call_read result = scan_expect(s, "[");
	for (bool closed = false; result == CALL_READ && !closed;) {
		result = one_pythonic(r);
		scan_blanks(s);
		if (result != CALL_READ)
			break;
		if (s->at == s->n)
			return s->final ? CALL_NONE : CALL_MORE;
		closed = s->s[s->at] == ']';
		result = closed || s->s[s->at] == ',' ? CALL_READ : CALL_NONE;
		s->at++;
	}
	return result;
}

static enum call_read read_braced(struct reader *r)
{
	struct scan *s = &r->scan;
	const char *name = s->s + s->at, *brace = memchr(name, '{', s->n - s->at);
	json_t *args = NULL;
	if (!brace)
		return s->final || s->n - s->at > CALL_NAME_BYTES ? CALL_NONE : CALL_MORE;
	s->at += (size_t)(brace - name);
	enum call_read result = scan_braced(s, &args);
	if (result == CALL_READ)
		result = add_call(r, name, (size_t)(brace - name), args);
	json_decref(args);
	return result;
}

/* One object after the other, ";" between; nothing else may follow. */
static enum call_read read_bare(struct reader *r)
{
	struct scan *s = &r->scan;
	enum call_read result = CALL_READ;
	while (result == CALL_READ) {
		result = read_json(r);
		scan_blanks(s);
		if (result == CALL_READ && s->at == s->n)
			return s->final ? CALL_READ : CALL_MORE;
		if (result == CALL_READ)
			result = scan_expect(s, ";");
	}
	return result;
}

/* ---- The whole --------------------------------------------------------------------------------------------------- */

static const char *first_mark(const struct call_format *f)
{
	return f->section ? f->section : f->open;
}

/* The earliest of a mark at or after from; else of what may be its beginning at the end. */
static bool find_mark(const char *mark, const char *text, size_t bytes, size_t from, size_t *begin, bool *certain)
{
	size_t n = strlen(mark);
	const char *at = memmem(text + from, bytes - from, mark, n);
	*certain = at != NULL;
	if (at)
		*begin = (size_t)(at - text);
	for (size_t k = n - 1 < bytes - from ? n - 1 : bytes - from; !at && k > 0; k--) {
		if (memcmp(text + bytes - k, mark, k) == 0) {
			*begin = bytes - k;
			return true;
		}
	}
	return at != NULL;
}

bool call_find(const struct call_format *f, const char *text, size_t bytes, size_t from, size_t *begin, bool *certain)
{
	size_t other;
	bool sure, found;
	size_t at = from;
	while (at < bytes && is_blank(text[at]))
		at++;
	if (f->bare_too && from == 0 && at < bytes && text[at] == '{') {
		*begin = at;
		return *certain = true;
	}
	if (f->body == CALL_BARE) { /* only the whole of a text is a call */
		*certain = at < bytes && text[at] == '{';
		*begin = at;
		bool tag = find_mark(f->open, text, bytes, at, &other, &sure) && other == at;
		*certain = *certain || (tag && sure);
		return from == 0 && (*certain || tag || at == bytes);
	}
	found = find_mark(first_mark(f), text, bytes, from, begin, certain);
	/* models forget the mark around calls */
	if (f->section && find_mark(f->open, text, bytes, from, &other, &sure) && (!found || other < *begin)) {
		found = true;
		*begin = other;
		*certain = sure;
	}
	return found;
}

static enum call_read read_body(struct reader *r)
{
	enum call_read result;
	switch (r->bare ? CALL_BARE : r->f->body) {
	case CALL_JSON:
		scan_blanks(&r->scan);
		result = scan_expect(&r->scan, r->f->name_end);
		return result == CALL_MORE ? result : read_json(r);
	case CALL_NAMED: return read_named(r);
	case CALL_TAGGED: return read_tagged(r);
	case CALL_PYTHONIC: return read_pythonic(r);
	case CALL_BRACED: return read_braced(r);
	case CALL_BARE: return read_bare(r);
	}
	return CALL_NONE;
}

/* A mark that may be missing; blanks before it go with it. */
static enum call_read skip_mark(struct scan *s, const char *mark)
{
	size_t before = s->at;
	if (!mark || !*mark)
		return CALL_READ;
	scan_blanks(s);
	enum call_read result = scan_expect(s, mark);
	if (result == CALL_NONE)
		s->at = before;
	return result == CALL_NONE ? CALL_READ : result;
}

bool call_read(const struct call_format *f, const json_t *tools, const char *text, size_t bytes, size_t *at, bool final,
	       struct calls *out, enum call_read *result)
{
	struct reader r = {
		.scan = {.s = text, .n = bytes, .at = *at, .final = final}, .f = f, .tools = tools, .out = out};
	size_t had = out->n;
	*result = skip_mark(&r.scan, f->section);
	bool inside = r.scan.at > *at;
	scan_blanks(&r.scan);
	if (*result == CALL_READ && inside && r.scan.at < bytes && text[r.scan.at] == '{') {
		*result = read_json(&r); /* of tagged formats: models fall back to the older form */
	} else if (*result == CALL_READ) {
		r.bare = f->body == CALL_BARE || (f->bare_too && r.scan.at < bytes && text[r.scan.at] == '{');
		*result = r.bare ? skip_mark(&r.scan, f->open) : scan_expect(&r.scan, f->open);
		if (*result == CALL_READ)
			*result = read_body(&r);
		if (*result == CALL_READ)
			*result = skip_mark(&r.scan, f->close);
	}
	if (*result == CALL_READ)
		*result = skip_mark(&r.scan, f->section_end);
	if (*result == CALL_READ)
		*at = r.scan.at;
	while (*result != CALL_READ && out->n > had) {
		out->n--;
		mem_free(out->v[out->n].name);
		mem_free(out->v[out->n].arguments);
	}
	return !r.scan.no_memory;
}
