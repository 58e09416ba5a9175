/* pretok.h: cuts text into words by published regular expressions, before BPE merges within them. */
#ifndef KVIK_TOKEN_PRETOK_H
#define KVIK_TOKEN_PRETOK_H

#include "base/err.h"

struct pretok;

/* What goes with a pre-tokenizer's name besides its patterns. */
enum pretok_trait {
	PRETOK_IGNORE_MERGES = 1, /* a word that is a token as a whole is not cut and merged */
	PRETOK_ADD_BOS = 2,
	PRETOK_ADD_SEP = 4,
	PRETOK_NO_BOS = 8,   /* there is no default id for bos */
	PRETOK_PLAIN = 16,   /* words are plain text with U+2581 for blanks, not GPT-2's characters for bytes */
	PRETOK_NEWLINES = 32 /* a word of newlines that is a token as a whole is not cut and merged */
};
unsigned pretok_traits(const char *pre); /* 0 for a name that is not known */

/* pre: a GGUF tokenizer.ggml.pre ("llama-bpe"); NULL = "default". UNSUPPORTED: unknown; NOMEM. Freed with pretok_free.
 * Read-only afterwards; any thread. */
int pretok_new(struct pretok **out, const char *pre, struct kvik_err *err) MUST_CHECK;
void pretok_free(struct pretok *p);

/* Gets each word in order; together they are the whole text. A non-zero return ends the cutting and is passed on. */
typedef int pretok_word_fn(void *ctx, const char *word, size_t bytes);
/* LIMIT: a match took too much work. */
int pretok_split(const struct pretok *p, const char *text, size_t bytes, pretok_word_fn *fn, void *ctx,
		 struct kvik_err *err) MUST_CHECK;

#endif
