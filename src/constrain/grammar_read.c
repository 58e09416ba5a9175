/* grammar_read.c: what all readers of grammars need. */
#include "constrain/grammar_read.h"

#include <string.h>

#include "base/utf8.h"

uint32_t reading_fail(struct reading *r, int code, const char *what)
{
	size_t line = 1, column = 1;
	for (size_t i = 0; i < r->at && i < r->n; i++) {
		column = r->text[i] == '\n' ? 1 : column + 1;
		line += r->text[i] == '\n';
	}
	return grammar_fail(r->g, code, "%s: %s at line %zu, column %zu", r->what, what, line, column);
}

bool reading_take(struct reading *r, const char *word)
{
	size_t n = strlen(word);
	if (r->g->rc || r->n - r->at < n || memcmp(r->text + r->at, word, n) != 0)
		return false;
	r->at += n;
	return true;
}

uint32_t reading_character(struct reading *r)
{
	if (!reading_more(r))
		return reading_fail(r, KVIK_ERR_FORMAT, "the text ends too early");
	unsigned length = utf8_length((const uint8_t *)r->text + r->at, r->n - r->at);
	if (length == 0)
		return reading_fail(r, KVIK_ERR_FORMAT, "what is no UTF-8");
	uint32_t c = utf8_decode((const uint8_t *)r->text + r->at, length);
	r->at += length;
	return c;
}

uint32_t reading_hex(struct reading *r, unsigned digits)
{
	uint32_t v = 0;
	for (unsigned i = 0; i < digits; i++) {
		char c = reading_peek(r);
		uint32_t d = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
			     : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
			     : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
						    : 16;
		if (d == 16)
			return reading_fail(r, KVIK_ERR_FORMAT, "an escape without its digits");
		v = v * 16 + d;
		r->at++;
	}
	return v <= 0x10FFFF && (v < 0xD800 || v > 0xDFFF)
		       ? v
		       : reading_fail(r, KVIK_ERR_FORMAT, "an escape that is no character");
}

bool reading_number(struct reading *r, uint32_t *value)
{
	char c = reading_peek(r);
	if (c < '0' || c > '9')
		return false;
	for (*value = 0; c >= '0' && c <= '9'; c = reading_peek(r)) {
		*value = *value < UINT32_MAX / 16 ? *value * 10 + (uint32_t)(c - '0') : UINT32_MAX / 16;
		r->at++;
	}
	return true;
}

uint32_t reading_counted(struct reading *r, uint32_t node, void (*skip)(struct reading *r, bool lines))
{
	uint32_t min = 0, max;
	skip(r, false);
	bool least = reading_number(r, &min);
	max = min;
	skip(r, false);
	if (reading_take(r, ",")) {
		skip(r, false);
		max = RE_INFINITE;
		reading_number(r, &max);
		skip(r, false);
	} else if (!least) {
		return reading_fail(r, KVIK_ERR_FORMAT, "no number of repetitions");
	}
	if (!reading_take(r, "}"))
		return reading_fail(r, KVIK_ERR_FORMAT, "repetitions without '}'");
	return reading_repeat(r, node, min, max);
}

uint32_t reading_repeat(struct reading *r, uint32_t node, uint32_t min, uint32_t max)
{
	if (min > GRAMMAR_REPEAT_MAX || (max != RE_INFINITE && max > GRAMMAR_REPEAT_MAX))
		return reading_fail(r, KVIK_ERR_LIMIT, "more repetitions than can be counted");
	if (max < min)
		return reading_fail(r, KVIK_ERR_FORMAT, "repetitions that go backwards");
	return r->g->rc ? 0 : re_tree_repeat(&r->g->tree, node, min, max);
}

uint32_t reading_literal(struct reading *r, uint32_t c, bool any_case)
{
	struct re_tree *t = &r->g->tree;
	uint8_t bytes[4];
	bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
	if (r->g->rc)
		return 0;
	if (!any_case || !letter)
		return re_tree_bytes(t, bytes, utf8_encode(c, bytes));
	size_t first = t->n_ranges;
	re_tree_range(t, c, c);
	re_tree_fold(t, first);
	return re_tree_class(t, first);
}

/* A rule of GBNF begins with a name and "::=". */
static bool is_gbnf(const char *text, size_t n)
{
	size_t i = 0;
	for (; i < n && strchr(" \t\r\n#", text[i]) && text[i]; i++)
		if (text[i] == '#')
			while (i + 1 < n && text[i + 1] != '\n')
				i++;
	while (i < n && text[i] && !strchr(" \t\r\n:", text[i]))
		i++;
	while (i < n && text[i] && strchr(" \t\r\n", text[i]))
		i++;
	return n - i >= 3 && memcmp(text + i, "::=", 3) == 0;
}

uint32_t grammar_read(struct grammar *g, const char *text, size_t bytes)
{
	return is_gbnf(text, bytes) ? gbnf_read(g, text, bytes) : lark_read(g, text, bytes);
}
