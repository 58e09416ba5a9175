/* names.h: the names of a model's tensors in the two kinds of files. kvik calls a tensor by GGUF's name; a Hugging Face
 * checkpoint calls it something else, mostly the same for all architectures. Any thread. */
#ifndef KVIK_MODEL_NAMES_H
#define KVIK_MODEL_NAMES_H

#include "format/source.h"

/* Without layer number, ".weight" or ".bias": {"attn_q", "self_attn.q_proj"}; with it where only that one is meant:
 * {"exp_probs_b.bias", "mlp.gate.e_score_correction_bias"}. '#' stands for the number of an expert. A table ends with
 * NULLs. */
struct tensor_name {
	const char *gguf, *hf;
};

/* The tensor of this GGUF name, "blk.LAYER.NAME" where layer >= 0, whatever the file calls it; NULL: absent. own: the
 * names that the architecture does not share with others, or NULL. */
const struct source_tensor *names_find(const struct source *s, const struct tensor_name *own, int layer,
				       const char *name);

/* The tensor of one expert, of a checkpoint that has them apart. name: GGUF's of all of them. */
const struct source_tensor *names_find_expert(const struct source *s, const struct tensor_name *own, int layer,
					      const char *name, uint32_t expert);

/* Whether a tensor is of the blocks that guess further tokens (MTP): GGUF counts them behind the layers. */
bool names_draft_part(const char *name, uint32_t n_layers);

/* Whether a Hugging Face tensor belongs to another part of a model than language: to what sees or hears. */
bool names_other_part(const char *name);

#endif
