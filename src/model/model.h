/* model.h: a loaded model and one forward pass over a mixed batch: T tokens of S sequences, some in prefill, some
 * decoding; linear layers see one matrix [T, dim], attention runs per sequence over its block tables.
 *
 * A model is read-only once loaded. Any thread: forward passes take turns on the device; a work and the pages of a
 * batch belong to the caller. */
#ifndef KVIK_MODEL_MODEL_H
#define KVIK_MODEL_MODEL_H

#include <kvik.h>

#include "model/arch.h"
#include "model/kvplan.h"
#include "model/weights.h"

struct model;

struct model_params {
	struct device *device; /* borrowed for as long as the model lives */
	bool int8;
	int quantize; /* enum wtype, or -1 */
	kvik_progress_fn *progress;
	void *progress_user;
};

/* The source must outlive the model. Errors: FORMAT, UNSUPPORTED, NOMEM. */
int model_load(struct model **out, const struct source *s, const struct model_params *p,
	       struct kvik_err *err) MUST_CHECK;
void model_free(struct model *m);
/* Bytes of memory that model_load would take on a device of this backend for the packed weights (h: of arch_hparams),
 * and of what stays in the file's mapping on top: the embedding. */
int model_measure(uint64_t *bytes, const struct backend *backend, const struct source *s, const struct hparams *h,
		  const struct model_params *p, struct kvik_err *err) MUST_CHECK;
uint64_t model_mapped_bytes(const struct source *s, const struct hparams *h);
const struct hparams *model_hparams(const struct model *m);
uint64_t model_weight_bytes(const struct model *m); /* in memory, packed */
uint64_t model_parameters(const struct model *m);

struct model_batch {
	struct batch batch; /* the sequences, their tokens and pages */
	const struct kvplan *plan;
	const uint32_t *logit_tokens; /* [n_logits]: tokens of the batch whose logits are wanted */
	uint32_t n_logits;
	float *logits;                 /* [n_logits][n_vocab] */
	const uint32_t *hidden_tokens; /* [n_hidden]: tokens whose final hidden states, normed, are wanted */
	uint32_t n_hidden;
	float *hidden; /* [n_hidden][dim] */
};

/* Buffers of a forward pass of at most tokens_max tokens and logits_max rows of logits. */
struct model_work;
int model_work_new(struct model_work **out, const struct model *m, uint32_t tokens_max, uint32_t logits_max,
		   struct kvik_err *err) MUST_CHECK;
/* What model_work_new takes; int8: as of model_params. */
uint64_t model_work_bytes(const struct backend *backend, const struct hparams *h, bool int8, uint32_t threads,
			  uint32_t tokens_max, uint32_t logits_max);
void model_work_free(struct model_work *w);

/* Writes keys and values into the pages and logits to the batch. Cannot fail and allocates nothing. */
void model_forward(struct model *m, struct model_work *w, const struct model_batch *b);
/* The logits [n][n_vocab] of hidden states [n][dim], as model_forward gave them out: the same bits as from there. n: at
 * most the work's logits_max. */
void model_logits(struct model *m, struct model_work *w, const float *hidden, uint32_t n, float *logits);

#endif
