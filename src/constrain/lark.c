/* lark.c: grammars in Lark's notation, as users of vLLM and llguidance write them, by recursive descent:
 *
 *   start: pair ("," pair)*            // a rule
 *   ?pair.2: NAME "=" (NUMBER | "yes"i) -> named
 *   NAME: /[a-z_]\w{0,9}/              // a terminal
 *   %import common (NUMBER, WS)
 *   %ignore WS
 *
 * What is ignored may stand before and behind every terminal of a rule, and not inside of one. Priorities, aliases and the marks ? and !
 * shape parse trees, not the language. A terminal is not cut greedily: any way to read the text counts. From llguidance: %json {...},
 * <special tokens>, {2,3} for ~2..3. Refused: templates, %declare, %extend, %override, imports of other files, and what asks for more than
 * a context-free grammar (lazy, stop, suffix, &, ~). Source: Lark, docs/grammar.md; llguidance, docs/syntax.md. */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "constrain/grammar_read.h"
#include "constrain/re_parse.h"

struct lark {
	struct reading r;
	bool has_common;
	uint32_t common;  /* scope of the imported library's names */
	bool ignores;     /* there is an %ignore */
	uint32_t ignore;  /* rule */
	uint32_t ignored; /* node: what it repeats */
	bool in_terminal;
};

static uint32_t alternatives(struct lark *l);

/* ---- Words ------------------------------------------------------------------------------------------------------- */

static bool is_word(const struct reading *r)
{
	char c = reading_peek(r);
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
	       (c == '-' && r->at + 1 < r->n && r->text[r->at + 1] != '>');
}

/* White space and comments; lines: also over ends of lines. */
static void skip(struct reading *r, bool lines)
{
	while (reading_more(r)) {
		char c = r->text[r->at];
		bool comment = c == '#' || (c == '/' && r->at + 1 < r->n && r->text[r->at + 1] == '/');
		if (comment)
			while (r->at < r->n && r->text[r->at] != '\n')
				r->at++;
		else if (c == ' ' || c == '\t' || c == '\f' || (lines && (c == '\n' || c == '\r')))
			r->at++;
		else if (c == '\r' && r->at + 1 < r->n && r->text[r->at + 1] == '\n')
			r->at++;
		else
			return;
	}
}

struct name {
	const char *text;
	size_t n;
	bool is_terminal;
};

/* n 0: no name here. */
static struct name name(struct reading *r)
{
	struct name w = {r->text + r->at, 0, false};
	while (is_word(r)) {
		w.n++;
		r->at++;
	}
	for (size_t i = 0; i < w.n; i++)
		if (w.text[i] != '_') {
			w.is_terminal = w.text[i] >= 'A' && w.text[i] <= 'Z';
			break;
		}
	return w;
}

/* ---- Strings and expressions ------------------------------------------------------------------------------------- */

/* A character of a string; what is no escape is a backslash. */
static uint32_t character(struct reading *r)
{
	if (!reading_take(r, "\\"))
		return reading_character(r);
	char c = reading_peek(r);
	static const char plain[] = "\\\"ntrf", means[] = "\\\"\n\t\r\f";
	const char *at = c ? strchr(plain, c) : NULL;
	if (!at && c != 'x' && c != 'u' && c != 'U')
		return '\\';
	r->at++;
	return at ? (uint32_t)means[at - plain] : reading_hex(r, c == 'x' ? 2 : c == 'u' ? 4 : 8);
}

/* The string that begins here; *only: its character, if it has one. */
static uint32_t string(struct reading *r, uint32_t *only, bool *any_case)
{
	size_t from = ++r->at, end = from, n = 0;
	while (end < r->n && r->text[end] != '"' && r->text[end] != '\n')
		end += r->text[end] == '\\' ? 2 : 1;
	if (end >= r->n || r->text[end] != '"')
		return reading_fail(r, KVIK_ERR_FORMAT, "a text without its end");
	*any_case = end + 1 < r->n && r->text[end + 1] == 'i';
	uint32_t all = 0;
	while (r->at < end && !r->g->rc) {
		*only = character(r);
		all = re_tree_cat(&r->g->tree, all, reading_literal(r, *only, *any_case));
		n++;
	}
	*only = n == 1 ? *only : UINT32_MAX;
	r->at = end + 1 + *any_case;
	return all;
}

