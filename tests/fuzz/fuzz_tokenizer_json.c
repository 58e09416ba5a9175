/* fuzz_tokenizer_json.c: a tokenizer.json and, each after a NUL byte, the tokenizer_config.json, special_tokens_map.json
 * and added_tokens.json beside it. */
#include <string.h>

#include "fuzz_vocab.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct warnings w = {0};
	struct vocab_files f = {.name = "fuzz", .warnings = &w};
	struct vocab_str *parts[] = {&f.tokenizer_json, &f.tokenizer_config, &f.special_tokens_map, &f.added_tokens};
	const char *at = (const char *)data, *end = at + size;
	struct vocab *v;
	struct kvik_err err;
	for (size_t i = 0; i < 4 && at && at < end; i++) {
		const char *nul = i < 3 ? memchr(at, 0, (size_t)(end - at)) : NULL;
		*parts[i] = (struct vocab_str){at, (size_t)((nul ? nul : end) - at)};
		at = nul ? nul + 1 : NULL;
	}
	if (vocab_from_files(&v, &f, &err) == 0) {
		fuzz_vocab(v);
		vocab_free(v);
	}
	warnings_release(&w);
	return 0;
}
