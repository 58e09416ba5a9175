/* fuzz_safetensors.c: a safetensors file: its header, and every byte of every tensor. */
#include <string.h>

#include "format/hf_names.h"
#include "format/safetensors.h"
#include "fuzz.h"

static int see(void *user, const struct safetensor *t, struct kvik_err *err)
{
	(void)user;
	(void)err;
	char name[96];
	(void)hf_name_map(t->name, name, sizeof name);
	fuzz_read(name, strlen(name));
	fuzz_read(t->data, (size_t)t->bytes);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kvik_err err;
	(void)!safetensors_read(data, size, "fuzz", hf_name_of_no_use, see, NULL, &err);
	return 0;
}
