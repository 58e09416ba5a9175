/* cpu.c: the CPU as a backend. Calls are done when they return, so there is nothing to wait for. */
#include "backend/cpu/cpu.h"

#include <string.h>

#include "base/mem.h"

static int cpu_open(struct dev **out, struct pool *host, const char *level, struct kvik_err *err)
{
	struct cpu *c = mem_zalloc(1, sizeof *c);
	*out = NULL;
	if (!c)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for a device");
	int rc = kernels_select(&c->kernels, level, err);
	if (rc) {
		mem_free(c);
		return rc;
	}
	c->pool = host;
	*out = (struct dev *)(void *)c;
	return 0;
}

static void cpu_close(struct dev *d)
{
	mem_free(d);
}

static const char *cpu_level(const struct dev *d)
{
	return ((const struct cpu *)(const void *)d)->kernels->name;
}

static void cpu_end(struct dev_work *w)
{
	work_of(w)->batch = NULL;
}

static void cpu_write(struct dev_work *w, struct dev_f32 *to, const float *from, size_t n)
{
	(void)w;
	memcpy(floats_of(to), from, n * sizeof *from);
}

static void cpu_read(struct dev_work *w, float *to, const struct dev_f32 *from, size_t n)
{
	(void)w;
	memcpy(to, floats_of(from), n * sizeof *to);
}

const struct backend backend_cpu = {
	.name = "cpu",
	.numerics = NUMERICS_ID,
	.open = cpu_open,
	.close = cpu_close,
	.level = cpu_level,
	.mat_bytes = cpu_mat_bytes,
	.weights_new = cpu_weights_new,
	.weights_free = cpu_weights_free,
	.weights_mat = cpu_weights_mat,
	.weights_floats = cpu_weights_floats,
	.mat_load = cpu_mat_load,
	.floats_load = cpu_floats_load,
	.pages_new = cpu_pages_new,
	.pages_free = cpu_pages_free,
	.page_write = cpu_page_write,
	.page_read = cpu_page_read,
	.page_at = cpu_page_at,
	.work_new = cpu_work_new,
	.work_free = cpu_work_free,
	.work_bytes = cpu_work_bytes,
	.begin = cpu_begin,
	.end = cpu_end,
	.write = cpu_write,
	.read = cpu_read,
	.embed = cpu_embed,
	.norm = cpu_norm,
	.add = cpu_add,
	.scale = cpu_scale,
	.gated = cpu_gated,
	.sigmoid_mul = cpu_sigmoid_mul,
	.linear = cpu_linear,
	.head_linear = cpu_head_linear,
	.copy = cpu_copy,
	.rope_write = cpu_rope_write,
	.attention = cpu_attention,
	.delta = cpu_delta,
	.ssm = cpu_ssm,
	.short_conv = cpu_short_conv,
	.experts = cpu_experts,
	.logits = cpu_logits,
};
