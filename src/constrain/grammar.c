/* grammar.c: see grammar.h. */
#include "constrain/grammar.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "constrain/re.h"

enum { REACHES_END = 1, WITHOUT_BYTES = 2 };

void grammar_init(struct grammar *g, const struct trie *trie, bool answers, struct kvik_err *err)
{
	*g = (struct grammar){.trie = trie, .answers = answers, .err = err};
	re_tree_init(&g->tree);
}

void grammar_release(struct grammar *g)
{
	for (size_t i = 0; i < g->n_rules; i++)
		mem_free(g->rules[i].name);
	for (size_t i = 0; i < g->n_pieces; i++)
		piece_free(g->pieces[i]);
	mem_free(g->rules);
	mem_free(g->index);
	mem_free(g->pieces);
	mem_free(g->lives);
	re_tree_release(&g->tree);
	re_prog_release(&g->prog);
	json_scratch_release(&g->scratch);
	*g = (struct grammar){0};
}

uint32_t grammar_fail(struct grammar *g, int code, const char *format, ...)
{
	char text[400];
	va_list args;
	if (g->rc)
		return 0;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	g->rc = err_set(g->err, code, "%s", text);
	return 0;
}

static uint32_t no_memory(struct grammar *g)
{
	return grammar_fail(g, KVIK_ERR_NOMEM, "no memory for a grammar");
}

/* ---- Rules ------------------------------------------------------------------------------------------------------- */

uint32_t grammar_scope(struct grammar *g)
{
	return g->n_scopes++;
}

static size_t slot_of(const struct grammar *g, uint32_t scope, const char *name, size_t bytes)
{
	size_t at = (hash_bytes(name, bytes) + scope * UINT64_C(0x9E3779B97F4A7C15)) & (g->index_n - 1);
	for (; g->index[at] != UINT32_MAX; at = (at + 1) & (g->index_n - 1)) {
		const struct grammar_rule *r = &g->rules[g->index[at]];
		if (r->scope == scope && r->bytes == bytes && memcmp(r->name, name, bytes) == 0)
			break;
	}
	return at;
}

static bool grow_index(struct grammar *g)
{
	size_t n = g->index_n ? 2 * g->index_n : 64;
	uint32_t *index = mem_alloc(n * sizeof *index);
	if (!index)
		return false;
	memset(index, 0xFF, n * sizeof *index);
	mem_free(g->index);
	g->index = index;
	g->index_n = n;
	for (size_t i = 0; i < g->n_rules; i++)
		index[slot_of(g, g->rules[i].scope, g->rules[i].name, g->rules[i].bytes)] = (uint32_t)i;
	return true;
}

uint32_t grammar_rule(struct grammar *g, uint32_t scope, const char *name, size_t bytes)
{
	if (g->rc)
		return 0;
	if (2 * (g->n_rules + 1) > g->index_n && !grow_index(g))
		return no_memory(g);
	size_t at = slot_of(g, scope, name, bytes);
	if (g->index[at] != UINT32_MAX)
		return g->index[at];
	if (g->n_rules >= GRAMMAR_RULES_MAX)
		return grammar_fail(g, KVIK_ERR_LIMIT, "grammar: more than %d rules", GRAMMAR_RULES_MAX);
	struct grammar_rule *rules = mem_grow(g->rules, &g->rules_cap, g->n_rules, sizeof *rules);
	if (rules)
		g->rules = rules;
	char *copy = rules ? mem_strndup(name, bytes) : NULL;
	if (!copy)
		return no_memory(g);
	rules[g->n_rules] = (struct grammar_rule){.name = copy, .bytes = bytes, .scope = scope};
	g->index[at] = (uint32_t)g->n_rules;
	return (uint32_t)g->n_rules++;
}

void grammar_define(struct grammar *g, uint32_t rule, uint32_t root)
{
	if (g->rc)
		return;
	g->rules[rule].root = root;
	g->rules[rule].defined = true;
}

uint32_t grammar_call(struct grammar *g, uint32_t rule)
{
	return g->rc ? 0 : re_tree_add(&g->tree, (struct re_node){.kind = RE_RULE, .a = rule});
}

/* ---- Pieces ------------------------------------------------------------------------------------------------------ */

