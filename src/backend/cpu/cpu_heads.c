/* cpu_heads.c: heads that have matrices of their own, as many at once as the buffers have rows for; columns moved. */
#include <string.h>

#include "backend/cpu/cpu.h"

struct heads_job {
	const struct heads_call *c;
	uint32_t first; /* head of those at hand */
};

static void gather_row(void *ctx, uint32_t row, float *x)
{
	const struct heads_job *j = ctx;
	uint32_t head = j->first + row / j->c->tokens, token = row % j->c->tokens;
	memcpy(x, floats_of(j->c->x) + token * j->c->x_token + head * j->c->x_head, j->c->cols * sizeof *x);
}

void cpu_head_linear(struct dev_work *work, const struct heads_call *c)
{
	struct cpu_work *w = work_of(work);
	struct heads_job j = {.c = c};
	uint32_t most = w->heads_rows_max / c->tokens;
	for (uint32_t n; j.first < c->heads; j.first += n) {
		n = c->heads - j.first < most ? c->heads - j.first : most;
		for (uint32_t i = 0; i < n; i++)
			w->heads[i] =
				(struct product_group){.n = c->tokens,
						       .x = w->heads_x + (size_t)i * c->tokens * c->cols,
						       .outs = {{mat_of(c->m[j.first + i]), NULL,
								 floats_of(c->out) + (j.first + i) * c->out_head}},
						       .out_stride = c->out_token};
		cpu_product_groups(w, w->heads, n, 1, gather_row, &j);
	}
}

static void copy_item(void *ctx, uint32_t row, uint32_t thread)
{
	const struct copy_call *c = ctx;
	(void)thread;
	memcpy(floats_of(c->to) + row * c->to_stride, floats_of(c->from) + row * c->from_stride,
	       c->cols * sizeof(float));
}

void cpu_copy(struct dev_work *work, const struct copy_call *c)
{
	struct copy_call call = *c;
	pool_run(work_of(work)->cpu->pool, c->rows, copy_item, &call);
}
