/* cpu_state.c: see cpu_state.h. */
#include "backend/cpu/cpu_state.h"

#include <math.h>
#include <string.h>

/* The layer's state in a page. */
static float *state_in(const struct state_place *s, kv_page page)
{
	const struct cpu_pages *p = (const struct cpu_pages *)(const void *)s->w->batch->pages;
	return (float *)(void *)(page_address(&p->host.area[KV_AREA_PAGES(s->group)].at, page) + s->at);
}

/* from none: the state before any token, all zeros. */
static void copy_patch(const struct state_place *s, const struct patch *p, kv_page to, kv_page from)
{
	float *out = state_in(s, to) + p->at;
	const float *in = from == KV_PAGE_NONE ? NULL : state_in(s, from) + p->at;
	for (size_t i = 0; i < p->rows && to != from; i++)
		if (in)
			memcpy(out + i * p->stride, in + i * p->stride, p->n * sizeof *out);
		else
			memset(out + i * p->stride, 0, p->n * sizeof *out);
}

static uint32_t first_token(const struct batch *b, uint32_t seq)
{
	uint32_t token = 0;
	for (uint32_t i = 0; i < seq; i++)
		token += b->seqs[i].n_tokens;
	return token;
}

void state_through_tokens(const struct state_place *s, uint32_t seq, const struct patch *p, state_span_fn *span,
			  void *ctx)
{
	const struct batch_seq *q = &s->w->batch->seqs[seq];
	const struct kv_state_step *st = &q->state;
	kv_page running = st->page[st->n - 1];
	uint32_t token = first_token(s->w->batch, seq), at = q->position;
	copy_patch(s, p, running, st->from);
	for (uint32_t i = 0; i < st->n; i++) {
		uint32_t n = st->position[i] - at;
		span(ctx, state_in(s, running), token, n);
		copy_patch(s, p, st->page[i], running);
		token += n;
		at += n;
	}
}

struct conv_span {
	const struct conv_job *j;
	uint32_t first, end; /* channels */
};

static void conv_span(void *ctx, float *state, uint32_t token, uint32_t n)
{
	const struct conv_span *s = ctx;
	struct conv call = {.weight = s->j->weight,
			    .bias = s->j->bias,
			    .state = state,
			    .x = s->j->x + (size_t)token * s->j->channels,
			    .stride = s->j->channels,
			    .silu = true,
			    .taps = s->j->taps,
			    .channels = s->j->channels,
			    .tokens = n};
	s->j->place.w->cpu->kernels->conv(&call, s->first, s->end);
}

void conv_item(void *conv_job, uint32_t item, uint32_t thread)
{
	const struct conv_job *j = conv_job;
	uint32_t blocks = conv_items(j->channels), first = item % blocks * ITEM_CHANNELS;
	uint32_t end = first + ITEM_CHANNELS < j->channels ? first + ITEM_CHANNELS : j->channels;
	struct conv_span s = {j, first, end};
	struct patch p = {.at = first, .stride = j->channels, .rows = j->taps - 1, .n = end - first};
	(void)thread;
	state_through_tokens(&j->place, item / blocks, &p, conv_span, &s);
}

double softplus(double x)
{
	return x > 20 ? x : log1p(exp(x));
}
