/* re_parse.c: reads a regular expression, by recursive descent. Greedy and lazy repetitions are the same language; groups are
 * only brackets. Depth and counts are bounded. */
#include "constrain/re_parse.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "constrain/re.h"

enum { DEPTH_MAX = 200, REPEAT_MAX = 20000, LAST = 0x10FFFF };

struct parser {
	struct re_tree *t;
	const char *text;
	size_t n, at;
	unsigned depth, syntax;
	struct kvik_err *err;
	int rc;
};

static uint32_t fail(struct parser *p, int code, const char *what)
{
	if (!p->rc)
		p->rc = err_set(p->err, code, "regular expression: %s at byte %zu", what, p->at);
	return 0;
}

static uint32_t node_add(struct parser *p, struct re_node node)
{
	return p->rc ? 0 : re_tree_add(p->t, node);
}

static void range_add(struct parser *p, uint32_t lo, uint32_t hi)
{
	if (!p->rc)
		re_tree_range(p->t, lo, hi);
}

/* ---- Classes: a set is the ranges from `first` on ------------------------------------------------------------------ */

static uint32_t set_node(struct parser *p, size_t first)
{
	return p->rc ? 0 : re_tree_class(p->t, first);
}

static const struct re_range digits[] = {{'0', '9'}}, words[] = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}},
			     blanks[] = {{9, 13},          {' ', ' '},       {0xA0, 0xA0},     {0x1680, 0x1680},
					 {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F},
					 {0x3000, 0x3000}, {0xFEFF, 0xFEFF}},
			     line_ends[] = {{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};

static void named_add(struct parser *p, const struct re_range *r, size_t n, bool inverted)
{
	size_t first = p->t->n_ranges;
	for (size_t i = 0; i < n; i++)
		range_add(p, r[i].lo, r[i].hi);
	if (inverted && !p->rc)
		re_tree_invert(p->t, first);
}
#define NAMED(p, r, inverted) named_add(p, r, sizeof(r) / sizeof *(r), inverted)

/* ---- Characters -------------------------------------------------------------------------------------------------- */

static bool more(const struct parser *p)
{
	return p->at < p->n && !p->rc;
}

static bool take(struct parser *p, char c)
{
	if (!more(p) || p->text[p->at] != c)
		return false;
	p->at++;
	return true;
}

static uint32_t character(struct parser *p)
{
	unsigned length = utf8_length((const uint8_t *)p->text + p->at, p->n - p->at);
	if (length == 0)
		return fail(p, KVIK_ERR_FORMAT, "what is no UTF-8");
	uint32_t c = utf8_decode((const uint8_t *)p->text + p->at, length);
	p->at += length;
	return c;
}

static uint32_t hex(struct parser *p, unsigned digits_min, unsigned digits_max)
{
	uint32_t v = 0;
	unsigned n = 0;
	for (; n < digits_max && more(p); n++, p->at++) {
		char c = p->text[p->at];
		unsigned d = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
			     : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
			     : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10)
						    : 16;
		if (d == 16)
			break;
		v = v * 16 + d;
	}
	if (n < digits_min || v > LAST)
		return fail(p, KVIK_ERR_FORMAT, "an escape without its digits");
	return v;
}

/* After "{". */
static uint32_t braced(struct parser *p)
{
	uint32_t c = hex(p, 1, 6);
	return take(p, '}') || p->rc ? c : fail(p, KVIK_ERR_FORMAT, "an escape without '}'");
}

/* After "\u": four digits, or two times four for a surrogate pair. */
static uint32_t utf16(struct parser *p)
{
	uint32_t c = hex(p, 4, 4);
	if (c < 0xD800 || c >= 0xDC00 || p->n - p->at < 6 || p->text[p->at] != '\\' || p->text[p->at + 1] != 'u')
		return c;
	p->at += 2;
	uint32_t low = hex(p, 4, 4);
	if (low < 0xDC00 || low > 0xDFFF)
		return fail(p, KVIK_ERR_FORMAT, "half a surrogate pair");
	return 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
}

