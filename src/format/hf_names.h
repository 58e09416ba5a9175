/* hf_names.h: tensor names of Hugging Face checkpoints -> the GGUF names that kvik uses. Any thread. */
#ifndef KVIK_FORMAT_HF_NAMES_H
#define KVIK_FORMAT_HF_NAMES_H

#include "base/err.h"

/* "model.layers.3.self_attn.q_proj.weight" -> "blk.3.attn_q.weight"; the leading "model." may be absent. False: no name
 * that kvik knows; out is then the name itself, cut to fit. */
bool hf_name_map(const char *name, char *out, size_t out_bytes);
/* Buffers that old checkpoints carry and nobody needs (rotary_emb.inv_freq and the like). */
bool hf_name_of_no_use(const char *name);

#endif