/* made: a piece, or NULL after rc. */
static uint32_t add_piece(struct grammar *g, struct piece *made, int rc)
{
	g->rc = rc;
	if (!made)
		return 0;
	struct piece **pieces = mem_grow(g->pieces, &g->pieces_cap, g->n_pieces, sizeof(struct piece *));
	if (!pieces || g->n_pieces >= GRAMMAR_PIECES_MAX) {
		piece_free(made);
		if (pieces)
			g->pieces = pieces;
		return pieces ? grammar_fail(g, KVIK_ERR_LIMIT, "grammar: more than %d schemas, expressions and texts",
					     GRAMMAR_PIECES_MAX)
			      : no_memory(g);
	}
	g->pieces = pieces;
	pieces[g->n_pieces] = made;
	return re_tree_add(&g->tree, (struct re_node){.kind = RE_PIECE, .a = (uint32_t)g->n_pieces++});
}

uint32_t grammar_json(struct grammar *g, const char *schema, size_t bytes)
{
	struct piece *p;
	if (g->rc)
		return 0;
	int rc = piece_json(&p, schema, bytes, g->answers, &g->scratch, g->err);
	return add_piece(g, p, rc);
}

uint32_t grammar_regex(struct grammar *g, const char *pattern, size_t bytes)
{
	struct piece *p;
	if (g->rc)
		return 0;
	int rc = piece_regex(&p, pattern, bytes, g->err);
	return add_piece(g, p, rc);
}

uint32_t grammar_text(struct grammar *g, const struct free_text_string *without, size_t n, uint32_t characters_max)
{
	struct piece *p;
	if (g->rc)
		return 0;
	int rc = piece_text(&p, without, n, characters_max, g->err);
	return add_piece(g, p, rc);
}

/* ---- Tokens ------------------------------------------------------------------------------------------------------ */

static bool may_name_token(struct grammar *g)
{
	if (g->rc)
		return false;
	if (!g->trie)
		grammar_fail(g, KVIK_ERR_UNSUPPORTED, "grammar: a token is named, and there is no vocabulary");
	else if (++g->n_tokens > GRAMMAR_TOKENS_MAX)
		grammar_fail(g, KVIK_ERR_LIMIT, "grammar: more than %d tokens are named", GRAMMAR_TOKENS_MAX);
	return !g->rc;
}

uint32_t grammar_token(struct grammar *g, uint32_t id)
{
	uint8_t bytes[TRIE_DEPTH_MAX];
	if (!may_name_token(g))
		return 0;
	uint32_t n = trie_bytes(g->trie, id, bytes);
	return n ? re_tree_bytes(&g->tree, bytes, n)
		 : grammar_fail(g, KVIK_ERR_FORMAT, "grammar: token %u is none that a text can have", id);
}

uint32_t grammar_token_named(struct grammar *g, const char *name, size_t bytes, uint32_t *id)
{
	*id = 0;
	if (!may_name_token(g))
		return 0;
	*id = trie_find(g->trie, name, bytes);
	return *id == TRIE_NO_TOKEN ? grammar_fail(g, KVIK_ERR_FORMAT, "grammar: the vocabulary has no token '%.*s'",
						   (int)(bytes < 60 ? bytes : 60), name)
				    : grammar_token(g, *id);
}

/* A special token's code that is none of these. sorted[n] */
static uint32_t codes_but(struct grammar *g, const uint32_t *ids, size_t n)
{
	struct re_tree *t = &g->tree;
	uint32_t all = 0, from = 0;
	bool any = false;
	/* Ranges of codes between the forbidden ones, each cut into ranges of bytes. */
	for (size_t i = 0; i <= n && !t->rc; i++) {
		uint32_t to = i < n ? ids[i] : 1u << 24;
		while (from < to) {
			unsigned low = 0; /* bytes behind the first that differs, which go through all their values */
			while (low < 2 && from % (1u << 8 * (low + 1)) == 0 && to - from >= 1u << 8 * (low + 1))
				low++;
			uint32_t step = 1u << 8 * low, room = 255 - (from >> 8 * low & 255), count = (to - from) / step;
			uint32_t last = from + (count - 1 < room ? count - 1 : room) * step, one = 0;
			for (unsigned k = 3; k-- > 0;)
				one = re_tree_cat(
					t, one,
					k < low ? re_tree_raw(t, 0, 255)
						: re_tree_raw(t, (uint8_t)(from >> 8 * k), (uint8_t)(last >> 8 * k)));
			all = any ? re_tree_alt(t, all, one) : one;
			any = true;
			from = last + step;
		}
		from = to + 1;
	}
	return re_tree_cat(t, re_tree_raw(t, TRIE_SPECIAL, TRIE_SPECIAL), all);
}