/* After "\": one character; false: it is a class, which is then added. */
static bool escape(struct parser *p, uint32_t *c)
{
	if (!more(p)) {
		fail(p, KVIK_ERR_FORMAT, "a lone backslash");
		return true;
	}
	char e = p->text[p->at];
	switch (e) {
	case 'd':
	case 'D': p->at++, NAMED(p, digits, e == 'D'); return false;
	case 'w':
	case 'W': p->at++, NAMED(p, words, e == 'W'); return false;
	case 's':
	case 'S': p->at++, NAMED(p, blanks, e == 'S'); return false;
	case 'n': p->at++, *c = '\n'; return true;
	case 'r': p->at++, *c = '\r'; return true;
	case 't': p->at++, *c = '\t'; return true;
	case 'f': p->at++, *c = '\f'; return true;
	case 'v': p->at++, *c = '\v'; return true;
	case 'x':
		p->at++;
		*c = take(p, '{') ? braced(p) : hex(p, 2, 2);
		return true;
	case 'u':
		p->at++;
		*c = take(p, '{') ? braced(p) : utf16(p);
		return true;
	case 'c':
		p->at++;
		*c = more(p) ? (uint32_t)(p->text[p->at++] & 31) : fail(p, KVIK_ERR_FORMAT, "a lone \\c");
		return true;
	case '0': p->at++, *c = 0; return true;
	case 'b':
	case 'B': fail(p, KVIK_ERR_UNSUPPORTED, "a word boundary, which is not supported,"); return true;
	case 'p':
	case 'P': fail(p, KVIK_ERR_UNSUPPORTED, "a property of Unicode, which is not supported,"); return true;
	case 'A':
	case 'z':
	case 'Z':
	case 'G': fail(p, KVIK_ERR_UNSUPPORTED, "an anchor that ECMA-262 does not have"); return true;
	default:
		if ((e >= '1' && e <= '9') || e == 'k')
			fail(p, KVIK_ERR_UNSUPPORTED, "a back reference, which is not supported,");
		*c = character(p);
		return true;
	}
}

/* After "[". */
static uint32_t class(struct parser *p)
{
	size_t first = p->t->n_ranges;
	bool inverted = take(p, '^'), closed = false;
	while (more(p) && !(closed = take(p, ']'))) {
		uint32_t lo = 0, hi;
		bool single = true;
		if (take(p, '\\')) {
			if (more(p) && p->text[p->at] == 'b')
				p->at++, lo = '\b';
			else
				single = escape(p, &lo);
		} else {
			lo = character(p);
		}
		hi = lo;
		if (p->n - p->at >= 2 && p->text[p->at] == '-' && p->text[p->at + 1] != ']' && single) {
			size_t dash = p->at++;
			if (take(p, '\\')) {
				if (!escape(p, &hi)) { /* [a-\d]: the dash is a character */
					range_add(p, lo, lo);
					lo = hi = '-';
				}
			} else {
				hi = character(p);
			}
			if (hi < lo && !p->rc) {
				p->at = dash;
				fail(p, KVIK_ERR_FORMAT, "a range that goes backwards");
			}
		}
		if (single && !p->rc)
			range_add(p, lo, hi);
	}
	if (!closed)
		return fail(p, KVIK_ERR_FORMAT, "a class without ']'");
	if (p->syntax & RE_IGNORE_CASE)
		re_tree_fold(p->t, first);
	if (inverted && !p->rc)
		re_tree_invert(p->t, first);
	return set_node(p, first);
}

static uint32_t single_node(struct parser *p, uint32_t c)
{
	size_t first = p->t->n_ranges;
	range_add(p, c, c);
	if (p->syntax & RE_IGNORE_CASE)
		re_tree_fold(p->t, first);
	return set_node(p, first);
}

/* ---- Structure --------------------------------------------------------------------------------------------------- */

static uint32_t alternatives(struct parser *p);

/* After "(?": "i:", "s-i:", or "i)", which holds up to the end of the group around. */
static bool take_flags(struct parser *p, unsigned *syntax)
{
	static const char letters[] = "ismux-";
	size_t at = p->at;
	bool off = false;
	*syntax = p->syntax;
	while (more(p) && memchr(letters, p->text[p->at], sizeof letters - 1)) {
		char c = p->text[p->at++];
		unsigned flag = c == 'i' ? RE_IGNORE_CASE : c == 's' ? RE_DOT_ALL : c == 'x' ? RE_SPACES : 0;
		off = off || c == '-';
		*syntax = off ? *syntax & ~flag : *syntax | flag;
	}
	if (p->at > at && more(p) && (p->text[p->at] == ':' || p->text[p->at] == ')'))
		return true;
	p->at = at;
	return false;
}

/* After "(". */
static uint32_t group(struct parser *p)
{
	unsigned around = p->syntax, syntax;
	if (take(p, '?')) {
		if (take(p, ':')) {
		} else if (take_flags(p, &syntax)) {
			p->syntax = syntax;
			if (take(p, ')'))
				return 0;
			p->at++;
		} else if (take(p, 'P') || (more(p) && p->text[p->at] == '<' && p->n - p->at > 1 &&
					    p->text[p->at + 1] != '=' && p->text[p->at + 1] != '!')) {
			while (more(p) && p->text[p->at] != '>')
				p->at++;
			if (!take(p, '>'))
				return fail(p, KVIK_ERR_FORMAT, "a group's name without '>'");
		} else if (more(p) && (p->text[p->at] == '=' || p->text[p->at] == '!' || p->text[p->at] == '<')) {
			return fail(p, KVIK_ERR_UNSUPPORTED, "a look-around, which is not supported there,");
		} else {
			return fail(p, KVIK_ERR_UNSUPPORTED, "a kind of group that is not supported");
		}
	}
	if (++p->depth > DEPTH_MAX)
		return fail(p, KVIK_ERR_LIMIT, "groups too deep");
	uint32_t inner = alternatives(p);
	p->depth--;
	p->syntax = around;
	if (!take(p, ')'))
		return fail(p, KVIK_ERR_FORMAT, "a group without ')'");
	return inner;
}

