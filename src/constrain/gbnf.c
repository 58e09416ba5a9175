/* gbnf.c: llama.cpp's notation of grammars, by recursive descent:
 *
 *   root   ::= "answer: " ( number | "\"" [^"\n]{1,20} "\"" ) <|end|>   # a comment
 *   number ::= [0-9]+ | number "," number
 *
 * A line ends a rule, but inside of brackets and behind "|". A name that is defined twice is what was said last. Unlike there, rules
 * may recurse on the left. Source: grammars/README.md of llama.cpp. */
#include <string.h>

#include "constrain/grammar_read.h"

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* White space and comments; lines: also over ends of lines. */
static void skip(struct reading *r, bool lines)
{
	for (char c; (c = reading_peek(r)) == ' ' || c == '\t' || c == '#' || (lines && (c == '\r' || c == '\n'));
	     r->at++)
		if (c == '#')
			while (r->at + 1 < r->n && r->text[r->at + 1] != '\n' && r->text[r->at + 1] != '\r')
				r->at++;
}

static uint32_t name(struct reading *r)
{
	size_t from = r->at;
	while (is_word(reading_peek(r)))
		r->at++;
	if (r->at == from)
		return reading_fail(r, KVIK_ERR_FORMAT, "no name of a rule");
	return grammar_rule(r->g, r->scope, r->text + from, r->at - from);
}

/* ---- Characters -------------------------------------------------------------------------------------------------- */

static uint32_t character(struct reading *r)
{
	if (!reading_take(r, "\\"))
		return reading_character(r);
	char c = reading_peek(r);
	r->at += reading_more(r);
	switch (c) {
	case 'x': return reading_hex(r, 2);
	case 'u': return reading_hex(r, 4);
	case 'U': return reading_hex(r, 8);
	case 't': return '\t';
	case 'r': return '\r';
	case 'n': return '\n';
	case '\\':
	case '"':
	case '[':
	case ']':
	case '-':
	case '^': return (uint32_t)c;
	default: return reading_fail(r, KVIK_ERR_FORMAT, "an escape that GBNF does not have");
	}
}

/* After the quote. */
static uint32_t string(struct reading *r)
{
	uint32_t all = 0;
	while (reading_more(r) && reading_peek(r) != '"')
		all = re_tree_cat(&r->g->tree, all, reading_literal(r, character(r), false));
	return reading_take(r, "\"") ? all : reading_fail(r, KVIK_ERR_FORMAT, "a text without its end");
}

/* After "[". */
static uint32_t class(struct reading *r)
{
	struct re_tree *t = &r->g->tree;
	size_t first = t->n_ranges;
	bool inverted = reading_take(r, "^");
	while (reading_more(r) && reading_peek(r) != ']') {
		uint32_t lo = character(r), hi = lo;
		if (reading_peek(r) == '-' && r->at + 1 < r->n && r->text[r->at + 1] != ']') {
			r->at++;
			hi = character(r);
		}
		if (hi < lo)
			reading_fail(r, KVIK_ERR_FORMAT, "a range that goes backwards");
		re_tree_range(t, lo, hi);
	}
	if (!reading_take(r, "]"))
		return reading_fail(r, KVIK_ERR_FORMAT, "a class without ']'");
	if (inverted)
		re_tree_invert(t, first);
	return re_tree_class(t, first);
}

static uint32_t any_character(struct reading *r)
{
	size_t first = r->g->tree.n_ranges;
	re_tree_range(&r->g->tree, 0, 0x10FFFF);
	return re_tree_class(&r->g->tree, first);
}

/* ---- Tokens ------------------------------------------------------------------------------------------------------ */

/* "<name>" or "<[7]>". */
static uint32_t token(struct reading *r, uint32_t *id)
{
	size_t from = r->at;
	*id = 0;
	if (!reading_take(r, "<"))
		return reading_fail(r, KVIK_ERR_FORMAT, "no token");
	if (reading_take(r, "[")) {
		bool number = reading_number(r, id);
		return number && reading_take(r, "]>") ? grammar_token(r->g, *id)
						       : reading_fail(r, KVIK_ERR_FORMAT, "no number of a token");
	}
	while (reading_more(r) && reading_peek(r) != '>' && reading_peek(r) != '\n')
		r->at++;
	if (!reading_take(r, ">"))
		return reading_fail(r, KVIK_ERR_FORMAT, "a token without '>'");
	return grammar_token_named(r->g, r->text + from, r->at - from, id);
}

