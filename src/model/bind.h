/* bind.h: the parts of binding that architectures share. Each returns the first error. */
#ifndef KVIK_MODEL_BIND_H
#define KVIK_MODEL_BIND_H

#include "model/weights.h"

/* Embedding, output norm, output, rope divisors. */
int bind_ends(struct binder *b, struct weights *w, const struct hparams *h) MUST_CHECK;
/* All that the specification of a layer names: norms, q, k, v, o and feed-forward, with their biases. */
int bind_layer(struct binder *b, struct layer *l, int i, const struct layer_spec *spec) MUST_CHECK;
/* Its attention alone. */
int bind_attention(struct binder *b, struct layer *l, int i, const struct attention_spec *a) MUST_CHECK;
/* Router and experts, the shared one too. */
int bind_experts(struct binder *b, struct layer *l, int i, const struct experts_spec *x) MUST_CHECK;

#endif