/* "a".."z", behind the first string. */
static uint32_t range(struct reading *r, uint32_t lo)
{
	struct re_tree *t = &r->g->tree;
	size_t first;
	uint32_t hi = UINT32_MAX;
	bool any_case = false;
	skip(r, false);
	if (reading_peek(r) == '"')
		string(r, &hi, &any_case);
	first = t->n_ranges;
	if (lo == UINT32_MAX || hi == UINT32_MAX || hi < lo || any_case)
		return reading_fail(r, KVIK_ERR_FORMAT, "a range that is not of two characters, the smaller first,");
	re_tree_range(t, lo, hi);
	return re_tree_class(t, first);
}

static uint32_t expression(struct reading *r)
{
	size_t from = ++r->at;
	unsigned syntax = RE_PYTHON;
	uint32_t root = 0;
	while (r->at < r->n && r->text[r->at] != '/' && r->text[r->at] != '\n')
		r->at += r->text[r->at] == '\\' ? 2 : 1;
	if (r->at >= r->n || r->text[r->at] != '/')
		return reading_fail(r, KVIK_ERR_FORMAT, "an expression without its end");
	size_t end = r->at++;
	for (char c; (c = reading_peek(r)) && strchr("imsux", c); r->at++)
		syntax |= c == 'i' ? RE_IGNORE_CASE : c == 's' ? RE_DOT_ALL : c == 'x' ? RE_SPACES : 0;
	if (is_word(r))
		return reading_fail(r, KVIK_ERR_UNSUPPORTED, "a flag of an expression that is not supported");
	if (!r->g->rc)
		r->g->rc = re_parse(&r->g->tree, &root, r->text + from, end - from, syntax, r->g->err);
	return root;
}

/* After "%json". */
static uint32_t json_value(struct reading *r)
{
	json_error_t e;
	json_t *j;
	skip(r, true);
	j = json_loadb(r->text + r->at, r->n - r->at, JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, &e);
	if (!j)
		return reading_fail(r, KVIK_ERR_FORMAT, "no JSON behind %json");
	uint32_t node = grammar_json(r->g, r->text + r->at, (size_t)e.position);
	r->at += (size_t)e.position;
	json_decref(j);
	return node;
}

/* "<name>" or "<[7]>". */
static uint32_t token(struct reading *r)
{
	size_t from = r->at++;
	uint32_t id;
	if (reading_take(r, "[")) {
		bool number = reading_number(r, &id);
		return number && reading_take(r, "]>")
			       ? grammar_token(r->g, id)
			       : reading_fail(r, KVIK_ERR_UNSUPPORTED, "tokens by number other than <[7]>");
	}
	while (reading_more(r) && reading_peek(r) != '>' && reading_peek(r) != '\n')
		r->at++;
	if (!reading_take(r, ">"))
		return reading_fail(r, KVIK_ERR_FORMAT, "a token without '>'");
	return grammar_token_named(r->g, r->text + from, r->at - from, &id);
}

/* ---- Structure --------------------------------------------------------------------------------------------------- */

/* What may stand behind a terminal of a rule. */
static uint32_t terminal(struct lark *l, uint32_t node)
{
	struct grammar *g = l->r.g;
	return l->in_terminal || !l->ignores ? node : re_tree_cat(&g->tree, node, grammar_call(g, l->ignore));
}

static uint32_t named(struct lark *l)
{
	struct reading *r = &l->r;
	struct name w = name(r);
	if (reading_peek(r) == '{' && r->at + 1 < r->n && !strchr("0123456789, ", r->text[r->at + 1]))
		return reading_fail(r, KVIK_ERR_UNSUPPORTED, "a template, which is not supported,");
	if (l->in_terminal && !w.is_terminal)
		return reading_fail(r, KVIK_ERR_FORMAT, "a rule inside of a terminal");
	uint32_t call = grammar_call(r->g, grammar_rule(r->g, r->scope, w.text, w.n));
	return w.is_terminal ? terminal(l, call) : call;
}

