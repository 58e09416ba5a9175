/* call_parse.c: one parser over the table of call formats: a machine of a few steps. A step reads something whole, tells it and
 * moves on, or waits for more text. What does not parse is no call: a model may say anything.
 *
 *     OPEN -> HEAD -> OBJECT -> OBJECT_ARGS -> OBJECT_TAIL -> AFTER    {"name": .., "arguments": {..}}, also in a list
 *                          \--> WHOLE ------------------------/        the same, with its members in another order
 *                  -> ARGS                                             name and {..}
 *                  -> KEY -> VALUE or TEXT -> KEY ..                   name and tagged values
 *                  -> ITEM -> MEMBER -> MEMBER .. -> AFTER             name(key=value, ..), name{key:value, ..}
 *          all     -> CLOSE -> DONE
 *
 * Invariant: everything before p->at has been told. A step that waits reads again from there, at the earliest when an eighth
 * more has come, so that all of the waiting costs about nine times the text. */
#include "chat/call_parse.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "chat/call_scan.h"
#include "chat/call_values.h"
#include "chat/json_read.h"

enum step {
	OPEN,
	HEAD,
	OBJECT,
	OBJECT_ARGS,
	OBJECT_TAIL,
	WHOLE,
	ARGS,
	KEY,
	VALUE,
	TEXT,
	ITEM,
	MEMBER,
	AFTER,
	CLOSE,
	DONE
};

struct reader {
	struct call_parser *p;
	const struct call_format *f;
	struct scan scan;
};

static enum call_read go(struct reader *r, enum step then)
{
	r->p->step = (int)then;
	return CALL_READ;
}

static enum call_read at_end(const struct reader *r)
{
	return r->scan.final ? CALL_NONE : CALL_MORE;
}

static bool ends(const struct reader *r)
{
	return r->scan.at == r->scan.n;
}

static char next(const struct reader *r)
{
	return r->scan.s[r->scan.at];
}

static void tell(const struct reader *r, const char *text, size_t n)
{
	if (n > 0)
		r->p->to.arguments(r->p->to.user, text, n);
}

/* False: no memory. */
static bool tell_escaped(const struct reader *r, const char *text, size_t n)
{
	struct buf b = {0};
	bool ok = call_escape(&b, text, n);
	if (ok)
		tell(r, b.data, b.n);
	buf_release(&b);
	return ok;
}

