/* fuzz_hf_config.c: config.json and generation_config.json: hyperparameters, their check, the ids that end a text. */
#include "format/hf_config.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *json = (const char *)data;
	struct hparams h;
	struct kvik_err err;
	uint32_t ids[4];
	size_t n;
	for (int has_output = 0; has_output < 2; has_output++)
		if (hf_config(json, size, "fuzz", has_output != 0, &h, &err) == 0)
			(void)!hparams_check(&h, "fuzz", &err);
	if (hf_config_ends(json, size, "fuzz", ids, 4, &n, &err) == 0 && n > 4)
		__builtin_trap();
	return 0;
}
