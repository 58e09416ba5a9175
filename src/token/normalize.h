/* normalize.h: the normalizers of a tokenizer.json: text to text. Any thread. */
#ifndef KVIK_TOKEN_NORMALIZE_H
#define KVIK_TOKEN_NORMALIZE_H

#include "base/buf.h"
#include "token/charsmap.h"
#include "token/regex.h"

enum normalizer_kind {
	NORMALIZER_NFC,
	NORMALIZER_NFD,
	NORMALIZER_NFKC,
	NORMALIZER_NFKD,
	NORMALIZER_LOWERCASE,
	NORMALIZER_STRIP_ACCENTS, /* marks go */
	NORMALIZER_STRIP,         /* white space at the ends goes */
	NORMALIZER_PREPEND,
	NORMALIZER_REPLACE,
	NORMALIZER_BYTE_LEVEL,
	NORMALIZER_NMT,
	NORMALIZER_CHARSMAP,
	NORMALIZER_BERT_CLEAN,   /* control characters go, white space becomes a blank */
	NORMALIZER_BERT_CHINESE, /* blanks around ideographs */
	NORMALIZER_BERT_ACCENTS  /* nonspacing marks go */
};

struct normalizer {
	enum normalizer_kind kind;
	bool left, right; /* STRIP */
	char *text;       /* PREPEND: what; REPLACE: by what. Owned */
	size_t text_bytes;
	bool keeps_length;        /* REPLACE: what it puts is not shorter than what it takes */
	struct regex *pattern;    /* REPLACE. Owned */
	struct charsmap charsmap; /* CHARSMAP. Owned */
};

/* Replaces text, which is valid UTF-8, by its normal form. *front becomes false where its first characters went without
 * a trace. Errors: NOMEM, LIMIT (a pattern took too much work). */
int normalize(const struct normalizer *n, struct regex_work *work, struct buf *text, bool *front,
	      struct kvik_err *err) MUST_CHECK;
void normalizer_release(struct normalizer *n);

#endif
