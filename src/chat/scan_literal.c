/* scan_literal.c: values as two families write them that do not write JSON: Python's (LFM2, Llama) and Gemma's. The
 * text may end anywhere: CALL_MORE then. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "chat/call_scan.h"

enum { LEVELS_MAX = 64, NUMBER_BYTES = 64 };

static enum call_read at_end(const struct scan *s)
{
	return s->final ? CALL_NONE : CALL_MORE;
}

static bool next_is(const struct scan *s, char c)
{
	return s->at < s->n && s->s[s->at] == c;
}

/* Takes a new reference; NULL: the text was no UTF-8. */
static enum call_read give(json_t **value, json_t *v)
{
	*value = v;
	return v ? CALL_READ : CALL_NONE;
}

/* Letters, digits and what names and numbers have beside; must not touch the end, where it may go on. */
static enum call_read word(struct scan *s, const char *more, const char **from, size_t *n)
{
	size_t end = s->at;
	while (end < s->n && (isalnum((unsigned char)s->s[end]) || (s->s[end] && strchr(more, s->s[end]))))
		end++;
	if (end == s->n && !s->final)
		return CALL_MORE;
	*from = s->s + s->at;
	*n = end - s->at;
	s->at = end;
	return *n > 0 ? CALL_READ : CALL_NONE;
}

static json_t *number(const char *text, size_t n)
{
	char copy[NUMBER_BYTES], *end;
	if (n == 0 || n >= sizeof copy || !strpbrk(memcpy(copy, text, n), "0123456789"))
		return NULL;
	copy[n] = '\0';
	long long i = strtoll(copy, &end, 10);
	if (!*end && n < 19)
		return json_integer(i);
	double d = strtod(copy, &end);
	return *end ? NULL : json_real(d);
}

static json_t *constant(const char *text, size_t n)
{
	static const struct {
		const char *text;
		json_type type;
	} known[] = {{"True", JSON_TRUE},   {"true", JSON_TRUE}, {"False", JSON_FALSE},
		     {"false", JSON_FALSE}, {"None", JSON_NULL}, {"null", JSON_NULL}};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strlen(known[i].text) == n && memcmp(known[i].text, text, n) == 0)
			return known[i].type == JSON_NULL ? json_null() : json_boolean(known[i].type == JSON_TRUE);
	return number(text, n);
}

static enum call_read scan_word(struct scan *s, json_t **value)
{
	const char *text;
	size_t n;
	enum call_read r = word(s, "+-._", &text, &n);
	if (r != CALL_READ)
		return r;
	*value = constant(text, n);
	return *value ? CALL_READ : CALL_NONE;
}

/* ---- Lists and objects of both ----------------------------------------------------------------------------------- */

typedef enum call_read value_fn(struct scan *s, json_t **value);
typedef enum call_read key_fn(struct scan *s, json_t **key);

/* Behind an item: a comma (CALL_READ), or `close` (then *closed). */
static enum call_read separator(struct scan *s, char close, bool *closed)
{
	scan_blanks(s);
	if (s->at == s->n)
		return at_end(s);
	*closed = next_is(s, close);
	if (!*closed && !next_is(s, ','))
		return CALL_NONE;
	s->at++;
	return CALL_READ;
}

/* Is the container closed at once (also behind a last comma)? */
static enum call_read closes(struct scan *s, char close, bool *closed)
{
	scan_blanks(s);
	if (s->at == s->n)
		return at_end(s);
	*closed = next_is(s, close);
	s->at += *closed;
	return CALL_READ;
}

static enum call_read items(struct scan *s, char close, value_fn *value, json_t *list)
{
	bool closed = false;
	enum call_read r = closes(s, close, &closed);
	while (r == CALL_READ && !closed) {
		json_t *v = NULL;
		r = value(s, &v);
		if (r == CALL_READ && json_array_append_new(list, v))
			r = CALL_NONE;
		if (r == CALL_READ)
			r = separator(s, close, &closed);
		if (r == CALL_READ && !closed)
			r = closes(s, close, &closed);
	}
	return r;
}

/* Both stay the caller's, whatever it answers. */
static enum call_read pair(struct scan *s, char between, key_fn *read_key, value_fn *read_value, json_t **key,
			   json_t **v)
{
	enum call_read r = read_key(s, key);
	scan_blanks(s);
	if (r == CALL_READ && s->at == s->n)
		r = at_end(s);
	if (r == CALL_READ && !next_is(s, between))
		r = CALL_NONE;
	if (r == CALL_READ) {
		s->at++;
		scan_blanks(s);
		r = read_value(s, v);
	}
	return r;
}

static enum call_read member(struct scan *s, char between, key_fn *read_key, value_fn *read_value, json_t *object)
{
	json_t *key = NULL, *v = NULL;
	enum call_read r = pair(s, between, read_key, read_value, &key, &v);
	if (r != CALL_READ)
		json_decref(v);
	else if (json_object_setn_new(object, json_string_value(key), json_string_length(key), v))
		r = CALL_NONE;
	json_decref(key);
	return r;
}

