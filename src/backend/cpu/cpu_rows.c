/* cpu_rows.c: what is done to each row by itself. An item of the pool is one row, or several where they are short. */
#include "backend/cpu/cpu.h"
#include "kernels/dequant.h"

enum { ITEM_FLOATS = 4096 };

struct rows_job {
	const struct cpu_work *w;
	void (*row)(const struct rows_job *j, uint32_t row);
	uint32_t rows, cols, per_item;
	float *x;       /* [rows][cols] */
	const float *y; /* [rows][cols], of those that have a second input */
	const struct norm_call *norm;
	const struct row_table *table;
	enum activation activation;
	float factor; /* of add */
};

static void rows_item(void *ctx, uint32_t item, uint32_t thread)
{
	const struct rows_job *j = ctx;
	uint32_t first = item * j->per_item, left = j->rows - first;
	(void)thread;
	for (uint32_t i = 0; i < j->per_item && i < left; i++)
		j->row(j, first + i);
}

static void run_rows(struct rows_job *j)
{
	j->per_item = j->cols < ITEM_FLOATS ? ITEM_FLOATS / j->cols : 1;
	pool_run(j->w->cpu->pool, (j->rows + j->per_item - 1) / j->per_item, rows_item, j);
}

static void embed_row(const struct rows_job *j, uint32_t row)
{
	const struct row_table *t = j->table;
	size_t own = (size_t)t->cols / wtype_block_elems(t->type) * wtype_block_bytes(t->type);
	size_t bytes = t->stride ? t->stride : own;
	float *x = j->x + (size_t)row * t->cols;
	dequant_row(t->type, t->rows + j->w->batch->ids[row] * bytes, t->cols, x);
	for (uint32_t i = 0; t->scale > 0 && i < t->cols; i++)
		x[i] *= t->scale;
}

void cpu_embed(struct dev_work *w, const struct row_table *t, struct dev_f32 *out)
{
	run_rows(&(struct rows_job){.w = work_of(w),
				    .row = embed_row,
				    .rows = work_of(w)->batch->n_tokens,
				    .cols = t->cols,
				    .x = floats_of(out),
				    .table = t});
}

static void norm_row(const struct rows_job *j, uint32_t row)
{
	const struct norm_call *c = j->norm;
	size_t from = c->pick ? c->pick[row] : row;
	j->w->cpu->kernels->rms_norm(floats_of(c->x) + from * c->cols, floats_of(c->weight), c->eps, c->cols,
				     floats_of(c->out) + (size_t)row * c->cols);
}

void cpu_norm(struct dev_work *w, const struct norm_call *c)
{
	run_rows(&(struct rows_job){.w = work_of(w), .row = norm_row, .rows = c->rows, .cols = c->cols, .norm = c});
}

static void add_row(const struct rows_job *j, uint32_t row)
{
	size_t at = (size_t)row * j->cols;
	if (j->factor == 1)
		j->w->cpu->kernels->add(j->x + at, j->y + at, j->cols);
	for (uint32_t i = 0; j->factor != 1 && i < j->cols; i++)
		j->x[at + i] += j->factor * j->y[at + i];
}

void cpu_add(struct dev_work *w, struct dev_f32 *x, const struct dev_f32 *y, float factor, uint32_t rows, uint32_t cols)
{
	run_rows(&(struct rows_job){.w = work_of(w),
				    .row = add_row,
				    .rows = rows,
				    .cols = cols,
				    .factor = factor,
				    .x = floats_of(x),
				    .y = floats_of(y)});
}

static void scale_row(const struct rows_job *j, uint32_t row)
{
	float *x = j->x + (size_t)row * j->cols;
	for (uint32_t i = 0; i < j->cols; i++)
		x[i] *= j->y[0];
}

void cpu_scale(struct dev_work *w, struct dev_f32 *x, const struct dev_f32 *factor, uint32_t rows, uint32_t cols)
{
	run_rows(&(struct rows_job){.w = work_of(w),
				    .row = scale_row,
				    .rows = rows,
				    .cols = cols,
				    .x = floats_of(x),
				    .y = floats_of(factor)});
}

cpu_gated_fn *cpu_activation(const struct kernels *k, enum activation a)
{
	switch (a) {
	case ACTIVATION_SILU: break;
	case ACTIVATION_GELU: return k->gelu_mul;
	case ACTIVATION_CLAMPED: return k->clamped_mul;
	}
	return k->silu_mul;
}

static void gated_row(const struct rows_job *j, uint32_t row)
{
	size_t at = (size_t)row * j->cols;
	cpu_activation(j->w->cpu->kernels, j->activation)(j->x + at, j->y + at, j->cols, j->x + at);
}

void cpu_gated(struct dev_work *w, enum activation a, struct dev_f32 *gate, const struct dev_f32 *up, uint32_t rows,
	       uint32_t cols)
{
	run_rows(&(struct rows_job){.w = work_of(w),
				    .row = gated_row,
				    .activation = a,
				    .rows = rows,
				    .cols = cols,
				    .x = floats_of(gate),
				    .y = floats_of(up)});
}

static void sigmoid_mul_row(const struct rows_job *j, uint32_t row)
{
	size_t at = (size_t)row * j->cols;
	j->w->cpu->kernels->sigmoid_mul(j->x + at, j->y + at, j->cols);
}

void cpu_sigmoid_mul(struct dev_work *w, struct dev_f32 *x, const struct dev_f32 *gate, uint32_t rows, uint32_t cols)
{
	run_rows(&(struct rows_job){.w = work_of(w),
				    .row = sigmoid_mul_row,
				    .rows = rows,
				    .cols = cols,
				    .x = floats_of(x),
				    .y = floats_of(gate)});
}
