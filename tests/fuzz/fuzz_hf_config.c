/* fuzz_hf_config.c: config.json and generation_config.json: hyperparameters, their check, the ids that end a text. */
#include "format/hf_ends.h"
#include "format/hf_json.h"
#include "fuzz.h"
#include "model/arch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct hparams h;
	struct keys k;
	struct kvik_err err;
	uint32_t ids[4];
	size_t n;
	json_t *root;
	if (hf_json_load(&root, (const char *)data, size, "fuzz", &err) != 0)
		return 0;
	if (keys_open_json(&k, root, "fuzz", &err) == 0 && arch_read(&k, &h) == 0)
		(void)!hparams_check(&h, "fuzz", &err);
	if (hf_ends(root, "fuzz", ids, 4, &n, &err) == 0 && n > 4)
		__builtin_trap();
	json_decref(root);
	return 0;
}
