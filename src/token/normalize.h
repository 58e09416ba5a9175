/* normalize.h: the normalizers of a tokenizer.json: text to text. Any thread. */
#ifndef KVIK_TOKEN_NORMALIZE_H
#define KVIK_TOKEN_NORMALIZE_H

#include "token/buf.h"
#include "token/pretok.h"

enum normalizer_kind {
	NORMALIZER_NFC,
	NORMALIZER_NFD,
	NORMALIZER_NFKC,
	NORMALIZER_NFKD,
	NORMALIZER_LOWERCASE,
	NORMALIZER_STRIP_ACCENTS,
	NORMALIZER_STRIP,
	NORMALIZER_PREPEND,
	NORMALIZER_REPLACE
};

struct normalizer {
	enum normalizer_kind kind;
	bool left, right; /* STRIP */
	char *text;       /* PREPEND: what; REPLACE: by what. Owned */
	size_t text_bytes;
	struct pretok *pattern; /* REPLACE. Owned */
};

/* Replaces text by its normal form. Errors: NOMEM, LIMIT (a pattern took too much work). */
int normalize(const struct normalizer *n, struct buf *text, struct kvik_err *err) MUST_CHECK;
void normalizer_release(struct normalizer *n);

#endif
