/* fuzz_tokenizer_json.c: a tokenizer.json and, after a NUL byte, the tokenizer_config.json beside it. */
#include <string.h>

#include "fuzz_vocab.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *json = (const char *)data, *config = size ? memchr(json, 0, size) : NULL;
	size_t bytes = config ? (size_t)(config - json) : size, config_bytes = config ? size - bytes - 1 : 0;
	struct vocab *v;
	struct kvik_err err;
	if (vocab_from_json(&v, json, bytes, config ? config + 1 : NULL, config_bytes, "fuzz", &err) == 0) {
		fuzz_vocab(v);
		vocab_free(v);
	}
	return 0;
}
