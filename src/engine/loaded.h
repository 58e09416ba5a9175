/* loaded.h: the inside of the public nouns model, file and vocabulary, for the files of this room. */
#ifndef KVIK_ENGINE_LOADED_H
#define KVIK_ENGINE_LOADED_H

#include <kvik.h>
#include <pthread.h>

#include "base/buf.h"
#include "constrain/trie.h"
#include "model/model.h"
#include "token/vocab.h"

struct kvik_vocab {
	struct vocab *v;
	struct warnings warnings; /* of loading it */
	const uint32_t *ends;     /* [n_ends] ids at which the model stops besides those of v; of its source */
	size_t n_ends;
	pthread_mutex_t lock; /* of what is made when it is first asked for: */
	struct trie *trie;    /* the tokens by their bytes, for constraints */
	struct ids stops;     /* made with it: all ids at which the model stops */
};
void vocab_init(struct kvik_vocab *v);
void vocab_release(struct kvik_vocab *v);

struct kvik_device {
	struct device *d;
};

struct kvik_model {
	struct source *source;
	struct device *device;
	struct kvik_device *own_device; /* made for this model alone, or NULL */
	struct model *model;
	bool int8;               /* integer weights meet int8 activations */
	int quantize;            /* float matrices were made this type (enum wtype) at load; -1: no */
	struct kvik_vocab vocab; /* v is NULL when the model has none */
	char *chat_template;     /* NULL: none */
	char *tool_template;     /* the one named tool_use; NULL: none */
};

struct kvik_file {
	struct source *source;
	struct hparams h;
	struct warnings warnings; /* of its hyperparameters */
};

/* path as kvik_model_load takes it: NULL is the built-in model, "synthetic:SHAPE:TYPE" makes random weights. */
int open_source(struct source **out, const char *path, struct kvik_err *err) MUST_CHECK;
/* What the caller gave (may be NULL) over the defaults. ARG: its size, a value outside its enum. */
int model_params_read(struct kvik_model_params *p, const struct kvik_model_params *given,
		      struct kvik_err *err) MUST_CHECK;
/* The two settings of loading that decide sizes and arithmetic. */
bool wants_int8(enum kvik_act act, const struct source *s);
int quantized_type(enum kvik_quantize q); /* enum wtype or -1 */
/* *out: freed with mem_free; NULL when the model has none. */
int chat_template_of(char **out, const struct source *s, const char *name, struct kvik_err *err) MUST_CHECK;
struct kvik_model_info describe(const struct hparams *h, uint64_t weight_bytes, uint64_t parameters);

/* What is odd about the configuration of a model; name: of its file. NOMEM. */
int warn_of_hparams(const struct hparams *h, const char *name, struct warnings *w, struct kvik_err *err) MUST_CHECK;
/* Logits [vocab_size] of the ids that the model's files say are never drawn become -infinity. */
void suppress(const struct kvik_model *m, float *logits);

/* ARG: an id outside the vocabulary. */
int check_ids(const struct kvik_model *m, const uint32_t *ids, size_t n, struct kvik_err *err) MUST_CHECK;

#endif
