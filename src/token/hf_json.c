/* hf_json.c: the reader of tokenizer.json. */
#include "token/vocab_impl.h"

int vocab_from_json(struct vocab **out, const char *tokenizer_json, size_t bytes, const char *tokenizer_config_json,
		    size_t config_bytes, const char *name, struct kvik_err *err)
{
	(void)tokenizer_json, (void)bytes, (void)tokenizer_config_json, (void)config_bytes;
	*out = NULL;
	return err_set(err, KVIK_ERR_UNSUPPORTED, "%s: tokenizer.json is not read yet; use a GGUF file", name);
}
