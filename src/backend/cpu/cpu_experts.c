/* cpu_experts.c: a feed-forward made of experts. The router chooses for each token by itself; then the experts compute,
 * each all of its tokens together, so that its weights are read once: as many experts at once as the buffers have rows
 * for, in a few jobs of the pool. What the experts give is added up per token in ascending order of experts, from zero:
 * the company in the batch changes neither the products nor the order. An expert that all tokens use is the last one. */
#include <string.h>

#include "backend/cpu/cpu.h"

/* ---- Routing ----------------------------------------------------------------------------------------------------- */

struct experts_job {
	struct cpu_work *w;
	const struct experts_call *c;
	uint32_t all, used;    /* experts; those of a token; the shared one counts */
	uint32_t row, row_end; /* of those that are computed at once */
};

static void route_item(void *ctx, uint32_t token, uint32_t thread)
{
	const struct experts_job *j = ctx;
	const struct experts_call *x = j->c;
	const struct experts_work *w = &j->w->experts;
	struct expert_choice *c = w->of + (size_t)token * j->used;
	const float *scale = floats_of(x->scale);
	(void)thread;
	router_choose(&x->routing, x->n, x->used, w->logits + (size_t)token * x->n, floats_of(x->correction),
		      w->picks + (size_t)token * 2 * x->n, c);
	for (uint32_t i = 0; scale && i < x->used; i++)
		c[i].weight *= scale[c[i].expert];
	if (x->shared_dim)
		c[x->used] = (struct expert_choice){.expert = x->n,
						    .weight = x->shared_gate ? router_sigmoid(w->shared[token]) : 1};
}

static void route(struct experts_job *j)
{
	const struct experts_call *c = j->c;
	struct experts_work *x = &j->w->experts;
	uint32_t tokens = j->w->batch->n_tokens;
	struct product outs[] = {{mat_of(c->router), floats_of(c->router_bias), x->logits},
				 {mat_of(c->shared_gate), NULL, x->shared}};
	cpu_products(j->w, floats_of(c->router_x ? c->router_x : c->x), tokens, outs, c->shared_gate ? 2 : 1);
	pool_run(j->w->cpu->pool, tokens, route_item, j);
}

/* Gives each choice its row: by expert, each expert's in the order of tokens. */
static void sort_rows(const struct experts_job *j)
{
	struct experts_work *w = &j->w->experts;
	size_t n = (size_t)j->w->batch->n_tokens * j->used;
	memset(w->first, 0, (j->all + 1) * sizeof *w->first);
	for (size_t i = 0; i < n; i++)
		w->first[w->of[i].expert + 1]++;
	for (uint32_t e = 0; e < j->all; e++)
		w->first[e + 1] += w->first[e];
	for (size_t i = 0; i < n; i++) {
		w->of[i].row = w->first[w->of[i].expert]++;
		w->tokens[w->of[i].row] = (uint32_t)(i / j->used);
	}
	for (uint32_t e = j->all; e > 0; e--) /* each is now where the next one begins */
		w->first[e] = w->first[e - 1];
	w->first[0] = 0;
}

/* ---- Computing --------------------------------------------------------------------------------------------------- */

static void gather_row(void *ctx, uint32_t row, float *x)
{
	const struct experts_job *j = ctx;
	size_t dim = j->c->dim;
	memcpy(x, floats_of(j->c->x) + j->w->experts.tokens[j->row + row] * dim, dim * sizeof *x);
}

/* The rows of an expert lie where they would if all were as wide as the widest. */
static size_t inner_width(const struct experts_call *c)
{
	return c->expert_dim > c->shared_dim ? c->expert_dim : c->shared_dim;
}

/* x is a row of gate. */
static void activate_row(void *ctx, uint32_t row, float *x)
{
	const struct experts_job *j = ctx;
	const struct experts_work *w = &j->w->experts;
	bool shared = j->row + row >= w->first[j->c->n];
	cpu_activation(j->w->cpu->kernels, j->c->activation)(x, w->up + (x - w->gate),
							     shared ? j->c->shared_dim : j->c->expert_dim, x);
}

/* The token's out += weight * out, of the experts that were computed: two roundings, as the reference. */
static void weigh_item(void *ctx, uint32_t token, uint32_t thread)
{
	const struct experts_job *j = ctx;
	const struct experts_work *w = &j->w->experts;
	size_t dim = j->c->dim;
	float *sum = floats_of(j->c->out) + token * dim;
	(void)thread;
	for (uint32_t i = 0; i < j->used; i++) {
		const struct expert_choice *c = &w->of[(size_t)token * j->used + i];
		const float *out = w->out + (c->row - j->row) * dim;
		for (size_t d = 0; c->row >= j->row && c->row < j->row_end && d < dim; d++)
			sum[d] += out[d] * c->weight;
	}
}

/* Lists experts first .. end - 1 that have rows; returns how many. */
static uint32_t list_experts(const struct experts_job *j, uint32_t first, uint32_t end)
{
	struct experts_work *w = &j->w->experts;
	uint32_t n = 0;
	for (uint32_t e = first; e < end; e++) {
		const struct expert *x = &j->c->experts[e];
		size_t row = w->first[e] - j->row, inner = inner_width(j->c);
		if (w->first[e + 1] == w->first[e])
			continue;
		w->list[n++] = (struct product_group){
			.n = w->first[e + 1] - w->first[e],
			.x = w->in + row * j->c->dim,
			.outs = {{mat_of(x->gate), floats_of(x->gate_bias), w->gate + row * inner},
				 {mat_of(x->up), floats_of(x->up_bias), w->up + row * inner}}};
	}
	return n;
}

/* The same experts' second half: from gate to out. */
static void list_outputs(const struct experts_job *j, uint32_t first, uint32_t end)
{
	struct experts_work *w = &j->w->experts;
	uint32_t n = 0;
	for (uint32_t e = first; e < end; e++) {
		const struct expert *x = &j->c->experts[e];
		size_t row = w->first[e] - j->row;
		if (w->first[e + 1] == w->first[e])
			continue;
		w->list[n++] = (struct product_group){
			.n = w->first[e + 1] - w->first[e],
			.x = w->gate + row * inner_width(j->c),
			.outs = {{mat_of(x->down), floats_of(x->down_bias), w->out + row * j->c->dim}}};
	}
}

/* As many experts from `first` on as there are rows for. */
static uint32_t experts_end(const struct experts_job *j, uint32_t first)
{
	const struct experts_work *w = &j->w->experts;
	uint32_t end = first + 1;
	while (end < j->all && w->first[end + 1] - w->first[first] <= w->rows_max)
		end++;
	return end;
}

void cpu_experts(struct dev_work *work, const struct experts_call *c)
{
	uint32_t shared = c->shared_dim > 0;
	struct experts_job j = {.w = work_of(work), .c = c, .all = c->n + shared, .used = c->used + shared};
	struct experts_work *x = &j.w->experts;
	uint32_t tokens = j.w->batch->n_tokens;
	route(&j);
	sort_rows(&j);
	memset(floats_of(c->out), 0, (size_t)tokens * c->dim * sizeof(float));
	for (uint32_t first = 0, end; first < j.all; first = end) {
		end = experts_end(&j, first);
		j.row = x->first[first];
		j.row_end = x->first[end];
		uint32_t n = list_experts(&j, first, end);
		if (n == 0)
			continue;
		cpu_product_groups(j.w, x->list, n, 2, gather_row, &j);
		list_outputs(&j, first, end);
		cpu_product_groups(j.w, x->list, n, 1, activate_row, &j);
		pool_run(j.w->cpu->pool, tokens, weigh_item, &j);
	}
}
