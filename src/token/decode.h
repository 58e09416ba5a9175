/* decode.h: what each token becomes in a text, worked out once when the vocabulary is built, so that giving out text
 * (detok.c) is copying. Thread: the builder's. */
#ifndef KVIK_TOKEN_DECODE_H
#define KVIK_TOKEN_DECODE_H

#include "token/regex.h"
#include "token/vocab_impl.h"

#define DECODE_STEPS_MAX 16

enum decode_kind {
	DECODE_REPLACE,    /* pattern by text */
	DECODE_MARKS,      /* mark becomes a blank; in the first token it goes, where drop_first says so */
	DECODE_STRIP,      /* mark goes from the ends, left and right times */
	DECODE_WORDPIECE,  /* text ("##") goes from later tokens; those without it get a blank in front */
	DECODE_SUFFIX,     /* text ("</w>") becomes a blank, except at the end */
	DECODE_BLANKS,     /* a blank before each token but the first */
	DECODE_BYTES,      /* GPT-2's characters become bytes */
	DECODE_BYTE_TOKENS /* "<0x0A>" becomes a byte */
};

struct decode_step {
	enum decode_kind kind;
	char *text; /* [text_bytes] and a NUL. Owned */
	size_t text_bytes;
	struct regex *pattern; /* REPLACE. Owned */
	char mark[5];          /* one character, NUL-terminated */
	uint32_t left, right;  /* STRIP: times */
	bool drop_first;       /* MARKS */
	bool cleanup;          /* WORDPIECE: blanks before punctuation and English contractions go */
};

struct decoder {
	struct decode_step steps[DECODE_STEPS_MAX];
	size_t n;
};
void decoder_release(struct decoder *d);

/* Fills v->decode and v->decoded. Errors: LIMIT (the texts grow beyond bounds), NOMEM. */
int decode_build(struct vocab *v, const struct decoder *d, struct kvik_err *err) MUST_CHECK;
/* The same for a GGUF file, whose kind of vocabulary says how. */
int decode_for_gguf(struct vocab *v, struct kvik_err *err) MUST_CHECK;

#endif
