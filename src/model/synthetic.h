/* synthetic.h: a model of a real shape with random weights (format/source_synthetic.c): its tensors are those that its
 * architecture asks for, under GGUF's names. */
#ifndef KVIK_MODEL_SYNTHETIC_H
#define KVIK_MODEL_SYNTHETIC_H

#include "format/source.h"

/* spec: SHAPE:TYPE, see source_begin_synthetic. ARG, NOMEM. The caller frees *out with source_free. */
int synthetic_open(struct source **out, const char *spec, uint64_t seed, struct kvik_err *err) MUST_CHECK;

#endif