static enum call_read members(struct scan *s, char close, char between, key_fn *key, value_fn *value, json_t *object)
{
	bool closed = false;
	enum call_read r = closes(s, close, &closed);
	while (r == CALL_READ && !closed) {
		r = member(s, between, key, value, object);
		if (r == CALL_READ)
			r = separator(s, close, &closed);
		if (r == CALL_READ && !closed)
			r = closes(s, close, &closed);
	}
	return r;
}

/* ---- Python ------------------------------------------------------------------------------------------------------ */

static bool add_escape(struct buf *b, const struct scan *s, size_t *i)
{
	static const char letters[] = "nrtbf0", stand_for[] = "\n\r\t\b\f";
	char c = s->s[++*i];
	const char *at = c ? strchr(letters, c) : NULL;
	if (at)
		return buf_add(b, &stand_for[at - letters], 1);
	if (c == '\\' || c == '\'' || c == '"')
		return buf_add(b, &c, 1);
	return buf_add(b, "\\", 1) && buf_add(b, &c, 1);
}

static enum call_read scan_quoted(struct scan *s, json_t **value)
{
	struct buf b = {0};
	char quote = s->s[s->at];
	size_t i = s->at + 1;
	bool ok = buf_reserve(&b, 1);
	for (; ok && i < s->n && s->s[i] != quote; i++) {
		if (s->s[i] == '\\' && i + 1 < s->n)
			ok = add_escape(&b, s, &i);
		else
			ok = buf_add(&b, s->s + i, 1);
	}
	enum call_read r = i >= s->n ? at_end(s) : CALL_READ;
	if (!ok)
		s->no_memory = true;
	if (r == CALL_READ) {
		r = give(value, ok ? json_stringn(b.data, b.n) : NULL);
		s->at = i + 1;
	}
	buf_release(&b);
	return r;
}

static enum call_read scan_python(struct scan *s, json_t **value)
{
	scan_blanks(s);
	if (s->at == s->n)
		return at_end(s);
	char c = s->s[s->at];
	if (c == '\'' || c == '"')
		return scan_quoted(s, value);
	if (c != '[' && c != '(' && c != '{')
		return scan_word(s, value);
	if (++s->level > LEVELS_MAX)
		return CALL_NONE;
	json_t *v = c == '{' ? json_object() : json_array();
	s->at++;
	enum call_read r = c == '{' ? members(s, '}', ':', scan_python, scan_python, v)
				    : items(s, c == '[' ? ']' : ')', scan_python, v);
	s->level--;
	if (r == CALL_READ)
		return give(value, v);
	json_decref(v);
	return r;
}

static enum call_read scan_name(struct scan *s, json_t **key)
{
	const char *text;
	size_t n;
	enum call_read r = word(s, "_.-", &text, &n);
	return r == CALL_READ ? give(key, json_stringn(text, n)) : r;
}

enum call_read scan_python_member(struct scan *s, json_t **key, json_t **value)
{
	return pair(s, '=', scan_name, scan_python, key, value);
}

/* ---- Gemma 4 ----------------------------------------------------------------------------------------------------- */

static enum call_read scan_braced(struct scan *s, json_t **value);

static enum call_read scan_gemma_text(struct scan *s, json_t **value)
{
	static const char *const quotations[] = {"<|\"|>", "<escape>"}; /* of Gemma 4 and of FunctionGemma */
	const char *text;
	size_t n, i = 0;
	enum call_read r = scan_expect(s, quotations[0]);
	if (r == CALL_NONE)
		r = scan_expect(s, quotations[i = 1]);
	if (r == CALL_READ)
		r = scan_until(s, quotations[i], &text, &n);
	return r == CALL_READ ? give(value, json_stringn(text, n)) : r;
}

static enum call_read scan_gemma_key(struct scan *s, json_t **key)
{
	return next_is(s, '<') ? scan_gemma_text(s, key) : scan_name(s, key);
}

static enum call_read scan_gemma(struct scan *s, json_t **value)
{
	scan_blanks(s);
	if (s->at == s->n)
		return at_end(s);
	if (next_is(s, '<'))
		return scan_gemma_text(s, value);
	if (next_is(s, '{'))
		return scan_braced(s, value);
	if (!next_is(s, '['))
		return scan_word(s, value);
	if (++s->level > LEVELS_MAX)
		return CALL_NONE;
	json_t *v = json_array();
	s->at++;
	enum call_read r = items(s, ']', scan_gemma, v);
	s->level--;
	if (r == CALL_READ)
		return give(value, v);
	json_decref(v);
	return r;
}

static enum call_read scan_braced(struct scan *s, json_t **value)
{
	if (s->at == s->n)
		return at_end(s);
	if (!next_is(s, '{') || ++s->level > LEVELS_MAX)
		return CALL_NONE;
	json_t *v = json_object();
	s->at++;
	enum call_read r = members(s, '}', ':', scan_gemma_key, scan_gemma, v);
	s->level--;
	if (r == CALL_READ)
		return give(value, v);
	json_decref(v);
	return r;
}

enum call_read scan_braced_member(struct scan *s, json_t **key, json_t **value)
{
	return pair(s, ':', scan_gemma_key, scan_gemma, key, value);
}
