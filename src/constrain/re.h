/* re.h: regular expressions as byte automata. A pattern (the dialect of ECMA-262, which JSON Schema uses; what it shares with
 * Rust's and PCRE's) becomes a Thompson automaton over the bytes of UTF-8 (Thompson 1968; the cutting of ranges of code
 * points into ranges of bytes as in Cox, "Regular Expression Matching in the Wild"), and that, while it is used, a
 * deterministic one (struct dfa).
 *
 * What has no finite automaton or is not understood (back references, look-behind, word boundaries) is refused. Look-aheads
 * are understood where re_lookahead can take them off the front. Owner: one thread at a time. */
#ifndef KVIK_CONSTRAIN_RE_H
#define KVIK_CONSTRAIN_RE_H

#include "base/err.h"

enum { RE_INSTS_MAX = 1 << 16 };

enum re_op {
	RE_BYTES, /* a byte in lo..hi, then `next` */
	RE_SPLIT, /* `next` and `other` */
	RE_BEGIN, /* `next`, at the beginning of the text */
	RE_END,   /* `next`, at its end */
	RE_MATCH,
	/* In grammars alone (grammar.h): */
	RE_CALL, /* what rule `other` matches, then `next` */
	RE_OTHER /* what piece `other` takes, then `next` */
};

struct re_inst {
	uint8_t op, lo, hi;
	uint32_t next, other;
};

struct re_prog {
	struct re_inst *inst; /* [n], owned */
	uint32_t n, start;
	size_t cap;
};

enum re_flags {
	RE_SEARCH = 1 /* the pattern may lie anywhere in the text; else it is the whole text */
};

/* Into *p, which re_prog_release frees also after an error. FORMAT: no regular expression; UNSUPPORTED: names what is not
 * supported; LIMIT: too large an automaton; NOMEM. */
int re_compile(struct re_prog *p, const char *pattern, size_t bytes, unsigned flags, struct kvik_err *err) MUST_CHECK;
void re_prog_release(struct re_prog *p);
/* Appends the node root of a grammar's tree, up to a RE_MATCH of its own; *start: where it begins. LIMIT, NOMEM. */
struct re_tree;
int re_emit(struct re_prog *p, const struct re_tree *t, uint32_t root, uint32_t *start,
	    struct kvik_err *err) MUST_CHECK;

/* A pattern "^(?=X)REST" or "(?!X)REST" at the beginning of what it matches: true, and X and the rest as stretches of
 * pattern. The text must then match (or must not match) "^X", and "^REST". Called again with rest, for the next. */
struct re_lookahead {
	bool negative;
	const char *inner, *rest;
	size_t inner_bytes, rest_bytes;
};
bool re_lookahead(const char *pattern, size_t bytes, struct re_lookahead *out);

#endif
