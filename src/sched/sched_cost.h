/* sched_cost.h: what a step costs, estimated from the steps measured so far, and how much prefill a step may take. */
#ifndef KVIK_SCHED_COST_H
#define KVIK_SCHED_COST_H

#include "sched/sched.h"

struct cost {
	struct sched_cost now;
	double decode_scale; /* sequences of a full step: makes the two inputs of the estimate alike */
	bool decode_measured, prefill_measured; /* else they are guesses */
	bool doubt; /* the last step with both took so much more or less than expected that only one without prefill can
		       tell which of the two has changed: the next step should be such a one */
	bool sure;  /* it has told: the next surprise is the prefill's */
};

void cost_init(struct cost *c, const struct sched_cost *guess, uint32_t seqs_max);
/* A step of so many decoded and prefilled tokens took us. */
void cost_learn(struct cost *c, uint32_t n_decode, uint32_t n_prefill, double us);
/* Prefill tokens that keep a step with n_decode > 0 decoded ones below factor times its time without them; at least 1.
 */
uint32_t cost_chunk(const struct cost *c, uint32_t n_decode, double factor);

#endif
