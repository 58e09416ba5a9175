/* re_parse.h: a regular expression as a tree; between re_parse.c, which reads it, and re.c, which makes the automaton. */
#ifndef KVIK_CONSTRAIN_RE_PARSE_H
#define KVIK_CONSTRAIN_RE_PARSE_H

#include "base/err.h"

enum re_kind { RE_EMPTY, RE_CLASS, RE_CAT, RE_ALT, RE_REPEAT, RE_AT_BEGIN, RE_AT_END };

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
};

/* Release also after an error. Errors as re_compile. */
int re_parse(struct re_tree *t, const char *pattern, size_t bytes, struct kvik_err *err) MUST_CHECK;
void re_tree_release(struct re_tree *t);

#endif