/* How many of line_ends "." is not. */
static size_t dot_excludes(const struct parser *p)
{
	return p->syntax & RE_DOT_ALL ? 0 : p->syntax & RE_PYTHON ? 1 : sizeof line_ends / sizeof *line_ends;
}

static uint32_t atom(struct parser *p)
{
	size_t first = p->t->n_ranges;
	uint32_t c = 0;
	if (take(p, '('))
		return group(p);
	if (take(p, '['))
		return class(p);
	if (p->syntax & RE_PYTHON && (p->text[p->at] == '^' || p->text[p->at] == '$'))
		return fail(p, KVIK_ERR_UNSUPPORTED, "an anchor, which is not supported in a grammar,");
	if (take(p, '^'))
		return node_add(p, (struct re_node){.kind = RE_AT_BEGIN});
	if (take(p, '$'))
		return node_add(p, (struct re_node){.kind = RE_AT_END});
	if (take(p, '.')) {
		named_add(p, line_ends, dot_excludes(p), true);
		return set_node(p, first);
	}
	if (take(p, '\\'))
		return escape(p, &c) ? single_node(p, c) : set_node(p, first);
	c = (uint8_t)p->text[p->at];
	if (c == '*' || c == '+' || c == '?')
		return fail(p, KVIK_ERR_FORMAT, "a repetition of nothing");
	c = character(p);
	return p->rc ? 0 : single_node(p, c);
}

/* "{3}", "{3,}", "{3,5}"; false: the brace is a character. */
static bool counts(struct parser *p, uint32_t *min, uint32_t *max)
{
	size_t at = p->at;
	unsigned long lo, hi;
	char *end, text[32];
	size_t n = p->n - at < sizeof text - 1 ? p->n - at : sizeof text - 1;
	memcpy(text, p->text + at, n);
	text[n] = '\0';
	if (text[0] != '{' || text[1] < '0' || text[1] > '9')
		return false;
	lo = hi = strtoul(text + 1, &end, 10);
	if (*end == ',') {
		end++;
		hi = *end == '}' ? RE_INFINITE : *end >= '0' && *end <= '9' ? strtoul(end, &end, 10) : 0;
	}
	if (*end != '}')
		return false;
	p->at = at + (size_t)(end - text) + 1;
	if (lo > REPEAT_MAX || (hi != RE_INFINITE && hi > REPEAT_MAX))
		fail(p, KVIK_ERR_LIMIT, "more repetitions than can be counted");
	else if (hi < lo)
		fail(p, KVIK_ERR_FORMAT, "repetitions that go backwards");
	*min = (uint32_t)lo;
	*max = (uint32_t)hi;
	return true;
}

static uint32_t repeated(struct parser *p)
{
	uint32_t a = atom(p), min, max;
	while (more(p)) {
		if (take(p, '*'))
			min = 0, max = RE_INFINITE;
		else if (take(p, '+'))
			min = 1, max = RE_INFINITE;
		else if (take(p, '?'))
			min = 0, max = 1;
		else if (!counts(p, &min, &max))
			break;
		take(p, '?'); /* lazy: the same language */
		a = node_add(p, (struct re_node){.kind = RE_REPEAT, .a = a, .min = min, .max = max});
	}
	return a;
}

static void skip_spaces(struct parser *p)
{
	if (p->syntax & RE_SPACES)
		while (more(p) && strchr(" \t\r\n#", p->text[p->at]))
			if (p->text[p->at++] == '#')
				while (more(p) && p->text[p->at] != '\n')
					p->at++;
}

static uint32_t sequence(struct parser *p)
{
	uint32_t all = 0;
	for (skip_spaces(p); more(p) && p->text[p->at] != '|' && p->text[p->at] != ')'; skip_spaces(p)) {
		uint32_t a = repeated(p);
		all = all ? node_add(p, (struct re_node){.kind = RE_CAT, .a = all, .b = a}) : a;
	}
	return all;
}

static uint32_t alternatives(struct parser *p)
{
	uint32_t a = sequence(p);
	while (take(p, '|')) {
		uint32_t b = sequence(p);
		a = node_add(p, (struct re_node){.kind = RE_ALT, .a = a, .b = b});
	}
	return a;
}

int re_parse(struct re_tree *t, uint32_t *root, const char *pattern, size_t bytes, unsigned syntax,
	     struct kvik_err *err)
{
	struct parser p = {.t = t, .text = pattern, .n = bytes, .syntax = syntax, .err = err};
	*root = alternatives(&p);
	if (!p.rc && p.at < p.n)
		fail(&p, KVIK_ERR_FORMAT, "a ')' without its group");
	if (!p.rc && t->rc)
		p.rc = err_set(err, KVIK_ERR_NOMEM, "no memory for a regular expression");
	return p.rc;
}
