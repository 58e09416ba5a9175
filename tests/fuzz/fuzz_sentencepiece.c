/* fuzz_sentencepiece.c: a tokenizer.model. */
#include "fuzz_vocab.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vocab_files f = {.name = "fuzz", .sentencepiece = {(const char *)data, size}};
	struct vocab *v;
	struct kvik_err err;
	if (size > 0 && vocab_from_files(&v, &f, &err) == 0) {
		fuzz_vocab(v);
		vocab_free(v);
	}
	return 0;
}
