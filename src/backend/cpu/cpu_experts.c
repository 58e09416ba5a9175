/* cpu_experts.c: a feed-forward made of experts. The router chooses for each token by itself; then each expert computes all of
 * its tokens together, so that its weights are read once. What the experts give is added up per token in ascending order of
 * experts, from zero, as they come: the company in the batch changes neither the products nor the order. */
#include <math.h>
#include <string.h>

#include "backend/cpu/cpu.h"

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

static void choose(const float *p, const struct experts_call *x, uint32_t token, struct expert_choice *c)
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

struct experts_job {
	struct cpu_work *w;
	const struct experts_call *c;
	const struct expert_choice *tokens; /* of the expert at hand */
};

static void route_item(void *ctx, uint32_t token, uint32_t thread)
{
	const struct experts_job *j = ctx;
	float *p = j->w->experts.logits + (size_t)token * j->c->n;
	struct expert_choice *c = j->w->experts.of + (size_t)token * j->c->used;
	(void)thread;
	softmax(p, j->c->n);
	choose(p, j->c, token, c);
	if (j->c->normalize)
		normalize(c, j->c->used);
}

/* The choices by expert, each expert's in the order of tokens. */
static void group_by_expert(const struct experts_job *j)
{
	const struct experts_call *x = j->c;
	struct experts_work *w = &j->w->experts;
	size_t n = (size_t)j->w->batch->n_tokens * x->used;
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

static void gather_item(void *ctx, uint32_t i, uint32_t thread)
{
	const struct experts_job *j = ctx;
	size_t dim = j->c->dim;
	(void)thread;
	memcpy(j->w->experts.in + i * dim, floats_of(j->c->x) + j->tokens[i].token * dim, dim * sizeof(float));
}

static void silu_item(void *ctx, uint32_t i, uint32_t thread)
{
	const struct experts_job *j = ctx;
	size_t n = j->c->expert_dim;
	float *gate = floats_of(j->c->gate) + i * n;
	(void)thread;
	j->w->cpu->kernels->silu_mul(gate, floats_of(j->c->up) + i * n, (uint32_t)n, gate);
}

/* out += weight * what the expert gave: two roundings, as the reference. */
static void weigh_item(void *ctx, uint32_t i, uint32_t thread)
{
	const struct experts_job *j = ctx;
	size_t dim = j->c->dim;
	const float *from = j->w->experts.out + i * dim;
	float *out = floats_of(j->c->out) + j->tokens[i].token * dim, weight = j->tokens[i].weight;
	(void)thread;
	for (size_t d = 0; d < dim; d++)
		out[d] += from[d] * weight;
}

static void compute_expert(struct experts_job *j, const struct expert *e, uint32_t n)
{
	struct cpu_work *w = j->w;
	float *gate = floats_of(j->c->gate);
	struct product in[] = {{mat_of(e->gate), NULL, gate}, {mat_of(e->up), NULL, floats_of(j->c->up)}};
	struct product out = {mat_of(e->down), NULL, w->experts.out};
	pool_run(w->cpu->pool, n, gather_item, j);
	cpu_products(w, w->experts.in, n, in, 2);
	pool_run(w->cpu->pool, n, silu_item, j);
	cpu_products(w, gate, n, &out, 1);
	pool_run(w->cpu->pool, n, weigh_item, j);
}

void cpu_experts(struct dev_work *work, const struct experts_call *c)
{
	struct experts_job j = {.w = work_of(work), .c = c};
	struct experts_work *x = &j.w->experts;
	uint32_t tokens = j.w->batch->n_tokens;
	struct product router = {mat_of(c->router), NULL, x->logits};
	cpu_products(j.w, floats_of(c->x), tokens, &router, 1);
	pool_run(j.w->cpu->pool, tokens, route_item, &j);
	group_by_expert(&j);
	memset(floats_of(c->out), 0, (size_t)tokens * c->dim * sizeof(float));
	for (uint32_t e = 0; e < c->n; e++) {
		j.tokens = x->by + x->first[e];
		if (x->first[e + 1] > x->first[e])
			compute_expert(&j, &c->experts[e], x->first[e + 1] - x->first[e]);
	}
}
