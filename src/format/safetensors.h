/* safetensors.h: the header of a safetensors file -> named views into the caller's bytes.
 * Source: the format description of huggingface/safetensors: u64 header length, JSON, data. */
#ifndef KVIK_FORMAT_SAFETENSORS_H
#define KVIK_FORMAT_SAFETENSORS_H

#include "base/err.h"
#include "base/wtype.h"

#define SAFETENSORS_DIMS_MAX 4

struct safetensor {
	const char *name; /* valid during the call */
	enum wtype type;
	bool is_bytes; /* U8, of which the name must say what it is; type says nothing */
	uint32_t n_dims;
	uint64_t dims[SAFETENSORS_DIMS_MAX]; /* as in the file: dims[n_dims - 1] is contiguous */
	const uint8_t *data;
	uint64_t bytes;
};

/* Called once per tensor; a non-zero return ends the reading and is passed on. */
typedef int safetensors_fn(void *user, const struct safetensor *t, struct kvik_err *err);

/* name: of the file, for error texts. Tensors of a dtype other than F32, F16, BF16 and U8 are errors unless `skip` says
 * their name is of no use. Errors: FORMAT, UNSUPPORTED, NOMEM. */
int safetensors_read(const uint8_t *data, size_t bytes, const char *name, bool (*skip)(const char *tensor),
		     safetensors_fn *fn, void *user, struct kvik_err *err) MUST_CHECK;

#endif