/* After a bracket. */
static uint32_t group(struct lark *l, const char *close)
{
	struct reading *r = &l->r;
	if (++r->depth > GRAMMAR_DEPTH_MAX)
		return reading_fail(r, KVIK_ERR_LIMIT, "brackets too deep");
	uint32_t inner = alternatives(l);
	skip(r, true);
	r->depth--;
	if (!reading_take(r, close))
		return reading_fail(r, KVIK_ERR_FORMAT, "a bracket that is not closed");
	return *close == ']' ? reading_repeat(r, inner, 0, 1) : inner;
}

static uint32_t literal(struct lark *l)
{
	struct reading *r = &l->r;
	uint32_t only = UINT32_MAX;
	bool any_case;
	uint32_t node = string(r, &only, &any_case);
	size_t end = r->at;
	skip(r, false);
	if (reading_take(r, ".."))
		node = range(r, only);
	else
		r->at = end;
	return terminal(l, node);
}

/* false: nothing begins here. */
static bool atom(struct lark *l, uint32_t *node)
{
	struct reading *r = &l->r;
	char c = reading_peek(r);
	if (c == '"')
		*node = literal(l);
	else if (c == '/')
		*node = terminal(l, expression(r));
	else if (reading_take(r, "("))
		*node = group(l, ")");
	else if (reading_take(r, "["))
		*node = group(l, "]");
	else if (c == '<')
		*node = terminal(l, token(r));
	else if (reading_take(r, "%json"))
		*node = terminal(l, json_value(r));
	else if (is_word(r))
		*node = named(l);
	else if (c == '%' || c == '@' || c == '~' || c == '&')
		*node = reading_fail(r, KVIK_ERR_UNSUPPORTED,
				     "what is not supported here (%regex, %lark, @grammar, ~, &)");
	else
		return false;
	return !r->g->rc;
}

/* After "~": "3", "3..5". */
static uint32_t counted(struct reading *r, uint32_t node)
{
	uint32_t min, max;
	skip(r, false);
	if (!reading_number(r, &min))
		return reading_fail(r, KVIK_ERR_FORMAT, "no number of repetitions");
	max = min;
	if (reading_take(r, "..") && !reading_number(r, &max))
		return reading_fail(r, KVIK_ERR_FORMAT, "no number of repetitions");
	return reading_repeat(r, node, min, max);
}

static uint32_t repeated(struct reading *r, uint32_t node)
{
	for (skip(r, false); reading_more(r); skip(r, false)) {
		if (reading_take(r, "?"))
			node = reading_repeat(r, node, 0, 1);
		else if (reading_take(r, "*"))
			node = reading_repeat(r, node, 0, RE_INFINITE);
		else if (reading_take(r, "+"))
			node = reading_repeat(r, node, 1, RE_INFINITE);
		else if (reading_take(r, "~"))
			node = counted(r, node);
		else if (reading_take(r, "{"))
			node = reading_counted(r, node, skip);
		else
			break;
	}
	return node;
}

static uint32_t sequence(struct lark *l)
{
	struct reading *r = &l->r;
	uint32_t all = 0, node = 0;
	for (skip(r, r->depth > 0); atom(l, &node); skip(r, r->depth > 0))
		all = re_tree_cat(&r->g->tree, all, repeated(r, node));
	if (reading_take(r, "->")) { /* a name in parse trees */
		skip(r, false);
		name(r);
	}
	return all;
}

/* Another line may begin with "|". */
static bool next_alternative(struct reading *r)
{
	size_t at = r->at;
	skip(r, true);
	if (reading_take(r, "|"))
		return true;
	r->at = at;
	return false;
}

static uint32_t alternatives(struct lark *l)
{
	uint32_t all = sequence(l);
	while (next_alternative(&l->r)) {
		uint32_t other = sequence(l);
		all = re_tree_alt(&l->r.g->tree, all, other);
	}
	return all;
}

/* ---- The library ------------------------------------------------------------------------------------------------- */

