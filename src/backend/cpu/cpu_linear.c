/* cpu_linear.c: products of one activation matrix with up to four weight matrices in one job of the pool. Activations
 * are rounded to int8 once for all matrices that take them so; then the pool works through items of ITEM_TILES tiles. An
 * item owns its rows of the output, so the split changes no bit. */
#include "backend/cpu/cpu.h"

enum { ITEM_TILES = 4 };

struct job {
	const struct kernels *kernels;
	const struct product *outs;
	uint32_t first[LINEAR_OUTS_MAX + 1]; /* first item of each matrix */
	struct act act;
};

static void quantize_item(void *ctx, uint32_t token, uint32_t thread)
{
	const struct job *j = ctx;
	(void)thread;
	j->kernels->act_quantize(&j->act, token);
}

static void add_bias(const struct product *o, uint32_t row, uint32_t end, uint32_t tokens)
{
	for (uint32_t t = 0; t < tokens; t++)
		for (uint32_t r = row; r < end; r++)
			o->out[(size_t)t * o->m->rows + r] += o->bias[r];
}

static void product_item(void *ctx, uint32_t item, uint32_t thread)
{
	const struct job *j = ctx;
	uint32_t i = 0;
	(void)thread;
	while (item >= j->first[i + 1])
		i++;
	const struct product *o = &j->outs[i];
	uint32_t tiles = (o->m->rows + MAT_TILE_ROWS - 1) / MAT_TILE_ROWS, tile = (item - j->first[i]) * ITEM_TILES;
	uint32_t end = tile + ITEM_TILES < tiles ? tile + ITEM_TILES : tiles;
	j->kernels->mat_mul(o->m, &j->act, tile, end, o->out, o->m->rows);
	if (o->bias) {
		uint32_t row_end = end * MAT_TILE_ROWS;
		add_bias(o, tile * MAT_TILE_ROWS, row_end < o->m->rows ? row_end : o->m->rows, j->act.tokens);
	}
}

void cpu_products(struct cpu_work *w, const float *x, uint32_t tokens, const struct product *outs, uint32_t n)
{
	struct job j = {.kernels = w->cpu->kernels, .outs = outs};
	bool int8 = false;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t tiles = (outs[i].m->rows + MAT_TILE_ROWS - 1) / MAT_TILE_ROWS;
		j.first[i + 1] = j.first[i] + (tiles + ITEM_TILES - 1) / ITEM_TILES;
		int8 |= mat_form_takes_int8(outs[i].m->form);
	}
	j.act = (struct act){.x = x,
			     .q = w->act_q,
			     .scale = w->act_scale,
			     .sum16 = w->act_sum16,
			     .tokens = tokens,
			     .cols = outs[0].m->cols};
	if (int8)
		pool_run(w->cpu->pool, tokens, quantize_item, &j);
	pool_run(w->cpu->pool, j.first[n], product_item, &j);
}

void cpu_linear(struct dev_work *w, const struct dev_f32 *x, uint32_t tokens, const struct linear_out *outs, uint32_t n)
{
	struct product products[LINEAR_OUTS_MAX];
	for (uint32_t i = 0; i < n; i++)
		products[i] = (struct product){mat_of(outs[i].m), floats_of(outs[i].bias), floats_of(outs[i].out)};
	cpu_products(work_of(w), floats_of(x), tokens, products, n);
}

enum { CAP_PIECE = 16384 }; /* logits of an item */

struct cap_job {
	const struct kernels *kernels;
	float *logits, cap;
	size_t n;
};

static void cap_item(void *ctx, uint32_t item, uint32_t thread)
{
	const struct cap_job *j = ctx;
	size_t at = (size_t)item * CAP_PIECE, n = j->n - at < CAP_PIECE ? j->n - at : CAP_PIECE;
	(void)thread;
	j->kernels->soft_cap(j->logits + at, j->cap, (uint32_t)n);
}

void cpu_logits(struct dev_work *work, const struct dev_f32 *x, uint32_t n, const struct dev_mat *m, float cap,
		float *to)
{
	struct cpu_work *w = work_of(work);
	struct product out = {mat_of(m), NULL, to};
	struct cap_job j = {w->cpu->kernels, to, cap, (size_t)n * out.m->rows};
	cpu_products(w, floats_of(x), n, &out, 1);
	if (cap > 0)
		pool_run(w->cpu->pool, (uint32_t)((j.n + CAP_PIECE - 1) / CAP_PIECE), cap_item, &j);
}