static int compare_ids(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

uint32_t grammar_token_but(struct grammar *g, uint32_t id, bool *one)
{
	uint8_t text[TRIE_DEPTH_MAX];
	struct re_tree *t = &g->tree;
	size_t first = t->n_ranges;
	*one = true;
	if (!may_name_token(g))
		return 0;
	uint32_t n = trie_bytes(g->trie, id, text);
	if (n > 0 && text[0] != TRIE_SPECIAL) {
		*one = false;
		return grammar_tokens_but(g, &id, 1);
	}
	re_tree_range(t, 0, 0x10FFFF);
	return re_tree_alt(t, re_tree_class(t, first), codes_but(g, &id, 1));
}

uint32_t grammar_tokens_but(struct grammar *g, const uint32_t *ids, size_t n)
{
	enum { MOST = 64 };
	uint32_t special[MOST];
	size_t n_special = 0, n_texts = 0;
	uint8_t text[MOST][TRIE_DEPTH_MAX];
	struct free_text_string texts[MOST];
	if (n > MOST)
		return grammar_fail(g, KVIK_ERR_LIMIT, "grammar: more than %d tokens are left out", MOST);
	for (size_t i = 0; i < n && may_name_token(g); i++) {
		uint32_t length = trie_bytes(g->trie, ids[i], text[n_texts]);
		if (length == 0)
			continue; /* no text has it anyway */
		if (text[n_texts][0] == TRIE_SPECIAL) {
			special[n_special++] = ids[i];
			continue;
		}
		texts[n_texts] = (struct free_text_string){(const char *)text[n_texts], length};
		n_texts++;
	}
	if (n_special > 1)
		qsort(special, n_special, sizeof *special, compare_ids);
	uint32_t characters = grammar_text(g, texts, n_texts, UINT32_MAX);
	if (g->rc)
		return 0;
	/* text (special text)* */
	uint32_t again = re_tree_cat(&g->tree, codes_but(g, special, n_special), characters);
	return re_tree_cat(&g->tree, characters, re_tree_repeat(&g->tree, again, 0, RE_INFINITE));
}

/* ---- The automaton ----------------------------------------------------------------------------------------------- */

static uint8_t reach(const struct grammar *g, const struct re_inst *i)
{
	uint8_t way = g->lives[i->next];
	switch (i->op) {
	case RE_MATCH: return REACHES_END | WITHOUT_BYTES;
	case RE_SPLIT: return way | g->lives[i->other];
	case RE_BYTES: return i->lo <= i->hi ? way & REACHES_END : 0;
	case RE_CALL:
		return way & (uint8_t)((g->rules[i->other].productive ? REACHES_END : 0) |
				       (g->rules[i->other].nullable ? WITHOUT_BYTES : 0));
	case RE_OTHER: {
		struct piece *p = g->pieces[i->other];
		return way & (uint8_t)(REACHES_END | (piece_accepts(p, piece_start(p)) ? WITHOUT_BYTES : 0));
	}
	default: return 0;
	}
}

/* Which rules some text matches, and which the empty one. Instructions mostly lead to ones emitted before them, so that few rounds
 * do. */
static void find_lives(struct grammar *g)
{
	for (bool changed = true; changed;) {
		changed = false;
		for (uint32_t i = 0; i < g->prog.n; i++) {
			uint8_t now = reach(g, &g->prog.inst[i]);
			changed = changed || now != g->lives[i];
			g->lives[i] = now;
		}
		for (size_t i = 0; i < g->n_rules; i++) {
			struct grammar_rule *r = &g->rules[i];
			r->productive = g->lives[r->start] & REACHES_END;
			r->nullable = g->lives[r->start] & WITHOUT_BYTES;
		}
	}
}

int grammar_finish(struct grammar *g, uint32_t start)
{
	if (!g->rc && g->tree.rc)
		no_memory(g);
	for (size_t i = 0; i < g->n_rules && !g->rc; i++) {
		struct grammar_rule *r = &g->rules[i];
		if (!r->defined)
			grammar_fail(g, KVIK_ERR_FORMAT, "grammar: '%.60s' is used and not defined", r->name);
		else
			g->rc = re_emit(&g->prog, &g->tree, r->root, &r->start, g->err);
	}
	g->start = start;
	if (!g->rc) {
		g->lives = mem_zalloc(g->prog.n + 1, 1);
		if (!g->lives)
			no_memory(g);
		else
			find_lives(g);
	}
	if (!g->rc && !g->rules[start].productive)
		grammar_fail(g, KVIK_ERR_ARG, "grammar: no text matches '%.60s'", g->rules[start].name);
	re_tree_release(&g->tree);
	g->err = NULL;
	return g->rc;
}
