/* re_tree.h: what a regular expression says, as a tree; a rule of a grammar is one too, with calls of other rules in it. Made by
 * re_parse.c and by those that read grammars, compiled by re.c. Errors stay in the tree: once rc is set, all that follows is
 * idle and gives node 0. Owner: one thread at a time. */
#ifndef KVIK_CONSTRAIN_RE_TREE_H
#define KVIK_CONSTRAIN_RE_TREE_H

#include "base/err.h"

enum re_kind {
	RE_EMPTY,
	RE_CLASS,
	RE_RAW, /* one byte in first..first + ranges - 1 */
	RE_CAT,
	RE_ALT,
	RE_REPEAT,
	RE_AT_BEGIN,
	RE_AT_END,
	RE_RULE, /* a: the number of a rule (grammar.h) */
	RE_PIECE /* a: the number of a piece (piece.h) */
};

#define RE_INFINITE UINT32_MAX

struct re_range {
	uint32_t lo, hi; /* code points */
};

struct re_node {
	enum re_kind kind;
	uint32_t a, b;          /* CAT, ALT: the two; REPEAT: a */
	uint32_t min, max;      /* REPEAT */
	uint32_t first, ranges; /* CLASS: ranges[first .. first + ranges), ascending, apart, without surrogates */
};

struct re_tree {
	struct re_node *nodes; /* [n], owned; node 0 is RE_EMPTY */
	size_t n, cap;
	struct re_range *ranges; /* [n_ranges], owned */
	size_t n_ranges, ranges_cap;
	uint32_t root;
	int rc; /* NOMEM */
};

void re_tree_init(struct re_tree *t);
void re_tree_release(struct re_tree *t);

uint32_t re_tree_add(struct re_tree *t, struct re_node node);
uint32_t re_tree_cat(struct re_tree *t, uint32_t a, uint32_t b);
uint32_t re_tree_alt(struct re_tree *t, uint32_t a, uint32_t b);
uint32_t re_tree_repeat(struct re_tree *t, uint32_t a, uint32_t min, uint32_t max);
/* These bytes. */
uint32_t re_tree_bytes(struct re_tree *t, const void *bytes, size_t n);
uint32_t re_tree_raw(struct re_tree *t, uint8_t lo, uint8_t hi);

/* A set of characters is the ranges from `first` on while it is made. */
void re_tree_range(struct re_tree *t, uint32_t lo, uint32_t hi);
void re_tree_invert(struct re_tree *t, size_t first);
/* The letters of a-z and A-Z in it in both cases. */
void re_tree_fold(struct re_tree *t, size_t first);
uint32_t re_tree_class(struct re_tree *t, size_t first);

#endif