/* What is in Lark's grammars/common.lark, as languages. */
static const struct library {
	const char *name, *body;
} library[] = {
	{"DIGIT", "\"0\"..\"9\""},
	{"HEXDIGIT", "/[a-fA-F0-9]/"},
	{"INT", "DIGIT+"},
	{"SIGNED_INT", "[\"+\"|\"-\"] INT"},
	{"DECIMAL", "INT \".\" INT? | \".\" INT"},
	{"_EXP", "(\"e\"|\"E\") SIGNED_INT"},
	{"FLOAT", "INT _EXP | DECIMAL _EXP?"},
	{"SIGNED_FLOAT", "[\"+\"|\"-\"] FLOAT"},
	{"NUMBER", "FLOAT | INT"},
	{"SIGNED_NUMBER", "[\"+\"|\"-\"] NUMBER"},
	{"_STRING_INNER", "/([^\"\\\\\\n]|\\\\[^\\n])*/"},
	{"_STRING_ESC_INNER", "_STRING_INNER"},
	{"ESCAPED_STRING", "\"\\\"\" _STRING_INNER \"\\\"\""},
	{"LCASE_LETTER", "\"a\"..\"z\""},
	{"UCASE_LETTER", "\"A\"..\"Z\""},
	{"LETTER", "UCASE_LETTER | LCASE_LETTER"},
	{"WORD", "LETTER+"},
	{"CNAME", "(\"_\"|LETTER) (\"_\"|LETTER|DIGIT)*"},
	{"WS_INLINE", "/[ \\t]/+"},
	{"WS", "/[ \\t\\f\\r\\n]/+"},
	{"CR", "/\\r/"},
	{"LF", "/\\n/"},
	{"NEWLINE", "(CR? LF)+"},
	{"SH_COMMENT", "/#[^\\n]*/"},
	{"CPP_COMMENT", "/\\/\\/[^\\n]*/"},
	{"C_COMMENT", "/\\/\\*([^*]|\\*+[^*\\/])*\\*+\\//"},
	{"SQL_COMMENT", "/--[^\\n]*/"},
};

/* The whole library comes in with the first import: rules that nobody calls cost next to nothing. */
static void read_library(struct lark *l)
{
	struct grammar *g = l->r.g;
	l->has_common = true;
	l->common = grammar_scope(g);
	for (size_t i = 0; i < sizeof library / sizeof *library && !g->rc; i++) {
		struct lark in = {.r = {.g = g,
					.what = "grammar (Lark's library)",
					.text = library[i].body,
					.n = strlen(library[i].body),
					.scope = l->common},
				  .in_terminal = true};
		uint32_t rule = grammar_rule(g, l->common, library[i].name, strlen(library[i].name));
		grammar_define(g, rule, alternatives(&in));
	}
}

static void import_name(struct lark *l, struct name from, struct name as)
{
	struct reading *r = &l->r;
	bool known = false;
	for (size_t i = 0; i < sizeof library / sizeof *library; i++)
		known = known || (strlen(library[i].name) == from.n && memcmp(library[i].name, from.text, from.n) == 0);
	if (!known) {
		reading_fail(r, KVIK_ERR_FORMAT, "what 'common' does not have");
		return;
	}
	if (!l->has_common)
		read_library(l);
	uint32_t call = grammar_call(r->g, grammar_rule(r->g, l->common, from.text, from.n));
	grammar_define(r->g, grammar_rule(r->g, r->scope, as.text, as.n), call);
}

/* After "%import". */
static void import(struct lark *l)
{
	struct reading *r = &l->r;
	skip(r, false);
	if (!reading_take(r, "common")) {
		reading_fail(r, KVIK_ERR_UNSUPPORTED,
			     "an import of something else than 'common', which is not supported,");
		return;
	}
	skip(r, false);
	bool list = reading_take(r, "(");
	if (!list && !reading_take(r, ".")) {
		reading_fail(r, KVIK_ERR_FORMAT, "an import without names");
		return;
	}
	do {
		skip(r, list);
		struct name from = name(r), as = from;
		skip(r, list);
		if (!list && reading_take(r, "->")) {
			skip(r, false);
			as = name(r);
		}
		import_name(l, from, as);
	} while (list && reading_take(r, ","));
	if (list && !reading_take(r, ")"))
		reading_fail(r, KVIK_ERR_FORMAT, "an import whose list is not closed");
}

/* ---- Definitions ------------------------------------------------------------------------------------------------- */

/* After "%ignore". */
static void ignore(struct lark *l)
{
	struct grammar *g = l->r.g;
	l->in_terminal = true;
	uint32_t node = alternatives(l);
	l->in_terminal = false;
	l->ignored = l->ignored ? re_tree_alt(&g->tree, l->ignored, node) : node;
}

