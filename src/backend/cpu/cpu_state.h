/* cpu_state.h: how recurrent layers go through the tokens of a batch. What goes from token to token is cut into items by
 * sequence and channels, or by sequence and head: each owns its part of the state and takes its tokens in their order, so
 * that neither threads nor chunks show.
 *
 * A step starts from one state and leaves others (struct kv_state_step): the running one lies in the page of the last, and
 * is copied out where the step passes the position of another. Any thread of the pool. */
#ifndef KVIK_BACKEND_CPU_CPU_STATE_H
#define KVIK_BACKEND_CPU_CPU_STATE_H

#include "backend/cpu/cpu.h"

/* The states of one layer. */
struct state_place {
	const struct cpu_work *w;
	uint32_t group;
	uint64_t at; /* bytes from a page's begin */
};

/* A rectangle of a state: `rows` rows of n floats, `stride` apart, from float `at` on. */
struct patch {
	size_t at, stride, rows, n;
};

/* Tokens `token` .. token + n - 1 of the batch, of one sequence, from its running state on. */
typedef void state_span_fn(void *ctx, float *state, uint32_t token, uint32_t n);

/* Takes patch p of a sequence's state through its tokens, between the positions whose states are wanted. */
void state_through_tokens(const struct state_place *s, uint32_t seq, const struct patch *p, state_span_fn *span,
			  void *ctx);

/* Channels that an item of a convolution takes. */
enum { ITEM_CHANNELS = 256 };

static inline uint32_t conv_items(uint32_t channels)
{
	return (channels + ITEM_CHANNELS - 1) / ITEM_CHANNELS;
}

/* One item of a convolution with SiLU over all channels of x, [T][channels]: item % conv_items says which. */
struct conv_job {
	struct state_place place;
	float *x;
	const float *weight, *bias; /* bias: may be NULL */
	uint32_t taps, channels;
};
void conv_item(void *conv_job, uint32_t item, uint32_t thread);

/* As torch: where x is large, log(1 + e^x) is x. In double precision, which C libraries round alike. */
double softplus(double x);

#endif