/* Takes v. */
static bool tell_value(const struct reader *r, json_t *v)
{
	char *text = v ? json_write(v, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
	if (text)
		tell(r, text, strlen(text));
	json_decref(v);
	free(text);
	return text != NULL;
}

static bool tell_name(struct reader *r, const char *key, size_t n)
{
	tell(r, ",\"", r->p->some ? 2 : 0);
	tell(r, "\"", r->p->some ? 0 : 1);
	r->p->some = true;
	if (!tell_escaped(r, key, n))
		return false;
	tell(r, "\":", 2);
	return true;
}

/* The name of a call is known. */
static enum call_read begin(struct reader *r, const char *name, size_t n, enum step then)
{
	const struct call_format *f = r->f;
	size_t prefix = f->name_prefix ? strlen(f->name_prefix) : 0;
	const char *cut = f->name_cut ? memmem(name, n, f->name_cut, strlen(f->name_cut)) : NULL;
	n = cut ? (size_t)(cut - name) : n;
	if (prefix && n > prefix && memcmp(name, f->name_prefix, prefix) == 0) { /* functions.NAME:0 */
		const char *colon = memrchr(name, ':', n);
		n = (colon ? (size_t)(colon - name) : n) - prefix;
		name += prefix;
	}
	call_trim(&name, &n);
	if (n == 0 || n > CALL_NAME_BYTES || memchr(name, '\n', n) || memchr(name, '"', n) || memchr(name, '{', n))
		return CALL_NONE;
	if (!r->p->to.begin(r->p->to.user, name, n))
		return CALL_NONE;
	memcpy(r->p->name, name, n);
	r->p->name_bytes = n;
	r->p->some = false;
	return go(r, then);
}

static enum call_read end(struct reader *r, enum step then)
{
	if (!r->p->to.end(r->p->to.user))
		return CALL_NONE;
	r->p->done_at = r->scan.at;
	return go(r, then);
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

/* ---- Brackets of JSON -------------------------------------------------------------------------------------------- */

static void count_from(struct reader *r, size_t at, size_t depth)
{
	r->p->json.at = at;
	r->p->json.depth = depth;
	r->p->json.in_string = r->p->json.escaped = false;
}

/* Goes on counting. True: the bracket that brings the depth to zero was met; json.at is behind it. */
static bool count(struct reader *r)
{
	struct call_parser *p = r->p;
	while (p->json.at < r->scan.n) {
		char c = r->scan.s[p->json.at++];
		if (p->json.escaped) {
			p->json.escaped = false;
		} else if (p->json.in_string) {
			p->json.escaped = c == '\\';
			p->json.in_string = c != '"';
		} else if (c == '"') {
			p->json.in_string = true;
		} else if (c == '{' || c == '[') {
			p->json.depth++;
		} else if ((c == '}' || c == ']') && --p->json.depth == 0) {
			return true;
		}
	}
	return false;
}

/* ---- {"name": .., "arguments": {..}} ----------------------------------------------------------------------------- */

/* A text of JSON; one with escapes is not read here (CALL_NONE). */
static enum call_read plain_string(struct reader *r, const char **text, size_t *n)
{
	struct scan *s = &r->scan;
	if (ends(r))
		return at_end(r);
	if (next(r) != '"')
		return CALL_NONE;
	s->at++;
	enum call_read result = scan_until(s, "\"", text, n);
	return result == CALL_READ && memchr(*text, '\\', *n) ? CALL_NONE : result;
}

static enum call_read expect_char(struct reader *r, char c)
{
	scan_blanks(&r->scan);
	if (ends(r))
		return at_end(r);
	if (next(r) != c)
		return CALL_NONE;
	r->scan.at++;
	scan_blanks(&r->scan);
	return ends(r) ? at_end(r) : CALL_READ;
}

static bool is_word(const char *text, size_t n, const char *a, const char *b)
{
	return (strlen(a) == n && memcmp(text, a, n) == 0) || (strlen(b) == n && memcmp(text, b, n) == 0);
}

/* A value without brackets; of a text its content. */
static enum call_read scalar(struct reader *r, const char **text, size_t *n)
{
	if (next(r) == '"')
		return plain_string(r, text, n);
	size_t to = r->scan.at;
	while (to < r->scan.n && (isalnum((unsigned char)r->scan.s[to]) || strchr("+-.", r->scan.s[to])))
		to++;
	if (to == r->scan.n)
		return at_end(r);
	*text = NULL;
	*n = 0;
	enum call_read result = to > r->scan.at ? CALL_READ : CALL_NONE;
	r->scan.at = to;
	return result;
}

/* The usual order: scalars, the name among them, then the arguments, at whose bracket it stops. CALL_NONE: another order. */
static enum call_read object_head(struct reader *r, const char **name, size_t *name_bytes)
{
	const char *key, *value;
	size_t key_bytes, bytes;
	*name = NULL;
	enum call_read result = expect_char(r, '{');
	while (result == CALL_READ) {
		result = plain_string(r, &key, &key_bytes);
		if (result == CALL_READ)
			result = expect_char(r, ':');
		if (result != CALL_READ)
			return result;
		if (r->f->keyed && next(r) == '{') {
			*name = key;
			*name_bytes = key_bytes;
			return CALL_READ;
		}
		if (is_word(key, key_bytes, "arguments", "parameters"))
			return *name && next(r) == '{' ? CALL_READ : CALL_NONE;
		result = scalar(r, &value, &bytes);
		if (result == CALL_READ && is_word(key, key_bytes, "name", "tool_name")) {
			*name = value;
			*name_bytes = bytes;
		}
		if (result == CALL_READ)
			result = expect_char(r, ',');
	}
	return result;
}

/* Any JSON may stand where a bare call may: it must be one of the tools. */
static bool may_be(const struct reader *r, const char *name, size_t n)
{
	return !r->p->bare || !r->p->tools || call_tool(r->p->tools, name, n);
}

static enum call_read object(struct reader *r)
{
	const char *name;
	size_t n = 0;
	scan_blanks(&r->scan);
	if (ends(r))
		return at_end(r);
	if (next(r) != '{')
		return CALL_NONE;
	size_t from = r->p->object_at = r->scan.at;
	enum call_read result = object_head(r, &name, &n);
	if (result == CALL_READ) {
		count_from(r, r->scan.at, 0);
		return may_be(r, name, n) ? begin(r, name, n, OBJECT_ARGS) : CALL_NONE;
	}
	if (result == CALL_MORE)
		return result;
	r->scan.at = from;
	count_from(r, from, 0);
	return go(r, WHOLE);
}

/* Tells what has come of an object in brackets; true: all of it. */
static bool tell_object(struct reader *r)
{
	bool closed = count(r);
	tell(r, r->scan.s + r->p->at, r->p->json.at - r->p->at);
	r->scan.at = r->p->at = r->p->json.at;
	return closed;
}

static enum call_read object_args(struct reader *r)
{
	if (!tell_object(r))
		return at_end(r);
	r->p->json.depth = 1;
	return go(r, OBJECT_TAIL);
}

static enum call_read object_tail(struct reader *r)
{
	if (!count(r))
		return at_end(r);
	size_t from = r->p->object_at, to = r->p->json.at;
	json_t *o = json_read(r->scan.s + from, to - from, JSON_ALLOW_NUL, NULL);
	bool ok = json_is_object(o);
	json_decref(o);
	r->scan.at = to;
	return ok ? end(r, AFTER) : CALL_NONE;
}

/* In any order, under their other names or inside of "function" as well. */
static enum call_read whole(struct reader *r)
{
	if (!count(r))
		return at_end(r);
	size_t from = r->p->object_at, to = r->p->json.at;
	json_t *o = json_read(r->scan.s + from, to - from, JSON_ALLOW_NUL, NULL), *args = NULL;
	const char *name = call_of_json(o, r->p->tools, &args);
	char *text = name ? json_write(args, JSON_COMPACT) : NULL;
	enum call_read result = text && may_be(r, name, strlen(name)) ? begin(r, name, strlen(name), AFTER) : CALL_NONE;
	if (result == CALL_READ) {
		tell(r, text, strlen(text));
		r->scan.at = to;
		result = end(r, AFTER);
	}
	free(text);
	json_decref(args);
	json_decref(o);
	return result;
}

/* Behind a call: the next of a list, or its end. */
static enum call_read after(struct reader *r)
{
	if (!r->p->in_list)
		return go(r, CLOSE);
	scan_blanks(&r->scan);
	if (ends(r))
		return at_end(r);
	char c = next(r);
	if (c != ',' && c != ']')
		return CALL_NONE;
	r->scan.at++;
	if (c == ']')
		return go(r, CLOSE);
	return go(r, r->p->close == ')' ? ITEM : OBJECT);
}

/* ---- A name and tagged arguments --------------------------------------------------------------------------------- */

static enum call_read key(struct reader *r)
{
	struct call_parser *p = r->p;
	struct scan *s = &r->scan;
	const char *name, *mark;
	size_t n;
	scan_blanks(s);
	size_t before = s->at;
	enum call_read result = scan_expect(s, r->f->close);
	if (result == CALL_NONE && before < s->n && r->f->section_end) /* models forget the one mark of two */
		result = scan_expect(s, r->f->section_end);
	if (result == CALL_READ) {
		s->at = before;
		tell(r, "}", 1);
		return end(r, CLOSE);
	}
	if (result == CALL_NONE)
		result = scan_expect(s, r->f->key);
	if (result == CALL_READ)
		result = scan_until(s, r->f->key_end, &name, &n);
	if (result == CALL_READ && r->f->value) {
		scan_blanks(s);
		result = scan_expect(s, r->f->value);
	}
	if (result != CALL_READ)
		return result;
	mark = memchr(name, '"', n); /* name="key" string="true" */
	p->key_at = (size_t)(name - s->s);
	p->key_bytes = mark ? (size_t)(mark - name) : n;
	if (mark && memmem(mark, n - p->key_bytes, "string=\"true\"", 13))
		p->type = CALL_TEXT;
	else if (mark && memmem(mark, n - p->key_bytes, "string=\"false\"", 14))
		p->type = CALL_ANY;
	else
		p->type = call_type_of(p->tools, p->name, p->name_bytes, name, p->key_bytes);
	if (!tell_name(r, name, p->key_bytes))
		return CALL_NONE;
	p->fresh = true;
	if (p->type == CALL_TEXT)
		tell(r, "\"", 1);
	return go(r, p->type == CALL_TEXT ? TEXT : VALUE);
}

/* "</" and the key: MiniMax M3 */
static enum call_read again(struct reader *r)
{
	const char *mark = r->f->value_end, *k = r->scan.s + r->p->key_at;
	size_t n = r->p->key_bytes, left = r->scan.n - r->scan.at;
	if (mark[strlen(mark) - 1] != '/')
		return CALL_READ;
	if (left < n + 1)
		return at_end(r);
	if (memcmp(r->scan.s + r->scan.at, k, n) != 0 || r->scan.s[r->scan.at + n] != '>')
		return CALL_NONE;
	r->scan.at += n + 1;
	return CALL_READ;
}

static enum call_read value(struct reader *r)
{
	const char *text;
	size_t n;
	enum call_read result = scan_until(&r->scan, r->f->value_end, &text, &n);
	if (result == CALL_READ)
		result = again(r);
	if (result != CALL_READ)
		return result;
	call_trim_lines(&text, &n);
	json_t *v = call_tagged_value(text, n, r->p->type);
	return tell_value(r, v) ? go(r, KEY) : CALL_NONE;
}

/* A text is told as it comes, but for what may be its end: a line break and a piece of the mark. */
static enum call_read text(struct reader *r)
{
	struct call_parser *p = r->p;
	struct scan *s = &r->scan;
	const char *mark = r->f->value_end, *from = s->s + s->at;
	if (p->fresh && ends(r))
		return at_end(r);
	if (p->fresh && next(r) == '\n') { /* one line break at each end belongs to the tags */
		s->at++;
		from++;
	}
	p->fresh = false;
	size_t before = s->at, left = s->n - s->at, n = strlen(mark);
	const char *found = memmem(from, left, mark, n);
	size_t to = found ? (size_t)(found - from) : left;
	for (size_t k = n - 1 < left ? n - 1 : left; !found && k > 0 && to == left; k--)
		if (memcmp(from + left - k, mark, k) == 0)
			to = left - k;
	if (to > 0 && from[to - 1] == '\n')
		to--;
	if (!tell_escaped(r, from, to))
		return CALL_NONE;
	p->at = s->at = before + to; /* which is told, whatever comes */
	if (!found)
		return at_end(r);
	s->at = (size_t)(found - s->s) + n;
	enum call_read result = again(r);
	if (result != CALL_READ)
		return result;
	tell(r, "\"", 1);
	return go(r, KEY);
}

/* ---- name(key=value, ..) and name{key:value, ..} ----------------------------------------------------------------- */

static enum call_read item(struct reader *r)
{
	struct scan *s = &r->scan;
	scan_blanks(s);
	size_t from = s->at, to = from;
	while (to < s->n && (isalnum((unsigned char)s->s[to]) || (s->s[to] && strchr("_.-", s->s[to]))))
		to++;
	size_t n = to - from;
	if (n > CALL_NAME_BYTES || (to < s->n && s->s[to] != '('))
		return CALL_NONE;
	if (to == s->n)
		return at_end(r);
	if (n > 5 && memcmp(s->s + to - 5, ".call", 5) == 0) /* Llama's own tools: brave_search.call(query=..) */
		n -= 5;
	if (!may_be(r, s->s + from, n))
		return CALL_NONE;
	s->at = to + 1;
	r->p->close = ')';
	enum call_read result = begin(r, s->s + from, n, MEMBER);
	if (result == CALL_READ)
		tell(r, "{", 1);
	return result;
}

static enum call_read member(struct reader *r)
{
	struct call_parser *p = r->p;
	struct scan *s = &r->scan;
	json_t *k = NULL, *v = NULL;
	scan_blanks(s);
	if (ends(r))
		return at_end(r);
	if (next(r) == p->close) {
		s->at++;
		tell(r, "}", 1);
		return end(r, AFTER);
	}
	enum call_read result = p->close == ')' ? scan_python_member(s, &k, &v) : scan_braced_member(s, &k, &v);
	if (result == CALL_READ) {
		scan_blanks(s);
		if (ends(r))
			result = at_end(r);
		else if (next(r) == ',')
			s->at++;
		else if (next(r) != p->close)
			result = CALL_NONE;
	}
	if (result == CALL_READ &&
	    (!tell_name(r, json_string_value(k), json_string_length(k)) || !tell_value(r, json_incref(v))))
		result = CALL_NONE;
	json_decref(k);
	json_decref(v);
	return result;
}

/* ---- What stands around ------------------------------------------------------------------------------------------ */

static enum call_read open_mark(struct reader *r)
{
	struct call_parser *p = r->p;
	struct scan *s = &r->scan;
	size_t before = s->at;
	enum call_read result = skip_mark(s, r->f->section);
	bool inside = s->at > before;
	if (result != CALL_READ)
		return result;
	scan_blanks(s);
	if (inside && !ends(r) && next(r) == '{') /* of tagged formats: models fall back to the older form */
		return go(r, OBJECT);
	p->bare = r->f->body == CALL_BARE || (r->f->bare_too && !ends(r) && (next(r) == '{' || next(r) == '['));
	before = s->at;
	result = p->bare ? skip_mark(s, r->f->open) : scan_expect(s, r->f->open);
	p->tagged = s->at > before;
	return result == CALL_READ ? go(r, HEAD) : result;
}

/* One object, or a list of them. */
static enum call_read json_head(struct reader *r)
{
	scan_blanks(&r->scan);
	if (ends(r))
		return at_end(r);
	r->p->in_list = next(r) == '[';
	r->scan.at += r->p->in_list;
	return go(r, OBJECT);
}

/* JSON, or Python's [f(..)] */
static enum call_read bare_head(struct reader *r)
{
	struct scan *s = &r->scan;
	scan_blanks(s);
	if (ends(r))
		return at_end(r);
	if (next(r) == '{')
		return go(r, OBJECT);
	r->p->in_list = next(r) == '[';
	s->at += r->p->in_list;
	scan_blanks(s);
	if (ends(r))
		return at_end(r);
	if (!r->p->in_list && !r->p->tagged)
		return CALL_NONE;
	if (next(r) == '{')
		return go(r, OBJECT);
	r->p->close = ')';
	return go(r, ITEM);
}

static enum call_read named_head(struct reader *r)
{
	const struct call_format *f = r->f;
	struct scan *s = &r->scan;
	const char *name;
	size_t n;
	scan_blanks(s);
	if (!ends(r) && (next(r) == '[' || next(r) == '{'))
		return json_head(r);
	enum call_read result = f->id_end ? scan_until(s, f->id_end, &name, &n) : CALL_READ;
	if (result == CALL_READ)
		result = scan_until(s, f->name_end, &name, &n);
	if (result == CALL_MORE && s->n - s->at > CALL_NAME_BYTES + 64)
		result = CALL_NONE;
	if (result != CALL_READ)
		return result;
	if (f->plain && strlen(f->plain) == n && memcmp(name, f->plain, n) == 0) {
		r->p->plain = true;
		return go(r, DONE);
	}
	scan_blanks(s);
	if (ends(r))
		return at_end(r);
	if (next(r) != '{')
		return CALL_NONE;
	count_from(r, s->at, 0);
	return begin(r, name, n, ARGS);
}

static enum call_read args(struct reader *r)
{
	return tell_object(r) ? end(r, CLOSE) : at_end(r);
}

/* The name ends at its mark, or where the first argument or the end of the call stands. */
static enum call_read tagged_name(struct reader *r, const char **name, size_t *n)
{
	struct scan *s = &r->scan;
	enum call_read result = CALL_READ;
	if (r->f->name_end) {
		result = scan_until(s, r->f->name_end, name, n);
	} else {
		const char *to = memchr(s->s + s->at, '<', s->n - s->at);
		*name = s->s + s->at;
		*n = to ? (size_t)(to - *name) : s->n - s->at;
		s->at += *n;
		result = to ? CALL_READ : at_end(r);
	}
	if (result == CALL_MORE && r->scan.n - r->p->at > CALL_NAME_BYTES + 64)
		return CALL_NONE;
	return result;
}

static enum call_read tagged_head(struct reader *r)
{
	struct scan *s = &r->scan;
	const char *name;
	size_t n;
	enum call_read result = tagged_name(r, &name, &n);
	if (result != CALL_READ)
		return result;
	scan_blanks(s);
	size_t before = s->at;
	enum call_read closed = scan_expect(s, r->f->close);
	s->at = before;
	enum call_read goes_on = scan_expect(s, r->f->key);
	s->at = before;
	if (closed != CALL_READ && goes_on != CALL_READ)
		return closed == CALL_MORE || goes_on == CALL_MORE ? CALL_MORE : CALL_NONE;
	result = begin(r, name, n, KEY);
	if (result == CALL_READ)
		tell(r, "{", 1);
	return result;
}

static enum call_read pythonic_head(struct reader *r)
{
	scan_blanks(&r->scan);
	if (ends(r))
		return at_end(r);
	r->p->in_list = next(r) == '[';
	r->scan.at += r->p->in_list;
	r->p->close = ')';
	return go(r, ITEM);
}

static enum call_read braced_head(struct reader *r)
{
	struct scan *s = &r->scan;
	const char *name = s->s + s->at, *brace = memchr(name, '{', s->n - s->at);
	if (!brace)
		return s->n - s->at > CALL_NAME_BYTES ? CALL_NONE : at_end(r);
	s->at += (size_t)(brace - name) + 1;
	r->p->close = '}';
	enum call_read result = begin(r, name, (size_t)(brace - name), MEMBER);
	if (result == CALL_READ)
		tell(r, "{", 1);
	return result;
}

static enum call_read head(struct reader *r)
{
	enum call_read result;
	switch (r->p->bare ? CALL_BARE : r->f->body) {
	case CALL_JSON:
		scan_blanks(&r->scan);
		result = scan_expect(&r->scan, r->f->name_end);
		return result == CALL_READ ? json_head(r) : result;
	case CALL_NAMED: return named_head(r);
	case CALL_TAGGED: return tagged_head(r);
	case CALL_PYTHONIC: return pythonic_head(r);
	case CALL_BRACED: return braced_head(r);
	case CALL_BARE: return bare_head(r);
	}
	return CALL_NONE;
}

static enum call_read close_mark(struct reader *r)
{
	enum call_read result = skip_mark(&r->scan, r->p->bare ? ";" : r->f->close);
	if (result == CALL_READ)
		result = skip_mark(&r->scan, r->f->section_end);
	return result == CALL_READ ? go(r, DONE) : result;
}

enum call_read call_parse(struct call_parser *p, const char *text_so_far, size_t bytes, bool final)
{
	static enum call_read (*const steps[])(struct reader *) = {[OPEN] = open_mark,
								   [HEAD] = head,
								   [OBJECT] = object,
								   [OBJECT_ARGS] = object_args,
								   [OBJECT_TAIL] = object_tail,
								   [WHOLE] = whole,
								   [ARGS] = args,
								   [KEY] = key,
								   [VALUE] = value,
								   [TEXT] = text,
								   [ITEM] = item,
								   [MEMBER] = member,
								   [AFTER] = after,
								   [CLOSE] = close_mark};
	struct reader r = {.p = p, .f = p->f, .scan = {.s = text_so_far, .n = bytes, .final = final}};
	enum call_read result = CALL_READ;
	if (!final && bytes < p->retry_at)
		return CALL_MORE;
	while (result == CALL_READ && p->step != DONE) {
		r.scan.at = p->at;
		result = steps[p->step](&r);
		if (result == CALL_READ)
			p->at = r.scan.at;
	}
	p->retry_at = bytes + (bytes - p->at) / 8;
	return result;
}
