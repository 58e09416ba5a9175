/* pretok.h: cuts text into words by published regular expressions (PCRE2), before byte-level BPE merges within them. */
#ifndef KVIK_TOKEN_PRETOK_H
#define KVIK_TOKEN_PRETOK_H

#include "base/err.h"

struct pretok;

/* pre: a GGUF tokenizer.ggml.pre ("llama-bpe"); NULL = "default". UNSUPPORTED: unknown; NOMEM. Freed with pretok_free.
 * Read-only afterwards; any thread. */
int pretok_new(struct pretok **out, const char *pre, struct kvik_err *err) MUST_CHECK;
/* One pattern of a tokenizer.json. FORMAT: it does not compile. */
int pretok_from_pattern(struct pretok **out, const char *pattern, size_t bytes, struct kvik_err *err) MUST_CHECK;
void pretok_free(struct pretok *p);

/* Gets each word in order; together they are the whole text. A non-zero return ends the cutting and is passed on. */
typedef int pretok_word_fn(void *ctx, const char *word, size_t bytes);
/* LIMIT: a match took too much work. */
int pretok_split(const struct pretok *p, const char *text, size_t bytes, pretok_word_fn *fn, void *ctx,
		 struct kvik_err *err) MUST_CHECK;

/* Matches of a single pattern: found(ctx, start, end) for each, in order. */
typedef int pretok_match_fn(void *ctx, size_t start, size_t end);
int pretok_matches(const struct pretok *p, const char *text, size_t bytes, pretok_match_fn *found, void *ctx,
		   struct kvik_err *err) MUST_CHECK;

#endif
