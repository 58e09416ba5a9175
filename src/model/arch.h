/* arch.h: what an architecture is. One file arch_NAME.c holds all of it, and one line of arch.c's table knows it:
 *
 *   its names                  general.architecture of GGUF, model_type of config.json
 *   how they describe it       read: fields -> struct hparams, with the common readers of read.h
 *   what its tensors are       names: where they differ from the shared ones; bind: which there are, of which shape
 *   what a layer computes      layer: blocks (blocks.h) in their order */
#ifndef KVIK_MODEL_ARCH_H
#define KVIK_MODEL_ARCH_H

#include "format/keys.h"
#include "model/names.h"
#include "model/weights.h"

struct step;

struct arch {
	const char *name;              /* general.architecture */
	const char *hf_name;           /* model_type, where it differs; else NULL */
	const struct tensor_name *own; /* Hugging Face names of tensors that names.c does not know; NULL: none */
	/* Fills in everything but arch, tied and n_vocab of GGUF, which come from the tensors. Errors stay in k. */
	void (*read)(struct keys *k, struct hparams *h);
	/* Parameters of layer i. */
	int (*bind)(struct binder *b, struct layer *l, int i, const struct layer_spec *spec);
	void (*layer)(struct step *s, const struct layer *l);
};

/* The hyperparameters of a model on disk, checked. UNSUPPORTED: an architecture, or a field's value, that kvik does not
 * run; FORMAT: a field missing, of the wrong type or contradictory; NOMEM. */
int arch_hparams(const struct source *s, struct hparams *h, struct kvik_err *err) MUST_CHECK;
/* The same of a configuration alone: what it says, but for what only tensors say; not yet checked. */
int arch_read(struct keys *k, struct hparams *h) MUST_CHECK;

/* Makes an architecture known that the table does not have: of a test, or of a program that brings its own. a must outlive
 * every use. Before the first model is opened, by one thread. LIMIT: there is no room for another. */
int arch_register(const struct arch *a, struct kvik_err *err) MUST_CHECK;

/* The embedding of a model on disk; NULL: it has none. */
const struct source_tensor *arch_embedding(const struct source *s, const struct hparams *h);

#endif