/* After "%llguidance": options, all of which change no language, or are refused. */
static void options(struct reading *r)
{
	json_error_t e;
	skip(r, false);
	json_t *j = json_loadb(r->text + r->at, r->n - r->at, JSON_DISABLE_EOF_CHECK, &e);
	const char *key;
	json_t *value;
	if (!j)
		reading_fail(r, KVIK_ERR_FORMAT, "no JSON behind %llguidance");
	json_object_foreach(j, key, value) if (strcmp(key, "no_forcing") != 0 && strcmp(key, "allow_initial_skip") != 0)
		reading_fail(r, KVIK_ERR_UNSUPPORTED, "an option of %llguidance that is not supported");
	r->at += j ? (size_t)e.position : 0;
	json_decref(j);
}

/* "name: ...", "?name.3: ...", "NAME[capture]: ...". */
static void definition(struct lark *l)
{
	struct reading *r = &l->r;
	uint32_t priority;
	while (reading_take(r, "?") || reading_take(r, "!")) {
	}
	struct name w = name(r);
	if (w.n == 0) {
		reading_fail(r, KVIK_ERR_FORMAT, "what is neither a rule nor a terminal nor a directive");
		return;
	}
	if (reading_take(r, "{")) {
		reading_fail(r, KVIK_ERR_UNSUPPORTED, "a template, which is not supported,");
		return;
	}
	if (reading_take(r, ".")) {
		reading_take(r, "-");
		reading_number(r, &priority);
	}
	if (reading_peek(r) == '[' && !reading_take(r, "[capture]")) {
		reading_fail(r, KVIK_ERR_UNSUPPORTED,
			     "attributes of a rule (lazy, stop, ...), which are not supported,");
		return;
	}
	skip(r, false);
	if (!reading_take(r, ":")) {
		reading_fail(r, KVIK_ERR_FORMAT, "no ':' behind a name");
		return;
	}
	l->in_terminal = w.is_terminal;
	uint32_t root = alternatives(l), rule = grammar_rule(r->g, r->scope, w.text, w.n);
	l->in_terminal = false;
	if (!r->g->rc && r->g->rules[rule].defined)
		reading_fail(r, KVIK_ERR_FORMAT, "a name that is defined twice");
	grammar_define(r->g, rule, root);
}

static void statement(struct lark *l)
{
	struct reading *r = &l->r;
	if (reading_take(r, "%ignore"))
		ignore(l);
	else if (reading_take(r, "%import"))
		import(l);
	else if (reading_take(r, "%llguidance"))
		options(r);
	else if (reading_peek(r) == '%')
		reading_fail(r, KVIK_ERR_UNSUPPORTED, "a directive other than %ignore and %import");
	else
		definition(l);
	skip(r, false);
	if (reading_more(r) && reading_peek(r) != '\n')
		reading_fail(r, KVIK_ERR_FORMAT, "what does not belong there");
}

static bool has_ignore(const char *text, size_t n)
{
	static const char word[] = "%ignore";
	for (size_t i = 0; i + sizeof word <= n; i++)
		if (memcmp(text + i, word, sizeof word - 1) == 0)
			return true;
	return false;
}

uint32_t lark_read(struct grammar *g, const char *text, size_t bytes)
{
	struct lark l = {.r = {.g = g, .what = "grammar (Lark)", .text = text, .n = bytes, .scope = grammar_scope(g)},
			 .ignores = has_ignore(text, bytes)};
	l.ignore = grammar_rule(g, l.r.scope, "%ignore", 7);
	uint32_t all = grammar_rule(g, l.r.scope, "%text", 5);
	for (skip(&l.r, true); reading_more(&l.r); skip(&l.r, true))
		statement(&l);
	uint32_t start = grammar_rule(g, l.r.scope, "start", 5);
	if (!g->rc && !g->rules[start].defined)
		return grammar_fail(
			g, KVIK_ERR_FORMAT,
			"grammar: there is no rule 'root' (GBNF) or 'start' (Lark), which the text would match");
	if (g->rc)
		return 0;
	grammar_define(g, l.ignore,
		       l.ignored ? re_tree_repeat(&g->tree, l.ignored, 0, g->answers ? 1 : RE_INFINITE) : 0);
	grammar_define(g, all,
		       l.ignored && !g->answers
			       ? re_tree_cat(&g->tree, grammar_call(g, l.ignore), grammar_call(g, start))
			       : grammar_call(g, start));
	return all;
}
