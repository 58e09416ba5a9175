/* fuzz_vocab.h: what is done with a vocabulary that an input has yielded: text to ids and back, every look-up. */
#ifndef KVIK_TESTS_FUZZ_FUZZ_VOCAB_H
#define KVIK_TESTS_FUZZ_FUZZ_VOCAB_H

#include "base/mem.h"
#include "fuzz.h"
#include "token/vocab.h"

static inline void fuzz_decode(const struct vocab *v, const uint32_t *ids, size_t n)
{
	char *text;
	size_t bytes;
	struct kvik_err err;
	if (vocab_decode(v, ids, n, 0, &text, &bytes, &err) == 0) {
		fuzz_read(text, bytes);
		mem_free(text);
	}
}

static inline void fuzz_vocab(const struct vocab *v)
{
	static const char text[] =
		" Hello  w\xc3\xb6rld\n\xe4\xbd\xa0\xe5\xa5\xbd 1234 <s>ab</s>\xff don't\t\xf0\x9f\x98\x80 aaaaaaaa";
	static const uint32_t some[] = {0, 1, 2, 3, 5, 8, 13, UINT32_MAX};
	uint32_t *ids;
	size_t n;
	struct kvik_err err;
	if (vocab_encode(v, text, sizeof text - 1, VOCAB_ADD_SPECIAL, &ids, &n, &err) == 0) {
		fuzz_decode(v, ids, n);
		mem_free(ids);
	}
	fuzz_decode(v, some, sizeof some / sizeof *some);
}

#endif
