/* linear.c: activations are rounded to int8 once for all matrices that take them so; then the pool works through items
 * of ITEM_TILES tiles. An item owns its rows of the output, so the split changes no bit. */
#include "model/linear.h"

enum { ITEM_TILES = 4, OUTS_MAX = 3 };

struct job {
	const struct step *s;
	const struct linear_out *outs;
	uint32_t first[OUTS_MAX + 1]; /* first item of each matrix */
	uint32_t n;
	struct act act;
};

static void quantize_item(void *ctx, uint32_t token, uint32_t thread)
{
	const struct job *j = ctx;
	(void)thread;
	j->s->m->kernels->act_quantize(&j->act, token);
}

static void add_bias(const struct linear_out *o, uint32_t row, uint32_t end, uint32_t tokens)
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
	const struct linear_out *o = &j->outs[i];
	uint32_t tiles = (o->m->rows + MAT_TILE_ROWS - 1) / MAT_TILE_ROWS, tile = (item - j->first[i]) * ITEM_TILES;
	uint32_t end = tile + ITEM_TILES < tiles ? tile + ITEM_TILES : tiles;
	j->s->m->kernels->mat_mul(o->m, &j->act, tile, end, o->out, o->m->rows);
	if (o->bias) {
		uint32_t row_end = end * MAT_TILE_ROWS;
		add_bias(o, tile * MAT_TILE_ROWS, row_end < o->m->rows ? row_end : o->m->rows, j->act.tokens);
	}
}

void linear(const struct step *s, const float *x, uint32_t tokens, const struct linear_out *outs, uint32_t n)
{
	const struct model_work *w = s->w;
	uint32_t cols = outs[0].m->cols;
	struct job j = {.s = s, .outs = outs, .n = n};
	bool int8 = false;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t tiles = (outs[i].m->rows + MAT_TILE_ROWS - 1) / MAT_TILE_ROWS;
		j.first[i + 1] = j.first[i] + (tiles + ITEM_TILES - 1) / ITEM_TILES;
		int8 |= mat_form_takes_int8(outs[i].m->form);
	}
	j.act = (struct act){
		.x = x, .q = w->act_q, .scale = w->act_scale, .sum16 = w->act_sum16, .tokens = tokens, .cols = cols};
	if (int8)
		device_run(s->m->device, tokens, quantize_item, &j);
	device_run(s->m->device, j.first[n], product_item, &j);
}
