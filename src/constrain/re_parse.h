/* re_parse.h: reads a regular expression into a tree; between re_parse.c and those that compile it. */
#ifndef KVIK_CONSTRAIN_RE_PARSE_H
#define KVIK_CONSTRAIN_RE_PARSE_H

#include "constrain/re_tree.h"

enum re_syntax {
	RE_DOT_ALL = 1,     /* "." is any character, line ends too */
	RE_IGNORE_CASE = 2, /* of a-z */
	RE_PYTHON = 4,      /* "." leaves out "\n" alone; no anchors */
	RE_SPACES = 8       /* white space and "# ..." in the pattern mean nothing */
};

/* *root: its node in t, which re_tree_init has made. Errors as re_compile. */
int re_parse(struct re_tree *t, uint32_t *root, const char *pattern, size_t bytes, unsigned syntax,
	     struct kvik_err *err) MUST_CHECK;

#endif
