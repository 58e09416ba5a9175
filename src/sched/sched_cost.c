/* sched_cost.c: us = slowness * (step_us + decode_us * decoded + prefill_us * prefilled).
 *
 * Two things move a step's time, and they move at different speeds. What the model costs (the three coefficients)
 * hardly changes; each step teaches it a little, and a step that is far off no more than one that is a little off. How
 * fast the machine is at present (slowness) changes at once when another program comes or goes, for decode and prefill
 * alike. It is the median of what the last steps took over what they should have: five steps follow any change, and one
 * slow step, or four of nine, change nothing. Taking a slow step for slow prefill would shrink chunks to single tokens
 * on a busy machine, where every second step is slow for reasons of its own.
 *
 * The more often a step's threads lose their CPUs, the more a small chunk costs beside a large one: each waits for the
 * other some hundred times a step. So on a contended machine the gap that streams are given grows, by what the others
 * take: the CPU time of the owner says how much that is, whatever the machine was like when the server began.
 *
 * Steps without prefill teach step_us and decode_us by normalised least mean squares, which needs no history and cannot
 * wind up when every step looks alike. Steps with prefill teach prefill_us alone, from what they took beyond the
 * estimate of the others. While every step has both, at the same length, nothing can tell slower prefill (at a depth of
 * many tokens) from a slower machine, and it is taken for the latter; so the planner puts in a step without prefill now
 * and then, and that one counts for more. */
#include "sched/sched_cost.h"

#include <string.h>

#define RATE 0.1        /* at which the coefficients follow */
#define FIRST_STEPS 8   /* of a kind: their mean, whatever it is, is where the estimate begins */
#define OUTLIER 1.25    /* a later one teaches at most that the truth is so many times as large, or as small */
#define PROBE_RATE 0.25 /* the first step without prefill after some with it: see below */
#define PROBE_OUTLIER 2.0
#define AIM 0.9          /* of the time that is allowed; the rest is for noise */
#define FIRST_CHUNK 16u  /* while prefill_us is a guess */
#define PREFILL_PART 0.1 /* of the mean time of a token: prefill takes that at least */

void cost_init(struct cost *c, const struct sched_cost *guess, uint32_t seqs_max)
{
	*c = (struct cost){.base = *guess, .slowness = 1, .contention = 1, .decode_scale = seqs_max};
}

static double undisturbed(const struct cost *c, uint32_t n_decode)
{
	return c->base.step_us + c->base.decode_us * n_decode;
}

static double clamp(double x, double low, double high)
{
	return x < low ? low : x > high ? high : x;
}

/* The estimate after a measurement that is the n-th of its kind, counted from 0; the first replaces the guess. */
static double follow(double estimate, double measured, uint32_t n, double rate, double outlier)
{
	if (n < FIRST_STEPS && rate < 1.0 / (n + 1.0))
		rate = 1.0 / (n + 1.0);
	else
		measured = clamp(measured, estimate / outlier, estimate * outlier);
	return estimate + rate * (measured - estimate);
}

/* Puts x into a ring whose n-th entry it is, counted from 0; returns the median of what is there. */
static double median_with(double *ring, uint32_t n, double x)
{
	double sorted[COST_RECENT];
	ring[n % COST_RECENT] = x;
	uint32_t count = n + 1 < COST_RECENT ? n + 1 : COST_RECENT;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t at = i;
		for (; at > 0 && sorted[at - 1] > ring[i]; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = ring[i];
	}
	return sorted[count / 2];
}

static void learn_decode(struct cost *c, uint32_t n_decode, double us)
{
	bool probe = c->mixed;
	double target = follow(undisturbed(c, n_decode), us, c->n_decode_steps++, probe ? PROBE_RATE : RATE,
			       probe ? PROBE_OUTLIER : OUTLIER);
	double error = target - undisturbed(c, n_decode), x = n_decode / c->decode_scale;
	/* neither may become negative */
	c->base.step_us = clamp(c->base.step_us + error / (1 + x * x), 0, target);
	c->base.decode_us = (target - c->base.step_us) / n_decode;
}

static void learn_prefill(struct cost *c, uint32_t n_decode, uint32_t n_prefill, double us)
{
	double measured = (us - undisturbed(c, n_decode)) / n_prefill,
	       least = PREFILL_PART * us / (n_decode + n_prefill);
	if (measured < least)
		measured = least;
	c->base.prefill_us = follow(c->base.prefill_us, measured, c->n_prefill_steps++, RATE, OUTLIER);
}

/* A kind of step that was never measured says nothing about the machine. */
static bool is_known(const struct cost *c, uint32_t n_decode, uint32_t n_prefill)
{
	return (n_decode == 0 || c->n_decode_steps > 0) && (n_prefill == 0 || c->n_prefill_steps > 0);
}

void cost_learn(struct cost *c, uint32_t n_decode, uint32_t n_prefill, double us, double busy_us)
{
	if (n_decode + n_prefill == 0)
		return;
	c->contention = median_with(c->waited, c->n_waited++, busy_us > 0 && busy_us < us ? us / busy_us : 1);
	if (is_known(c, n_decode, n_prefill))
		c->slowness = median_with(c->recent, c->n_steps++,
					  us / (undisturbed(c, n_decode) + c->base.prefill_us * n_prefill));
	if (n_prefill == 0)
		learn_decode(c, n_decode, us / c->slowness);
	else if (n_decode == 0 || c->n_decode_steps > 0)
		learn_prefill(c, n_decode, n_prefill, us / c->slowness);
	c->mixed = n_prefill > 0;
}

struct sched_cost cost_now(const struct cost *c)
{
	return (struct sched_cost){.step_us = c->slowness * c->base.step_us,
				   .decode_us = c->slowness * c->base.decode_us,
				   .prefill_us = c->slowness * c->base.prefill_us};
}

uint32_t cost_chunk(const struct cost *c, uint32_t n_decode, double factor, double itl_us)
{
	double alone = c->slowness * undisturbed(c, n_decode);
	itl_us *= clamp(c->contention, 1, SCHED_CONTENTION_MAX);
	double limit = factor * alone > itl_us ? factor * alone : itl_us;
	double tokens = (AIM * limit - alone) / (c->slowness * c->base.prefill_us);
	uint32_t n = tokens < SCHED_CHUNK_MIN ? SCHED_CHUNK_MIN : tokens > 1e6 ? 1000000 : (uint32_t)tokens;
	return c->n_prefill_steps > 0 || n < FIRST_CHUNK ? n : FIRST_CHUNK;
}
