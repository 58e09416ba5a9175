/* cpu_delta.c: gated delta nets: the convolution, the delta rule head by head, the gated norm. */
#include <math.h>

#include "backend/cpu/cpu_state.h"

struct delta_job {
	const struct cpu_work *w;
	const struct delta_call *c;
	struct state_place place;
};

/* ---- Delta rule -------------------------------------------------------------------------------------------------- */

/* Keys and queries of length 1, the queries over sqrt(k_dim); alpha and beta become factors. */
static void factors_item(void *ctx, uint32_t token, uint32_t thread)
{
	const struct delta_job *j = ctx;
	const struct delta_spec *d = &j->c->net;
	const float *rate = floats_of(j->c->rate), *dt_bias = floats_of(j->c->dt_bias);
	float *x = floats_of(j->c->qkv) + (size_t)token * delta_channels(d), scale = 1 / sqrtf((float)d->k_dim);
	float *alpha = floats_of(j->c->alpha) + (size_t)token * d->v_heads;
	float *beta = floats_of(j->c->beta) + (size_t)token * d->v_heads;
	(void)thread;
	for (uint32_t i = 0; i < 2 * d->k_heads; i++)
		j->w->cpu->kernels->l2_norm(x + (size_t)i * d->k_dim, 1e-6f, i < d->k_heads ? scale : 1, d->k_dim);
	for (uint32_t i = 0; i < d->v_heads; i++) {
		alpha[i] = (float)exp((double)rate[i] * softplus((double)(alpha[i] + dt_bias[i])));
		beta[i] = (float)(1 / (1 + exp(-(double)beta[i])));
	}
}

struct head_span {
	const struct delta_job *j;
	uint32_t head;
	size_t at; /* of its state, in floats */
};

static void head_span(void *ctx, float *state, uint32_t token, uint32_t n)
{
	const struct head_span *h = ctx;
	const struct delta_call *c = h->j->c;
	const struct delta_spec *d = &c->net;
	uint32_t channels = delta_channels(d), keys = d->k_heads * d->k_dim, values = d->v_heads * d->v_dim;
	uint32_t k_head = d->interleaved ? h->head % d->k_heads : h->head / (d->v_heads / d->k_heads);
	const float *x = floats_of(c->qkv) + (size_t)token * channels;
	struct delta call = {.q = x + k_head * d->k_dim,
			     .k = x + keys + k_head * d->k_dim,
			     .v = x + 2 * keys + h->head * d->v_dim,
			     .decay = floats_of(c->alpha) + (size_t)token * d->v_heads + h->head,
			     .beta = floats_of(c->beta) + (size_t)token * d->v_heads + h->head,
			     .out = floats_of(c->out) + (size_t)token * values + h->head * d->v_dim,
			     .stride = channels,
			     .gate_stride = d->v_heads,
			     .out_stride = values,
			     .state = state + h->at,
			     .tokens = n,
			     .k_dim = d->k_dim,
			     .v_dim = d->v_dim};
	h->j->w->cpu->kernels->delta(&call);
}

static void head_item(void *ctx, uint32_t item, uint32_t thread)
{
	const struct delta_job *j = ctx;
	const struct delta_spec *d = &j->c->net;
	size_t n = delta_state_floats(d->k_dim, d->v_dim);
	struct head_span h = {.j = j,
			      .head = item % d->v_heads,
			      .at = conv_state_floats(d->taps, delta_channels(d)) + item % d->v_heads * n};
	struct patch p = {.at = h.at, .rows = 1, .n = n};
	(void)thread;
	state_through_tokens(&j->place, item / d->v_heads, &p, head_span, &h);
}

static void gated_norm_item(void *ctx, uint32_t token, uint32_t thread)
{
	const struct delta_job *j = ctx;
	const struct kernels *k = j->w->cpu->kernels;
	uint32_t v_dim = j->c->net.v_dim, values = j->c->net.v_heads * v_dim;
	float *out = floats_of(j->c->out) + (size_t)token * values;
	(void)thread;
	for (uint32_t i = 0; i < values; i += v_dim)
		k->rms_norm(out + i, floats_of(j->c->norm), j->c->eps, v_dim, out + i);
	k->silu_mul(floats_of(j->c->gate) + (size_t)token * values, out, values, out);
}

void cpu_delta(struct dev_work *work, const struct delta_call *c)
{
	const struct cpu_work *w = work_of(work);
	uint32_t seqs = w->batch->n_seqs, tokens = w->batch->n_tokens, channels = delta_channels(&c->net);
	struct delta_job j = {.w = w, .c = c, .place = {w, c->group, c->state_at}};
	struct conv_job conv = {.place = j.place,
				.x = floats_of(c->qkv),
				.weight = floats_of(c->conv),
				.taps = c->net.taps,
				.channels = channels};
	pool_run(w->cpu->pool, seqs * conv_items(channels), conv_item, &conv);
	pool_run(w->cpu->pool, tokens, factors_item, &j);
	pool_run(w->cpu->pool, seqs * c->net.v_heads, head_item, &j);
	pool_run(w->cpu->pool, tokens, gated_norm_item, &j);
}
