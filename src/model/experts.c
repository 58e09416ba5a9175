/* experts.c: a feed-forward made of experts. The router chooses for each token by itself; then each expert computes all of
 * its tokens together, so that its weights are read once. What the experts give is added up per token in ascending order of
 * experts, from zero, as they come: the company in the batch changes neither the products nor the order. */
#include <math.h>
#include <string.h>

#include "model/blocks.h"
#include "model/linear.h"

/* ---- Routing ----------------------------------------------------------------------------------------------------- */

/* logits -> probabilities, in place. */
static void softmax(float *x, uint32_t n)
{
	float max = x[0], sum = 0;
	for (uint32_t i = 1; i < n; i++)
		max = x[i] > max ? x[i] : max;
	for (uint32_t i = 0; i < n; i++) {
		x[i] = (float)exp((double)(x[i] - max));
		sum += x[i];
	}
	for (uint32_t i = 0; i < n; i++)
		x[i] /= sum;
}

/* Where expert e goes among the n chosen so far, likeliest first; of equals the one that came first. Logits that are not
 * numbers end up anywhere, but each expert once. */
static uint32_t rank_of(const struct expert_choice *c, uint32_t n, float p)
{
	while (n > 0 && p > c[n - 1].weight)
		n--;
	return n;
}

static void choose(const float *p, const struct experts_spec *x, uint32_t token, struct expert_choice *c)
{
	uint32_t n = 0;
	for (uint32_t e = 0; e < x->n; e++) {
		uint32_t at = rank_of(c, n, p[e]);
		if (at == x->used)
			continue;
		n += n < x->used;
		memmove(c + at + 1, c + at, (n - 1 - at) * sizeof *c);
		c[at] = (struct expert_choice){e, token, p[e]};
	}
}

static void normalize(struct expert_choice *c, uint32_t n)
{
	float sum = 0;
	for (uint32_t i = 0; i < n; i++)
		sum += c[i].weight;
	for (uint32_t i = 0; i < n; i++)
		c[i].weight /= sum;
}

static void route_item(void *ctx, uint32_t token, uint32_t thread)
{
	const struct step *s = ctx;
	const struct experts_spec *x = &s->spec->experts;
	float *p = s->w->experts.logits + (size_t)token * x->n;
	struct expert_choice *c = s->w->experts.of + (size_t)token * x->used;
	(void)thread;
	softmax(p, x->n);
	choose(p, x, token, c);
	if (x->normalize)
		normalize(c, x->used);
}

/* The choices by expert, each expert's in the order of tokens. */
static void group_by_expert(struct step *s)
{
	const struct experts_spec *x = &s->spec->experts;
	struct experts_work *w = &s->w->experts;
	size_t n = (size_t)s->b->n_tokens * x->used;
	memset(w->first, 0, (x->n + 1) * sizeof *w->first);
	for (size_t i = 0; i < n; i++)
		w->first[w->of[i].expert + 1]++;
	for (uint32_t e = 0; e < x->n; e++)
		w->first[e + 1] += w->first[e];
	for (size_t i = 0; i < n; i++)
		w->by[w->first[w->of[i].expert]++] = w->of[i];
	for (uint32_t e = x->n; e > 0; e--) /* each is now where the next one begins */
		w->first[e] = w->first[e - 1];
	w->first[0] = 0;
}

/* ---- One expert -------------------------------------------------------------------------------------------------- */

struct expert_job {
	struct step *s;
	const struct expert_choice *tokens; /* of the expert */
};

static void gather_item(void *ctx, uint32_t i, uint32_t thread)
{
	const struct expert_job *j = ctx;
	size_t dim = j->s->m->h.dim;
	(void)thread;
	memcpy(j->s->w->experts.in + i * dim, j->s->w->norm + j->tokens[i].token * dim, dim * sizeof(float));
}

static void silu_item(void *ctx, uint32_t i, uint32_t thread)
{
	const struct expert_job *j = ctx;
	size_t n = j->s->spec->experts.dim;
	float *gate = j->s->w->gate + i * n;
	(void)thread;
	j->s->m->kernels->silu_mul(gate, j->s->w->up + i * n, (uint32_t)n, gate);
}

/* delta += weight * out: two roundings, as the reference. */
static void weigh_item(void *ctx, uint32_t i, uint32_t thread)
{
	const struct expert_job *j = ctx;
	size_t dim = j->s->m->h.dim;
	const float *out = j->s->w->experts.out + i * dim;
	float *delta = j->s->w->delta + j->tokens[i].token * dim, weight = j->tokens[i].weight;
	(void)thread;
	for (size_t d = 0; d < dim; d++)
		delta[d] += out[d] * weight;
}

static void compute_expert(struct step *s, const struct expert *e, const struct expert_choice *tokens, uint32_t n)
{
	struct model_work *w = s->w;
	struct device *device = s->m->device;
	struct expert_job j = {s, tokens};
	struct linear_out in[] = {{&e->gate, NULL, w->gate}, {&e->up, NULL, w->up}};
	struct linear_out out = {&e->down, NULL, w->experts.out};
	device_run(device, n, gather_item, &j);
	linear(s, w->experts.in, n, in, 2);
	device_run(device, n, silu_item, &j);
	linear(s, w->gate, n, &out, 1);
	device_run(device, n, weigh_item, &j);
}

void block_experts(struct step *s, const struct layer *l)
{
	struct experts_work *w = &s->w->experts;
	uint32_t tokens = s->b->n_tokens;
	struct linear_out router = {&l->router, NULL, w->logits};
	block_norm(s, l->ffn_norm);
	linear(s, s->w->norm, tokens, &router, 1);
	device_run(s->m->device, tokens, route_item, s);
	group_by_expert(s);
	memset(s->w->delta, 0, (size_t)tokens * s->m->h.dim * sizeof *s->w->delta);
	for (uint32_t e = 0; e < s->spec->experts.n; e++)
		if (w->first[e + 1] > w->first[e])
			compute_expert(s, &l->experts[e], w->by + w->first[e], w->first[e + 1] - w->first[e]);
	block_add(s);
}
