/* cpu_groups.c: products of many activation matrices, each with weights of its own, in one job of the pool. First each
 * row is made and, where a matrix takes it so, rounded to int8; then the pool works through items of ITEM_TILES tiles of
 * one matrix of one group. An item owns its rows of the output, so neither the split nor the company of other groups
 * changes a bit. */
#include "backend/cpu/cpu.h"

enum { ITEM_TILES = 4 };

struct job {
	struct cpu_work *w;
	struct product_group *groups;
	uint32_t n, n_outs;
	cpu_row_fn *fill;
	void *ctx;
};

static uint32_t tiles_of(const struct mat *m)
{
	return (m->rows + MAT_TILE_ROWS - 1) / MAT_TILE_ROWS;
}

static bool takes_int8(const struct product_group *g, uint32_t n_outs)
{
	bool int8 = false;
	for (uint32_t i = 0; i < n_outs; i++)
		int8 |= mat_form_takes_int8(g->outs[i].m->form);
	return int8;
}

/* The last group whose rows (or items) begin at or before i. */
static struct product_group *group_at(const struct job *j, uint32_t i, bool by_item)
{
	uint32_t low = 0, high = j->n;
	while (high - low > 1) {
		uint32_t mid = low + (high - low) / 2;
		if ((by_item ? j->groups[mid].item : j->groups[mid].first) <= i)
			low = mid;
		else
			high = mid;
	}
	return &j->groups[low];
}

static struct act act_of(const struct job *j, const struct product_group *g)
{
	const struct cpu_work *w = j->w;
	uint32_t cols = g->outs[0].m->cols;
	return (struct act){.x = g->x,
			    .q = w->act_q + (size_t)g->room * w->act_cols,
			    .scale = w->act_scale + (size_t)g->room * (w->act_cols / 32),
			    .sum16 = w->act_sum16 + (size_t)g->room * (w->act_cols / 16),
			    .tokens = g->n,
			    .cols = cols};
}

static void row_item(void *ctx, uint32_t row, uint32_t thread)
{
	const struct job *j = ctx;
	const struct product_group *g = group_at(j, row, false);
	uint32_t i = row - g->first;
	(void)thread;
	if (j->fill)
		j->fill(j->ctx, row, g->x + (size_t)i * g->outs[0].m->cols);
	if (takes_int8(g, j->n_outs)) {
		struct act a = act_of(j, g);
		j->w->cpu->kernels->act_quantize(&a, i);
	}
}

static void add_bias(const struct product *o, uint32_t row, uint32_t end, uint32_t n, size_t stride)
{
	end = end < o->m->rows ? end : o->m->rows;
	for (uint32_t t = 0; t < n && o->bias; t++)
		for (uint32_t r = row; r < end; r++)
			o->out[t * stride + r] += o->bias[r];
}

static void product_item(void *ctx, uint32_t item, uint32_t thread)
{
	const struct job *j = ctx;
	const struct product_group *g = group_at(j, item, true);
	const struct product *o = g->outs;
	struct act a = act_of(j, g);
	(void)thread;
	uint32_t tile = (item - g->item) * ITEM_TILES,
		 whole = (tiles_of(o->m) + ITEM_TILES - 1) / ITEM_TILES * ITEM_TILES;
	while (tile >= whole) {
		tile -= whole;
		o++;
		whole = (tiles_of(o->m) + ITEM_TILES - 1) / ITEM_TILES * ITEM_TILES;
	}
	uint32_t end = tile + ITEM_TILES < tiles_of(o->m) ? tile + ITEM_TILES : tiles_of(o->m);
	size_t stride = g->out_stride ? g->out_stride : o->m->rows;
	j->w->cpu->kernels->mat_mul(o->m, &a, tile, end, o->out, stride);
	add_bias(o, tile * MAT_TILE_ROWS, end * MAT_TILE_ROWS, g->n, stride);
}

void cpu_product_groups(struct cpu_work *w, struct product_group *groups, uint32_t n, uint32_t n_outs, cpu_row_fn *fill,
			void *ctx)
{
	struct job j = {w, groups, n, n_outs, fill, ctx};
	uint32_t rows = 0, room = 0, items = 0;
	for (uint32_t g = 0; g < n; g++) {
		groups[g].first = rows;
		groups[g].room = room;
		groups[g].item = items;
		rows += groups[g].n;
		room += act_rows(groups[g].n);
		for (uint32_t i = 0; i < n_outs; i++)
			items += (tiles_of(groups[g].outs[i].m) + ITEM_TILES - 1) / ITEM_TILES;
	}
	pool_run(w->cpu->pool, rows, row_item, &j);
	pool_run(w->cpu->pool, items, product_item, &j);
}
