/* names.h: the names of a model's tensors in the two kinds of files. kvik calls a tensor by GGUF's name; a Hugging Face
 * checkpoint calls it something else, mostly the same for all architectures. Any thread. */
#ifndef KVIK_MODEL_NAMES_H
#define KVIK_MODEL_NAMES_H

#include "format/source.h"

/* Without layer number, ".weight" or ".bias": {"attn_q", "self_attn.q_proj"}. A table ends with NULLs. */
struct tensor_name {
	const char *gguf, *hf;
};

/* The tensor of this GGUF name, "blk.LAYER.NAME" where layer >= 0, whatever the file calls it; NULL: absent. own: the
 * names that the architecture does not share with others, or NULL. */
const struct source_tensor *names_find(const struct source *s, const struct tensor_name *own, int layer,
				       const char *name);

/* The same of a Hugging Face name without its prefix: "mlp.experts.3.up_proj.weight". */
const struct source_tensor *names_find_hf(const struct source *s, int layer, const char *hf);

#endif
