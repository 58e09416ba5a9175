/* sched_cost.h: what a step costs, estimated from the steps measured so far, and how much prefill a step may take. */
#ifndef KVIK_SCHED_COST_H
#define KVIK_SCHED_COST_H

#include "sched/sched.h"

#define COST_RECENT 9 /* steps; odd */

struct cost {
	struct sched_cost base;     /* on the machine as it usually is */
	double slowness;            /* and how much longer steps take at present: the median of `recent` */
	double recent[COST_RECENT]; /* ring: us / estimate by `base` */
	double contention;          /* time over the owner's CPU time, 1 on an idle machine: the median of `waited` */
	double waited[COST_RECENT]; /* ring */
	uint32_t n_waited;
	uint32_t n_steps, n_decode_steps, n_prefill_steps; /* learned from: without and with prefill; 0: a guess */
	bool mixed;                                        /* the last one was with */
	double decode_scale; /* sequences of a full step: makes the two inputs of the estimate alike */
};

void cost_init(struct cost *c, const struct sched_cost *guess, uint32_t seqs_max);
/* A step of so many decoded and prefilled tokens took us; of that the owner had a CPU for busy_us (0: not known). */
void cost_learn(struct cost *c, uint32_t n_decode, uint32_t n_prefill, double us, double busy_us);
/* As of now: base * slowness. */
struct sched_cost cost_now(const struct cost *c);
/* Prefill tokens for a step with n_decode > 0 decoded ones, so that it stays below factor times its time without them
 * or below itl_us, whichever is more; at least SCHED_CHUNK_MIN. Where others keep the machine busy itl_us may grow by
 * what they take, up to SCHED_CONTENTION_MAX times. */
uint32_t cost_chunk(const struct cost *c, uint32_t n_decode, double factor, double itl_us);

#endif
