/* detok.h: token ids -> text, one token at a time.
 *
 * What is emitted is always whole UTF-8 characters: bytes of a character still to come wait inside, bytes that can
 * become none are replaced by U+FFFD. The pieces put together are exactly vocab_decode of all ids.
 * Owner: one thread at a time; the vocabulary is borrowed and must outlive it. */
#ifndef KVIK_TOKEN_DETOK_H
#define KVIK_TOKEN_DETOK_H

#include "token/vocab.h"

enum detok_flags {
	DETOK_KEEP_SPECIAL = 1, /* control tokens appear as their text; else they are silent */
	DETOK_CONTINUE = 2,     /* the ids continue a text: a space at their beginning stays */
	DETOK_RAW = 4           /* bytes as they are: no waiting for whole characters, no U+FFFD */
};

#define DETOK_RUN_MAX 64 /* bytes that wait at most */

/* Gets bytes of whole characters; bytes > 0. */
typedef void detok_emit_fn(void *user, const char *text, size_t bytes);

/* Visible so that it can live inside a caller's struct; only detok.c touches the fields. */
struct detok {
	const struct vocab *v;
	unsigned flags;
	bool first;          /* no token has been fed */
	bool blank;          /* a blank waits for a token to follow */
	uint32_t strip_left; /* characters that may still go from the beginning */
	uint8_t bytes[DETOK_RUN_MAX];
	uint8_t n_bytes;
};

/* Allocates nothing; there is nothing to release. */
void detok_init(struct detok *d, const struct vocab *v, unsigned flags);

/* ARG: an id outside the vocabulary; nothing is emitted then and d stays usable. */
int detok_feed(struct detok *d, uint32_t id, detok_emit_fn *emit, void *user, struct kvik_err *err) MUST_CHECK;
/* Emits what waits (an incomplete character as U+FFFD) and makes d ready for a new text. */
void detok_flush(struct detok *d, detok_emit_fn *emit, void *user);

#endif
