/* fuzz_safetensors.c: a safetensors file: its header, and every byte of every tensor. */
#include <string.h>

#include "format/safetensors.h"
#include "fuzz.h"

static int see(void *user, const struct safetensor *t, struct kvik_err *err)
{
	(void)user;
	(void)err;
	fuzz_read(t->name, strlen(t->name));
	fuzz_read(t->data, (size_t)t->bytes);
	return 0;
}

static bool skip_none(const char *name)
{
	return name[0] == '\0';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kvik_err err;
	(void)!safetensors_read(data, size, "fuzz", skip_none, see, NULL, &err);
	return 0;
}
