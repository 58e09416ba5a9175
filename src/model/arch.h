/* arch.h: what an architecture is: which parameters it binds and what its layer computes. To add one: a file
 * arch_NAME.c with these two functions over the shared blocks, a line in model.c's table, a name in format/hparams. */
#ifndef KVIK_MODEL_ARCH_H
#define KVIK_MODEL_ARCH_H

#include "model/weights.h"

struct step;

struct arch_ops {
	bind_fn *bind;
	void (*layer)(struct step *s, const struct layer *l);
};

extern const struct arch_ops arch_llama, arch_mistral, arch_qwen2, arch_qwen3;

/* Shared parts of binding. */
int bind_ends(struct binder *b, struct weights *w, const struct hparams *h) MUST_CHECK; /* embedding, norm, output */
int bind_attention(struct binder *b, struct layer *l, int i, const struct hparams *h) MUST_CHECK;
/* q, k and v; BIND_OPTIONAL in flags: where they are. */
int bind_qkv_biases(struct binder *b, struct layer *l, int i, const struct hparams *h, unsigned flags) MUST_CHECK;
int bind_ffn(struct binder *b, struct layer *l, int i, const struct hparams *h) MUST_CHECK;

#endif
