/* sample.h: one row of logits -> one token id, and log-probabilities.
 *
 * Order: logit bias, penalties, then greedy (temperature 0: the highest logit, the lowest id among equals) or
 * temperature, top-k, top-p, min-p and one draw. The draw depends on (seed, position) alone, so the same request gives
 * the same text in any batch. All arithmetic is scalar double in a fixed order. Any thread; nothing is kept. */
#ifndef KVIK_SAMPLE_SAMPLE_H
#define KVIK_SAMPLE_SAMPLE_H

#include <kvik.h>

#include "base/err.h"

/* 0, or KVIK_ERR_ARG naming the parameter and its range. */
int sample_check(const struct kvik_sampling *p, uint32_t n_vocab, struct kvik_err *err) MUST_CHECK;

/* Bytes of scratch that sample_next needs for a vocabulary of this size. */
size_t sample_scratch_bytes(uint32_t n_vocab);

/* logits: [n_vocab], changed in place. history: [n_history] ids so far, prompt included. position: the absolute
 * position of the new token. scratch: sample_scratch_bytes(n_vocab), 8-byte aligned. Rows without any finite logit
 * give id 0. */
uint32_t sample_next(const struct kvik_sampling *p, float *logits, uint32_t n_vocab, const uint32_t *history,
		     size_t n_history, uint64_t position, void *scratch);

/* The k most probable tokens, best first (equal ones by id), into out[k]; chosen's own into *chosen_logprob, and into
 * *rank its place among all (1: none is more probable). Returns how many were written (min(k, n_vocab)). logits must be
 * the unmodified row. */
uint32_t sample_logprobs(const float *logits, uint32_t n_vocab, uint32_t k, struct kvik_logprob *out, uint32_t chosen,
			 float *chosen_logprob, uint32_t *rank);

/* 53 uniform random bits as a double in [0, 1); a pure function (counter-based generator, SplitMix64 finaliser over
 * both words). */
double sample_uniform(uint64_t seed, uint64_t counter);

#endif
