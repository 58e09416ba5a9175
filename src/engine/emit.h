/* emit.h: from a row of logits to what a reader gets: processor, sample, log-probabilities, text, stop strings, and why
 * a generation ends. The same for a session and for a request among many.
 *
 * Owner: the generation; one thread. */
#ifndef KVIK_ENGINE_EMIT_H
#define KVIK_ENGINE_EMIT_H

#include <kvik.h>

#include "base/buf.h"
#include "engine/loaded.h"
#include "engine/stop.h"
#include "token/detok.h"

#define STOP_IDS_MAX 1024

/* Room that generations of one thread share. */
struct emit_room {
	float *row;           /* [n_vocab] */
	void *sample_scratch; /* sample_scratch_bytes(n_vocab) */
};

struct emit {
	const struct kvik_model *model;
	struct kvik_generate_params params; /* its pointers are borrowed, but for: */
	struct kvik_sampling sampling;
	struct kvik_processor processor;
	struct detok detok;
	struct stop stop;
	struct buf text; /* set free by the step at hand */
	bool no_memory;  /* text could not grow */
	uint32_t choice; /* of its request: for the processor */
	uint32_t n_vocab, new_tokens;
	struct ids ends; /* what may not be drawn before min_tokens; empty without it */
	struct kvik_logprob top[KVIK_LOGPROBS_MAX];
};

/* p may be NULL, and of any size that kvik.h allows. ARG: a parameter out of its range. Release with emit_release, also
 * after an error. */
int emit_init(struct emit *e, const struct kvik_model *m, const struct kvik_generate_params *p,
	      struct kvik_err *err) MUST_CHECK;
void emit_release(struct emit *e);

enum emit_state { EMIT_GOES_ON, EMIT_STOP, EMIT_LENGTH };

/* Picks the next token from logits [n_vocab]; history: [n] ids so far. *t is valid until the next call. Returns an
 * enum emit_state, or NOMEM. */
int emit_next(struct emit *e, const struct emit_room *room, const float *logits, const uint32_t *history, size_t n,
	      struct kvik_token *t, struct kvik_err *err) MUST_CHECK;

/* What was held back comes free: true when there is such text; *t then has KVIK_NO_ID. */
bool emit_flush(struct emit *e, struct kvik_token *t);

#endif