/* After "!", before "*" or "+": other tokens than this one. A special token is kept out of characters and other special ones, taken
 * one by one; what is text is kept out of the whole text, so that there must be a "*". */
static uint32_t not_token(struct reading *r)
{
	uint32_t id;
	bool one;
	size_t from = r->at;
	token(r, &id);
	uint32_t node = grammar_token_but(r->g, id, &one);
	size_t end = r->at;
	skip(r, false);
	if (reading_peek(r) == ')') { /* "(!<x>)*" */
		r->at++;
		skip(r, false);
	}
	bool many = reading_peek(r) == '*' || (one && reading_peek(r) == '+');
	r->at = many ? end : from;
	return many ? node
		    : reading_fail(r, KVIK_ERR_UNSUPPORTED,
				   one ? "'!<token>' without '*' or '+', which is not supported,"
				       : "'!<token>' of a token that is text without '*', "
					 "which is not supported,");
}

/* ---- Structure --------------------------------------------------------------------------------------------------- */

static uint32_t alternatives(struct reading *r, bool nested);

/* After "(". */
static uint32_t group(struct reading *r)
{
	if (++r->depth > GRAMMAR_DEPTH_MAX)
		return reading_fail(r, KVIK_ERR_LIMIT, "brackets too deep");
	skip(r, true);
	uint32_t inner = alternatives(r, true);
	r->depth--;
	return reading_take(r, ")") ? inner : reading_fail(r, KVIK_ERR_FORMAT, "a '(' without its ')'");
}

/* false: no symbol begins here. */
static bool symbol(struct reading *r, uint32_t *node)
{
	uint32_t id;
	if (reading_take(r, "\""))
		*node = string(r);
	else if (reading_take(r, "["))
		*node = class(r);
	else if (reading_take(r, "("))
		*node = group(r);
	else if (reading_take(r, "."))
		*node = any_character(r);
	else if (reading_take(r, "!"))
		*node = not_token(r);
	else if (reading_peek(r) == '<')
		*node = token(r, &id);
	else if (is_word(reading_peek(r)))
		*node = grammar_call(r->g, name(r));
	else
		return false;
	return !r->g->rc;
}

static uint32_t sequence(struct reading *r, bool nested)
{
	uint32_t all = 0, node = 0;
	while (symbol(r, &node)) {
		for (skip(r, nested); reading_more(r); skip(r, nested)) {
			if (reading_take(r, "*"))
				node = reading_repeat(r, node, 0, RE_INFINITE);
			else if (reading_take(r, "+"))
				node = reading_repeat(r, node, 1, RE_INFINITE);
			else if (reading_take(r, "?"))
				node = reading_repeat(r, node, 0, 1);
			else if (reading_take(r, "{"))
				node = reading_counted(r, node, skip);
			else
				break;
		}
		all = re_tree_cat(&r->g->tree, all, node);
	}
	return all;
}

static uint32_t alternatives(struct reading *r, bool nested)
{
	uint32_t all = sequence(r, nested);
	while (reading_take(r, "|")) {
		skip(r, true);
		uint32_t other = sequence(r, nested);
		all = re_tree_alt(&r->g->tree, all, other);
	}
	return all;
}

static void rule(struct reading *r)
{
	uint32_t number = name(r);
	skip(r, false);
	if (!reading_take(r, "::=")) {
		reading_fail(r, KVIK_ERR_FORMAT, "no '::=' behind the name of a rule");
		return;
	}
	skip(r, true);
	uint32_t root = alternatives(r, false);
	char c = reading_peek(r);
	if (reading_more(r) && c != '\r' && c != '\n')
		reading_fail(r, KVIK_ERR_FORMAT, "what belongs to no rule");
	grammar_define(r->g, number, root);
	skip(r, true);
}

uint32_t gbnf_read(struct grammar *g, const char *text, size_t bytes)
{
	struct reading r = {.g = g, .what = "grammar (GBNF)", .text = text, .n = bytes, .scope = grammar_scope(g)};
	skip(&r, true);
	while (reading_more(&r))
		rule(&r);
	uint32_t root = grammar_rule(g, r.scope, "root", 4);
	if (!g->rc && !g->rules[root].defined)
		grammar_fail(g, KVIK_ERR_FORMAT, "grammar (GBNF): there is no rule 'root', which the text would match");
	return root;
}
