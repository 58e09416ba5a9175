/* source.h: a model on disk, whatever its format: a configuration (keys.h) and named tensors as borrowed views.
 *
 * Tensors have the names of their file: GGUF's "blk.0.attn_q.weight", a Hugging Face folder's
 * "model.layers.0.self_attn.q_proj.weight". Which is which is the architecture's business (model/names.h). The maps
 * behind the views live until source_free. Read-only once open; any thread. */
#ifndef KVIK_FORMAT_SOURCE_H
#define KVIK_FORMAT_SOURCE_H

#include "base/err.h"
#include "base/wtype.h"
#include "format/generation.h"
#include "format/gguf.h"

#define SOURCE_NAME_MAX 96 /* bytes of a tensor name, NUL included */
#define SOURCE_EOS_MAX 16

struct source_tensor {
	char name[SOURCE_NAME_MAX];
	enum wtype type;
	uint32_t n_dims;
	uint64_t dims[GGUF_DIMS_MAX]; /* dims[0] is the length of a row, contiguous; unused ones are 1 */
	const uint8_t *data;          /* of a synthetic model: zeros until source_need */
	uint64_t bytes;
	/* NULL, or of MXFP4 as a checkpoint has it: an exponent per 32 elements; data is then 16 bytes of codes for each, of
	 * which the two of a byte are neighbours. */
	const uint8_t *exponents;
};

struct source;

/* path: a GGUF file (the first part of a split one) or a Hugging Face folder. Errors: IO, FORMAT, UNSUPPORTED, NOMEM;
 * they name the file, the field and the remedy. The caller frees *out with source_free. */
int source_open(struct source **out, const char *path, struct kvik_err *err) MUST_CHECK;
/* The same over a GGUF file in memory (the embedded model); data must outlive the source. */
int source_open_memory(struct source **out, const uint8_t *data, size_t bytes, const char *name,
		       struct kvik_err *err) MUST_CHECK;
/* Random weights of a real shape, in three steps (model/synthetic.h takes them): its configuration; a tensor after another;
 * their places in memory. spec: SHAPE:TYPE ("llama3.2-1b:q4_0", "mistral-7b:q4_k_m"; TYPE is q4_0 when absent), or SHAPE@LAYERS:TYPE, its first layers; the same
 * seed gives the same weights. Without a vocabulary. ARG names the shapes and types there are. */
int source_begin_synthetic(struct source **out, const char *spec, uint64_t seed, struct kvik_err *err) MUST_CHECK;
/* The tensor of this name ("blk.LAYER.NAME", where layer is not below 0), new or already described; dims: unused ones are 1;
 * floats: it is never quantised. NULL: there are more than any model has. */
const struct source_tensor *source_describe(struct source *s, int layer, const char *name, const uint64_t dims[3],
					    bool floats);
int source_end_synthetic(struct source *s, struct kvik_err *err) MUST_CHECK;
void source_free(struct source *s);

const struct source_tensor *source_find(const struct source *s, const char *name); /* NULL = absent */
size_t source_count(const struct source *s);
const struct source_tensor *source_at(const struct source *s, size_t i);

const char *source_name(const struct source *s);        /* path, for error texts */
const struct gguf *source_gguf(const struct source *s); /* metadata of a GGUF file (its first part), or NULL */
const char *source_dir(const struct source *s);         /* of a Hugging Face folder, or NULL */
/* Ids at which generation stops besides the vocabulary's own (generation_config.json, config.json). */
size_t source_ends(const struct source *s, const uint32_t **ids);
const struct generation *source_generation(const struct source *s); /* ids in it may lie outside the vocabulary */
const struct warnings *source_warnings(const struct source *s);

/* Before the bytes of a tensor are read: those of a synthetic model are made here, so that looking at one costs
 * nothing. Each tensor is for one thread from here to source_drop. */
void source_need(const struct source *s, const struct source_tensor *t);
/* The bytes of this tensor will not be read again soon: their memory is given back. */
void source_drop(const struct source *s, const struct source_tensor *t);

#endif
