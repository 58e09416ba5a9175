/* regex.h: regular expressions over UTF-8, by PCRE2, in the dialect that tokenizers are published in (Oniguruma's with
 * Ruby's syntax, also read by tiktoken). Read-only once made; any thread may match with its own struct regex_work. */
#ifndef KVIK_TOKEN_REGEX_H
#define KVIK_TOKEN_REGEX_H

#include "base/err.h"

struct regex;

/* literal: the pattern is a plain string. FORMAT: it does not compile. UNSUPPORTED: a construct without counterpart in
 * PCRE2, named in the text. NOMEM. Freed with regex_free. */
int regex_new(struct regex **out, const char *pattern, size_t bytes, bool literal, struct kvik_err *err) MUST_CHECK;
void regex_free(struct regex *r);

/* What a match needs to work in; serves one match at a time, so callbacks of regex_each may match again with it. */
struct regex_work {
	void *context, *stack, *data;
};
int regex_work_init(struct regex_work *w, struct kvik_err *err) MUST_CHECK;
void regex_work_release(struct regex_work *w); /* a zeroed one is fine */

/* found(ctx, start, end) for each match from the left, none overlapping; an empty match counts unless it touches the
 * end of the one before. Bytes that are not UTF-8 match nothing. A non-zero return of found ends the search and is
 * passed on. LIMIT: a match took too much work. */
typedef int regex_found_fn(void *ctx, size_t start, size_t end);
int regex_each(const struct regex *r, struct regex_work *w, const char *text, size_t bytes, regex_found_fn *found,
	       void *ctx, struct kvik_err *err) MUST_CHECK;

#endif
