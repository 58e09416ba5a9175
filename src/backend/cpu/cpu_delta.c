/* cpu_delta.c: gated delta nets. What goes from token to token is cut into items by sequence and channels, or by sequence
 * and value head: each owns its part of the state and takes its tokens in their order, so that neither threads nor
 * chunks show.
 *
 * A step starts from one state and leaves others (struct kv_state_step): the running one lies in the page of the last,
 * and is copied out where the step passes the position of another. */
#include <math.h>
#include <string.h>

#include "backend/cpu/cpu.h"

struct delta_job {
	const struct cpu_work *w;
	const struct delta_call *c;
	uint32_t blocks; /* items of a sequence's convolution */
};

/* ---- States ------------------------------------------------------------------------------------------------------ */

/* A rectangle of a state: `rows` rows of n floats, `stride` apart, from float `at` on. */
struct patch {
	size_t at, stride, rows, n;
};

/* The layer's state in a page. */
static float *state_in(const struct delta_job *j, kv_page page)
{
	const struct cpu_pages *p = (const struct cpu_pages *)(const void *)j->w->batch->pages;
	return (float *)(void *)(page_address(&p->host.area[KV_AREA_PAGES(j->c->group)].at, page) + j->c->state_at);
}

/* from none: the state before any token, all zeros. */
static void copy_patch(const struct delta_job *j, const struct patch *p, kv_page to, kv_page from)
{
	float *out = state_in(j, to) + p->at;
	const float *in = from == KV_PAGE_NONE ? NULL : state_in(j, from) + p->at;
	for (size_t i = 0; i < p->rows && to != from; i++)
		if (in)
			memcpy(out + i * p->stride, in + i * p->stride, p->n * sizeof *out);
		else
			memset(out + i * p->stride, 0, p->n * sizeof *out);
}

/* Tokens `token` .. token + n - 1 of the batch, of one sequence, from its running state on. */
typedef void span_fn(void *ctx, float *state, uint32_t token, uint32_t n);

static uint32_t first_token(const struct batch *b, uint32_t seq)
{
	uint32_t token = 0;
	for (uint32_t i = 0; i < seq; i++)
		token += b->seqs[i].n_tokens;
	return token;
}

/* Takes patch p of a sequence's state through its tokens. */
static void through_tokens(const struct delta_job *j, uint32_t seq, const struct patch *p, span_fn *span, void *ctx)
{
	const struct batch_seq *q = &j->w->batch->seqs[seq];
	const struct kv_state_step *st = &q->state;
	kv_page running = st->page[st->n - 1];
	uint32_t token = first_token(j->w->batch, seq), at = q->position;
	copy_patch(j, p, running, st->from);
	for (uint32_t i = 0; i < st->n; i++) {
		uint32_t n = st->position[i] - at;
		span(ctx, state_in(j, running), token, n);
		copy_patch(j, p, st->page[i], running);
		token += n;
		at += n;
	}
}

/* ---- Convolution ------------------------------------------------------------------------------------------------- */

enum { ITEM_CHANNELS = 256 };

struct conv_span {
	const struct delta_job *j;
	uint32_t first, end; /* channels */
};

static void conv_span(void *ctx, float *state, uint32_t token, uint32_t n)
{
	const struct conv_span *s = ctx;
	const struct delta_call *c = s->j->c;
	uint32_t channels = delta_channels(&c->net);
	struct conv call = {.weight = floats_of(c->conv),
			    .state = state,
			    .x = floats_of(c->qkv) + (size_t)token * channels,
			    .taps = c->net.taps,
			    .channels = channels,
			    .tokens = n};
	s->j->w->cpu->kernels->conv_silu(&call, s->first, s->end);
}

static void conv_item(void *ctx, uint32_t item, uint32_t thread)
{
	const struct delta_job *j = ctx;
	uint32_t channels = delta_channels(&j->c->net), first = item % j->blocks * ITEM_CHANNELS;
	uint32_t end = first + ITEM_CHANNELS < channels ? first + ITEM_CHANNELS : channels;
	struct conv_span s = {j, first, end};
	struct patch p = {.at = first, .stride = channels, .rows = j->c->net.taps - 1, .n = end - first};
	(void)thread;
	through_tokens(j, item / j->blocks, &p, conv_span, &s);
}

/* ---- Delta rule -------------------------------------------------------------------------------------------------- */

/* As torch: where x is large, log(1 + e^x) is x. In double precision, which C libraries round alike. */
static double softplus(double x)
{
	return x > 20 ? x : log1p(exp(x));
}

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
	struct head_span h = {.j = j, .head = item % d->v_heads, .at = delta_conv_floats(d) + item % d->v_heads * n};
	struct patch p = {.at = h.at, .rows = 1, .n = n};
	(void)thread;
	through_tokens(j, item / d->v_heads, &p, head_span, &h);
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
	uint32_t seqs = w->batch->n_seqs, tokens = w->batch->n_tokens;
	struct delta_job j = {.w = w, .c = c, .blocks = (delta_channels(&c->net) + ITEM_CHANNELS - 1) / ITEM_CHANNELS};
	pool_run(w->cpu->pool, seqs * j.blocks, conv_item, &j);
	pool_run(w->cpu->pool, tokens, factors_item, &j);
	pool_run(w->cpu->pool, seqs * c->net.v_heads, head_item, &j);
	pool_run(w->cpu->pool, tokens, gated_norm_item, &j);
}
