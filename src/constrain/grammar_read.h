/* grammar_read.h: the notations of grammars. Each appends its rules to g, under names of its own, and returns the rule that the
 * whole text matches; errors stay in g. Depth and repetitions are bounded. */
#ifndef KVIK_CONSTRAIN_GRAMMAR_READ_H
#define KVIK_CONSTRAIN_GRAMMAR_READ_H

#include "constrain/grammar.h"

enum { GRAMMAR_DEPTH_MAX = 200, GRAMMAR_REPEAT_MAX = 20000 };

/* llama.cpp's GBNF ("root ::= ...") or Lark's ("start: ..."): whichever its first rule is written in. */
uint32_t grammar_read(struct grammar *g, const char *text, size_t bytes);
uint32_t gbnf_read(struct grammar *g, const char *text, size_t bytes);
uint32_t lark_read(struct grammar *g, const char *text, size_t bytes);
/* Structural tags as vLLM and XGrammar have them: a JSON object. */
uint32_t tags_read(struct grammar *g, const char *text, size_t bytes);

/* A text being read. */
struct reading {
	struct grammar *g;
	const char *what; /* the notation's name, for errors */
	const char *text;
	size_t n, at;
	uint32_t scope;
	unsigned depth;
};

/* Fails with line and column; returns node 0. */
uint32_t reading_fail(struct reading *r, int code, const char *what);
static inline bool reading_more(const struct reading *r)
{
	return r->at < r->n && !r->g->rc;
}
/* The next byte; NUL at the end. */
static inline char reading_peek(const struct reading *r)
{
	return reading_more(r) ? r->text[r->at] : '\0';
}
bool reading_take(struct reading *r, const char *word);
/* One character of UTF-8. */
uint32_t reading_character(struct reading *r);
/* So many hexadecimal digits. */
uint32_t reading_hex(struct reading *r, unsigned digits);
bool reading_number(struct reading *r, uint32_t *value);
/* After "{": "3}", "3,}", "3,5}", ",5}". skip: of what the notation lets stand between them. */
uint32_t reading_counted(struct reading *r, uint32_t node, void (*skip)(struct reading *r, bool lines));
/* At a repetition's counts, behind "{" or "~". */
uint32_t reading_repeat(struct reading *r, uint32_t node, uint32_t min, uint32_t max);
/* A character as a node; as UTF-8 bytes. */
uint32_t reading_literal(struct reading *r, uint32_t character, bool any_case);

#endif
