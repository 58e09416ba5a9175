/* charsmap.h: SentencePiece's precompiled normalisation: a double-array trie from beginnings of a text to their
 * replacements. Source: sentencepiece's normalizer.cc and darts-clone. Read-only once open; any thread. */
#ifndef KVIK_TOKEN_CHARSMAP_H
#define KVIK_TOKEN_CHARSMAP_H

#include "base/err.h"

struct charsmap {
	uint32_t *units; /* [n_units], owned */
	size_t n_units;
	char *texts; /* [texts_bytes], owned: NUL-terminated replacements one after the other */
	size_t texts_bytes;
};

/* bytes: as stored (4 bytes of length, the trie, the replacements); copied. An empty map is fine and maps nothing.
 * FORMAT, NOMEM. */
int charsmap_open(struct charsmap *m, const uint8_t *data, size_t bytes, struct kvik_err *err) MUST_CHECK;
void charsmap_release(struct charsmap *m); /* a zeroed one is fine */

/* The replacement (NUL-terminated) of a beginning of text, and how many bytes it replaces; NULL: there is none.
 * longest: of the longest beginning, else of the shortest. */
const char *charsmap_find(const struct charsmap *m, const char *text, size_t bytes, bool longest, size_t *taken);

#endif
