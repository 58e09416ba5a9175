/* grammar.h: a context-free grammar: rules whose right sides are regular expressions over bytes, calls of rules and pieces (piece.h).
 * Readers of notations (grammar_read.h) make it; earley.h follows texts under it.
 *
 * While it is made errors stay in it: once rc is set, all that follows is idle and gives node 0. Read-only once finished, but for
 * the states of its pieces. */
#ifndef KVIK_CONSTRAIN_GRAMMAR_H
#define KVIK_CONSTRAIN_GRAMMAR_H

#include "base/buf.h"
#include "constrain/piece.h"
#include "constrain/re_tree.h"
#include "constrain/trie.h"

enum { GRAMMAR_RULES_MAX = 1 << 14, GRAMMAR_PIECES_MAX = 1 << 10, GRAMMAR_TOKENS_MAX = 1 << 10 };

struct grammar_rule {
	char *name; /* [bytes], owned */
	size_t bytes;
	uint32_t scope; /* of which text's names it is */
	uint32_t root;  /* node of the tree */
	uint32_t start; /* instruction */
	bool defined, nullable, productive;
};

struct grammar {
	struct grammar_rule *rules; /* [n_rules] */
	size_t n_rules, rules_cap;
	uint32_t *index; /* hash table of rules by scope and name, [index_n], a power of two; UINT32_MAX: empty */
	size_t index_n;
	uint32_t n_scopes, n_tokens;
	struct piece **pieces; /* [n_pieces], owned */
	size_t n_pieces, pieces_cap;
	struct re_tree tree;
	struct re_prog prog;
	uint8_t *lives;              /* [prog.n]: a rule's end can be reached from there */
	uint32_t start;              /* rule */
	bool answers;                /* see constrain_new */
	const struct trie *trie;     /* or NULL */
	struct json_scratch scratch; /* of the pieces */
	unsigned depth;              /* of readers in readers */
	struct kvik_err *err;        /* while it is made */
	int rc;
};

void grammar_init(struct grammar *g, const struct trie *trie, bool answers, struct kvik_err *err);
void grammar_release(struct grammar *g);
/* Returns node 0. */
uint32_t grammar_fail(struct grammar *g, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Names belong to the text that they stand in. */
uint32_t grammar_scope(struct grammar *g);
/* The rule of this name, made when it is first asked for. */
uint32_t grammar_rule(struct grammar *g, uint32_t scope, const char *name, size_t bytes);
void grammar_define(struct grammar *g, uint32_t rule, uint32_t root);
uint32_t grammar_call(struct grammar *g, uint32_t rule);

/* Pieces, as nodes. */
uint32_t grammar_json(struct grammar *g, const char *schema, size_t bytes);
uint32_t grammar_regex(struct grammar *g, const char *pattern, size_t bytes);
uint32_t grammar_text(struct grammar *g, const struct free_text_string *without, size_t n, uint32_t characters_max);

/* A token of the vocabulary: a special one as itself, others as their text. */
uint32_t grammar_token(struct grammar *g, uint32_t id);
/* The one of this name; *id: which. */
uint32_t grammar_token_named(struct grammar *g, const char *name, size_t bytes, uint32_t *id);
/* Any text with special tokens in it, but none of these tokens. */
uint32_t grammar_tokens_but(struct grammar *g, const uint32_t *ids, size_t n);
/* *one: a character, or a special token other than id. Else that is text, and it is as with grammar_tokens_but. */
uint32_t grammar_token_but(struct grammar *g, uint32_t id, bool *one);

/* Makes the automaton. The error of any step so far; ARG: no text matches it. */
int grammar_finish(struct grammar *g, uint32_t start) MUST_CHECK;

#endif
