/* free_text.h: any text in which certain strings do not occur, byte by byte: an automaton that looks for all of them at once (Aho and
 * Corasick 1975), with the state of UTF-8 beside it and, where the text has a limit, a count of its characters. Read-only once
 * made. */
#ifndef KVIK_CONSTRAIN_FREE_TEXT_H
#define KVIK_CONSTRAIN_FREE_TEXT_H

#include "base/err.h"

enum { FREE_TEXT_BYTES_MAX = 4096 }; /* of all the strings */

struct free_text;
struct free_text_string {
	const char *bytes;
	size_t n;
};

/* characters_max: UINT32_MAX for any number. LIMIT, NOMEM; ARG: an empty string. */
int free_text_new(struct free_text **out, const struct free_text_string *without, size_t n, uint32_t characters_max,
		  struct kvik_err *err) MUST_CHECK;
void free_text_free(struct free_text *t);

/* States are numbers, 0 the one that nothing leads out of. */
uint32_t free_text_start(const struct free_text *t);
uint32_t free_text_step(const struct free_text *t, uint32_t state, uint8_t byte);
bool free_text_accepts(const struct free_text *t, uint32_t state); /* between two characters */

#endif
