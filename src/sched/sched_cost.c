/* sched_cost.c: us = step_us + decode_us * decoded + prefill_us * prefilled.
 *
 * Steps without prefill teach the first two by normalised least mean squares, which needs no history and cannot wind up
 * when every step looks alike. Steps with prefill teach the third alone, from what they took beyond the estimate of the
 * first two: so a decode that grows slower during a long prefill makes chunks smaller, never larger. It rises at once
 * and falls slowly: a stream notices a step that is too long, nobody one that is a little short.
 *
 * When the machine becomes slower or faster at once (another program has come or gone), a step with both says only that
 * something has changed. Blaming prefill alone would shrink chunks to nothing, so such a step teaches nothing but
 * doubt; the next one, without prefill, shows how decode has changed, and prefill is taken to have changed alike until
 * it is measured. */
#include "sched/sched_cost.h"

#define RATE 0.3 /* of the decode estimate */
#define RISE 0.5 /* of prefill_us */
#define FALL 0.1
#define SURPRISE 1.5 /* times as long as expected, or as short */
#define AIM 0.8      /* of the time that the factor allows; the rest is for noise, and for streams that grow longer */
#define FIRST_CHUNK 16u /* while prefill_us is a guess */
#define PREFILL_US_MIN 1e-3

void cost_init(struct cost *c, const struct sched_cost *guess, uint32_t seqs_max)
{
	*c = (struct cost){.now = *guess, .decode_scale = seqs_max};
}

static double undisturbed(const struct cost *c, uint32_t n_decode)
{
	return c->now.step_us + c->now.decode_us * n_decode;
}

static void learn_decode(struct cost *c, uint32_t n_decode, double us)
{
	double before = undisturbed(c, n_decode);
	double rate = c->decode_measured && !c->doubt ? RATE : 1;
	double target = undisturbed(c, n_decode) + rate * (us - undisturbed(c, n_decode));
	double error = target - undisturbed(c, n_decode), x = n_decode / c->decode_scale;
	double step_us = c->now.step_us + error / (1 + x * x);
	step_us = step_us < 0 ? 0 : step_us > target ? target : step_us; /* neither may become negative */
	c->now.step_us = step_us;
	c->now.decode_us = (target - step_us) / n_decode;
	if (c->doubt && before > 0)
		c->now.prefill_us *= us / before;
	c->sure = c->doubt;
	c->doubt = false;
	c->decode_measured = true;
}

/* Does a step with both leave open what has changed? */
static bool is_surprise(const struct cost *c, uint32_t n_decode, uint32_t n_prefill, double us)
{
	double expected = undisturbed(c, n_decode) + c->now.prefill_us * n_prefill;
	return n_decode > 0 && c->decode_measured && c->prefill_measured && !c->sure &&
	       (us > SURPRISE * expected || us * SURPRISE < expected);
}

static void learn_prefill(struct cost *c, uint32_t n_decode, uint32_t n_prefill, double us)
{
	c->doubt = is_surprise(c, n_decode, n_prefill, us);
	if (c->doubt)
		return;
	double measured = (us - undisturbed(c, n_decode)) / n_prefill;
	if (measured < PREFILL_US_MIN)
		measured = PREFILL_US_MIN;
	double rate = measured > c->now.prefill_us ? (c->sure ? 1 : RISE) : FALL;
	c->now.prefill_us += (c->prefill_measured ? rate : 1) * (measured - c->now.prefill_us);
	c->prefill_measured = true;
	c->sure = false;
}

void cost_learn(struct cost *c, uint32_t n_decode, uint32_t n_prefill, double us)
{
	if (n_prefill > 0)
		learn_prefill(c, n_decode, n_prefill, us);
	else if (n_decode > 0)
		learn_decode(c, n_decode, us);
}

uint32_t cost_chunk(const struct cost *c, uint32_t n_decode, double factor)
{
	double tokens = AIM * (factor - 1) * undisturbed(c, n_decode) / c->now.prefill_us;
	uint32_t n = tokens < 1 ? 1 : tokens > 1e6 ? 1000000 : (uint32_t)tokens;
	return c->prefill_measured || n < FIRST_CHUNK ? n : FIRST_CHUNK;
}
