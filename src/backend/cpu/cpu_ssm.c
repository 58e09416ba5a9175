/* cpu_ssm.c: state space models as Mamba-2 has them (arXiv 2405.21060), and short convolutions. Token after token: a
 * prefill may be cut anywhere. */
#include <math.h>

#include "backend/cpu/cpu_state.h"

struct ssm_job {
	const struct cpu_work *w;
	const struct ssm_call *c;
	struct state_place place;
};

/* dt becomes the step's size, and decay what is left of the state after it. */
static void steps_item(void *ctx, uint32_t token, uint32_t thread)
{
	const struct ssm_job *j = ctx;
	uint32_t heads = j->c->net.heads;
	const float *rate = floats_of(j->c->rate), *dt_bias = floats_of(j->c->dt_bias);
	float *dt = floats_of(j->c->dt) + (size_t)token * heads,
	      *decay = floats_of(j->c->decay) + (size_t)token * heads;
	(void)thread;
	for (uint32_t i = 0; i < heads; i++) {
		dt[i] = (float)softplus((double)(dt[i] + dt_bias[i]));
		decay[i] = (float)exp((double)(dt[i] * rate[i]));
	}
}

struct head_span {
	const struct ssm_job *j;
	uint32_t head;
	size_t at; /* of its state, in floats */
};

static void head_span(void *ctx, float *state, uint32_t token, uint32_t n)
{
	const struct head_span *h = ctx;
	const struct ssm_call *c = h->j->c;
	const struct ssm_spec *m = &c->net;
	uint32_t channels = ssm_channels(m), inner = ssm_inner(m), group = h->head / (m->heads / m->groups);
	const float *x = floats_of(c->xbc) + (size_t)token * channels, *keys = x + inner + group * m->state_dim;
	struct delta call = {.q = keys + m->groups * m->state_dim,
			     .k = keys,
			     .v = x + h->head * m->head_dim,
			     .decay = floats_of(c->decay) + (size_t)token * m->heads + h->head,
			     .beta = floats_of(c->dt) + (size_t)token * m->heads + h->head,
			     .out = floats_of(c->out) + (size_t)token * inner + h->head * m->head_dim,
			     .stride = channels,
			     .gate_stride = m->heads,
			     .out_stride = inner,
			     .state = state + h->at,
			     .tokens = n,
			     .k_dim = m->state_dim,
			     .v_dim = m->head_dim,
			     .adds = true,
			     .skip = floats_of(c->skip)[h->head]};
	h->j->w->cpu->kernels->delta(&call);
}

static void head_item(void *ctx, uint32_t item, uint32_t thread)
{
	const struct ssm_job *j = ctx;
	const struct ssm_spec *m = &j->c->net;
	size_t n = delta_state_floats(m->state_dim, m->head_dim);
	uint32_t head = item % m->heads;
	struct head_span h = {.j = j, .head = head, .at = conv_state_floats(m->taps, ssm_channels(m)) + head * n};
	struct patch p = {.at = h.at, .rows = 1, .n = n};
	(void)thread;
	state_through_tokens(&j->place, item / m->heads, &p, head_span, &h);
}

/* Gated first, then normed, group by group. */
static void gated_norm_item(void *ctx, uint32_t token, uint32_t thread)
{
	const struct ssm_job *j = ctx;
	const struct kernels *k = j->w->cpu->kernels;
	uint32_t inner = ssm_inner(&j->c->net), part = inner / j->c->net.groups;
	float *out = floats_of(j->c->out) + (size_t)token * inner;
	(void)thread;
	k->silu_mul(floats_of(j->c->gate) + (size_t)token * inner, out, inner, out);
	for (uint32_t i = 0; i < inner; i += part)
		k->rms_norm(out + i, floats_of(j->c->norm) + i, j->c->eps, part, out + i);
}

void cpu_ssm(struct dev_work *work, const struct ssm_call *c)
{
	const struct cpu_work *w = work_of(work);
	uint32_t seqs = w->batch->n_seqs, tokens = w->batch->n_tokens, channels = ssm_channels(&c->net);
	struct ssm_job j = {.w = w, .c = c, .place = {w, c->group, c->state_at}};
	struct conv_job conv = {.place = j.place,
				.x = floats_of(c->xbc),
				.weight = floats_of(c->conv),
				.bias = floats_of(c->conv_bias),
				.taps = c->net.taps,
				.channels = channels};
	pool_run(w->cpu->pool, seqs * conv_items(channels), conv_item, &conv);
	pool_run(w->cpu->pool, tokens, steps_item, &j);
	pool_run(w->cpu->pool, seqs * c->net.heads, head_item, &j);
	pool_run(w->cpu->pool, tokens, gated_norm_item, &j);
}

/* ---- Short convolutions ------------------------------------------------------------------------------------------ */

struct short_job {
	const struct cpu_work *w;
	const struct short_conv_call *c;
	struct state_place place;
	uint32_t first, end; /* channels of an item */
};

static void short_span(void *ctx, float *state, uint32_t token, uint32_t n)
{
	const struct short_job *j = ctx;
	uint32_t dim = j->c->net.dim;
	size_t stride = 3 * (size_t)dim;
	float *in = floats_of(j->c->bcx) + token * stride, *out = floats_of(j->c->out) + (size_t)token * dim;
	struct conv call = {.weight = floats_of(j->c->conv),
			    .bias = floats_of(j->c->bias),
			    .state = state,
			    .x = in + 2 * dim,
			    .stride = stride,
			    .taps = j->c->net.taps,
			    .channels = dim,
			    .tokens = n};
	for (uint32_t t = 0; t < n; t++)
		for (uint32_t i = j->first; i < j->end; i++)
			call.x[t * stride + i] *= in[t * stride + i];
	j->w->cpu->kernels->conv(&call, j->first, j->end);
	for (uint32_t t = 0; t < n; t++)
		for (uint32_t i = j->first; i < j->end; i++)
			out[(size_t)t * dim + i] = in[t * stride + dim + i] * call.x[t * stride + i];
}

static void short_item(void *ctx, uint32_t item, uint32_t thread)
{
	struct short_job j = *(const struct short_job *)ctx;
	uint32_t dim = j.c->net.dim, blocks = conv_items(dim);
	j.first = item % blocks * ITEM_CHANNELS;
	j.end = j.first + ITEM_CHANNELS < dim ? j.first + ITEM_CHANNELS : dim;
	struct patch p = {.at = j.first, .stride = dim, .rows = j.c->net.taps - 1, .n = j.end - j.first};
	(void)thread;
	state_through_tokens(&j.place, item / blocks, &p, short_span, &j);
}

void cpu_short_conv(struct dev_work *work, const struct short_conv_call *c)
{
	const struct cpu_work *w = work_of(work);
	struct short_job j = {.w = w, .c = c, .place = {w, c->group, c->state_at}};
	pool_run(w->cpu->pool, w->batch->n_seqs * conv_items(c->net.dim), short_item, &j);
}
