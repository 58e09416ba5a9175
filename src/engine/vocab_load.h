/* vocab_load.h: the vocabulary of a model on disk, whatever its format.  Any thread; the caller frees *out with
 * vocab_free, and nothing of the file is needed afterwards. What is odd, but no error, goes to w, which may be NULL. */
#ifndef KVIK_ENGINE_VOCAB_LOAD_H
#define KVIK_ENGINE_VOCAB_LOAD_H

#include "format/gguf.h"
#include "format/source.h"
#include "token/vocab.h"

/* From the metadata of a GGUF file; tensors and hyperparameters are not looked at. name: the file's, for error texts.
 * Errors: FORMAT (a key is missing or contradictory), UNSUPPORTED, LIMIT, NOMEM. */
int vocab_load_gguf(struct vocab **out, const struct gguf *g, const char *name, struct warnings *w,
		    struct kvik_err *err) MUST_CHECK;

/* Of an open model. A model without a vocabulary is no error: *out is NULL then. */
int vocab_of_source(struct vocab **out, const struct source *s, struct warnings *w, struct kvik_err *err) MUST_CHECK;

/* path: a GGUF file (with or without tensors, of any architecture), a Hugging Face folder, or a tokenizer.json or tokenizer.model (the
 * small files are looked for beside it). Having no vocabulary is an error here. Also IO. */
int vocab_open(struct vocab **out, const char *path, struct warnings *w, struct kvik_err *err) MUST_CHECK;

#endif
