/* far.c: the CPU as a device far away. Linked with --wrap=backend_cpu, a program of tests runs on it unchanged:
 *
 *   - handles to floats, matrices and pages are no addresses: what looks behind one dies;
 *   - calls of a step are only noted, and done when it ends; what the caller kept in the structs of a call is gone by
 *     then, and what goes to the host has not come before.
 *
 * So the same logits show that nothing above the backend reads what lies on a device, or counts on a call being done.
 * One thread at a time, as steps are. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backend.h"

extern const struct backend __real_backend_cpu;
#define CPU __real_backend_cpu

/* A bit that no address of a program has, on any system with 48 or 52 bits of them. */
#define POISON ((uintptr_t)1 << 55)

static void *hide(const void *p)
{
	return p ? (void *)((uintptr_t)p | POISON) : NULL;
}

static void *show(const void *p)
{
	assert(!p || ((uintptr_t)p & POISON)); /* a handle that came from here */
	return (void *)((uintptr_t)p & ~POISON);
}

/* ---- What is noted ----------------------------------------------------------------------------------------------- */

enum { EXPERTS_MAX = 256, HEADS_MAX = 32, FAR_READ = 0x7f };

struct call {
	void (*run)(struct dev_work *w, const struct call *c);
	union {
		struct row_table table;
		struct norm_call norm;
		struct attention_call attention;
		struct delta_call delta;
		struct ssm_call ssm;
		struct short_conv_call short_conv;
		struct copy_call copy;
		struct {
			struct heads_call heads;
			struct dev_mat *head_mats[HEADS_MAX];
		};
		struct experts_call experts;
		struct linear_out outs[LINEAR_OUTS_MAX];
		const struct dev_mat *mat;
	};
	struct dev_f32 *x, *y;
	const float *from;
	float *to;
	size_t n;
	uint32_t rows, cols;
	enum activation activation;
	float cap;
};

/* struct dev_work */
struct work {
	struct dev_work *cpu;
	struct batch batch;
	struct call *calls;
	size_t n_calls, cap;
};

static struct work *work_of(struct dev_work *w)
{
	return show(w);
}

static struct call *note(struct dev_work *dev, void (*run)(struct dev_work *w, const struct call *c))
{
	struct work *w = work_of(dev);
	if (w->n_calls == w->cap) {
		w->cap = w->cap ? 2 * w->cap : 256;
		w->calls = realloc(w->calls, w->cap * sizeof *w->calls);
		assert(w->calls);
	}
	w->calls[w->n_calls] = (struct call){.run = run};
	return &w->calls[w->n_calls++];
}

/* ---- Device, weights, pages -------------------------------------------------------------------------------------- */

static int far_weights_new(struct dev_weights **out, struct dev *d, const struct mat_desc *mats, size_t n_mats,
			   size_t n_floats, struct kvik_err *err)
{
	int rc = CPU.weights_new(out, d, mats, n_mats, n_floats, err);
	*out = hide(*out);
	return rc;
}

static void far_weights_free(struct dev_weights *w)
{
	CPU.weights_free(show(w));
}

static struct dev_mat *far_weights_mat(struct dev_weights *w, size_t i)
{
	return hide(CPU.weights_mat(show(w), i));
}

static struct dev_f32 *far_weights_floats(struct dev_weights *w)
{
	return hide(CPU.weights_floats(show(w)));
}

static int far_mat_load(struct dev_weights *w, size_t i, const struct mat_rows *rows, struct kvik_err *err)
{
	return CPU.mat_load(show(w), i, rows, err);
}

static void far_floats_load(struct dev_weights *w, struct dev_f32 *to, const float *from, size_t n)
{
	CPU.floats_load(show(w), show(to), from, n);
}

static int far_pages_new(struct dev_pages **out, struct dev *d, const struct kv_layout *own,
			 const struct kv_layout *packed, uint32_t n, struct kv_memory *memory, struct kvik_err *err)
{
	int rc = CPU.pages_new(out, d, own, packed, n, memory, err);
	*out = hide(*out);
	return rc;
}

static void far_pages_free(struct dev_pages *p)
{
	CPU.pages_free(show(p));
}

static void far_page_read(struct dev_pages *p, uint32_t group, kv_page page, void *to)
{
	CPU.page_read(show(p), group, page, to);
}

static void *far_page_at(struct dev_pages *p, uint32_t group, kv_page page)
{
	(void)p, (void)group, (void)page;
	return NULL;
}

static void far_page_write(struct dev_pages *p, uint32_t group, kv_page page, const void *from)
{
	CPU.page_write(show(p), group, page, from);
}

/* ---- Steps ------------------------------------------------------------------------------------------------------- */

static int far_work_new(struct dev_work **out, struct dev *d, const struct work_limits *l, struct dev_f32 **floats,
			struct kvik_err *err)
{
	struct work *w = calloc(1, sizeof *w);
	assert(w);
	int rc = CPU.work_new(&w->cpu, d, l, floats, err);
	if (rc) {
		free(w);
		*out = NULL;
		return rc;
	}
	*out = hide(w);
	*floats = hide(*floats);
	return 0;
}

static void far_work_free(struct dev_work *dev)
{
	struct work *w = work_of(dev);
	if (!w)
		return;
	CPU.work_free(w->cpu);
	free(w->calls);
	free(w);
}

static void far_begin(struct dev_work *dev, const struct batch *b)
{
	struct work *w = work_of(dev);
	w->batch = *b;
	w->batch.pages = show(b->pages);
	w->n_calls = 0;
}

static void far_end(struct dev_work *dev)
{
	struct work *w = work_of(dev);
	CPU.begin(w->cpu, &w->batch);
	for (size_t i = 0; i < w->n_calls; i++)
		w->calls[i].run(w->cpu, &w->calls[i]);
	CPU.end(w->cpu);
}

static void run_write(struct dev_work *w, const struct call *c)
{
	CPU.write(w, c->x, c->from, c->n);
}

static void far_write(struct dev_work *w, struct dev_f32 *to, const float *from, size_t n)
{
	struct call *c = note(w, run_write);
	c->x = show(to);
	c->from = from;
	c->n = n;
}

static void run_read(struct dev_work *w, const struct call *c)
{
	CPU.read(w, c->to, c->x, c->n);
}

static void far_read(struct dev_work *w, float *to, const struct dev_f32 *from, size_t n)
{
	struct call *c = note(w, run_read);
	c->to = to;
	c->x = show(from);
	c->n = n;
	memset(to, FAR_READ, n * sizeof *to);
}

static void run_embed(struct dev_work *w, const struct call *c)
{
	CPU.embed(w, &c->table, c->x);
}

static void far_embed(struct dev_work *w, const struct row_table *t, struct dev_f32 *out)
{
	struct call *c = note(w, run_embed);
	c->table = *t;
	c->x = show(out);
}

static void run_norm(struct dev_work *w, const struct call *c)
{
	CPU.norm(w, &c->norm);
}

static void far_norm(struct dev_work *w, const struct norm_call *call)
{
	struct norm_call *c = &note(w, run_norm)->norm;
	*c = *call;
	c->x = show(c->x);
	c->weight = show(c->weight);
	c->out = show(c->out);
}

static void note_pair(struct call *c, const struct dev_f32 *x, const struct dev_f32 *y, uint32_t rows, uint32_t cols)
{
	c->x = show(x);
	c->y = show(y);
	c->rows = rows;
	c->cols = cols;
}

static void run_add(struct dev_work *w, const struct call *c)
{
	CPU.add(w, c->x, c->y, c->cap, c->rows, c->cols);
}

static void far_add(struct dev_work *w, struct dev_f32 *x, const struct dev_f32 *y, float factor, uint32_t rows,
		    uint32_t cols)
{
	struct call *c = note(w, run_add);
	note_pair(c, x, y, rows, cols);
	c->cap = factor;
}

static void run_gated(struct dev_work *w, const struct call *c)
{
	CPU.gated(w, c->activation, c->x, c->y, c->rows, c->cols);
}

static void far_gated(struct dev_work *w, enum activation a, struct dev_f32 *gate, const struct dev_f32 *up,
		      uint32_t rows, uint32_t cols)
{
	struct call *c = note(w, run_gated);
	c->activation = a;
	note_pair(c, gate, up, rows, cols);
}

static void run_scale(struct dev_work *w, const struct call *c)
{
	CPU.scale(w, c->x, c->y, c->rows, c->cols);
}

static void far_scale(struct dev_work *w, struct dev_f32 *x, const struct dev_f32 *factor, uint32_t rows, uint32_t cols)
{
	note_pair(note(w, run_scale), x, factor, rows, cols);
}

static void run_sigmoid_mul(struct dev_work *w, const struct call *c)
{
	CPU.sigmoid_mul(w, c->x, c->y, c->rows, c->cols);
}

static void far_sigmoid_mul(struct dev_work *w, struct dev_f32 *x, const struct dev_f32 *gate, uint32_t rows,
			    uint32_t cols)
{
	note_pair(note(w, run_sigmoid_mul), x, gate, rows, cols);
}

static void run_linear(struct dev_work *w, const struct call *c)
{
	CPU.linear(w, c->x, c->rows, c->outs, (uint32_t)c->n);
}

static void far_linear(struct dev_work *w, const struct dev_f32 *x, uint32_t tokens, const struct linear_out *outs,
		       uint32_t n)
{
	struct call *c = note(w, run_linear);
	c->x = show(x);
	c->rows = tokens;
	c->n = n;
	for (uint32_t i = 0; i < n; i++)
		c->outs[i] = (struct linear_out){show(outs[i].m), show(outs[i].bias), show(outs[i].out)};
}

static struct attention_call show_attention(const struct attention_call *call)
{
	struct attention_call c = *call;
	c.q = show(c.q);
	c.k = show(c.k);
	c.v = show(c.v);
	c.out = show(c.out);
	c.sink_logits = show(c.sink_logits);
	c.cos_row = show(c.cos_row);
	c.sin_row = show(c.sin_row);
	return c;
}

static void run_rope_write(struct dev_work *w, const struct call *c)
{
	CPU.rope_write(w, &c->attention);
}

static void far_rope_write(struct dev_work *w, const struct attention_call *c)
{
	note(w, run_rope_write)->attention = show_attention(c);
}

static void run_attention(struct dev_work *w, const struct call *c)
{
	CPU.attention(w, &c->attention);
}

static void far_attention(struct dev_work *w, const struct attention_call *c)
{
	note(w, run_attention)->attention = show_attention(c);
}

static void run_head_linear(struct dev_work *w, const struct call *c)
{
	struct heads_call h = c->heads;
	h.m = c->head_mats;
	CPU.head_linear(w, &h);
}

static void far_head_linear(struct dev_work *w, const struct heads_call *call)
{
	struct call *c = note(w, run_head_linear);
	c->heads = *call;
	c->heads.x = show(call->x);
	c->heads.out = show(call->out);
	for (uint32_t i = 0; i < call->heads && i < HEADS_MAX; i++)
		c->head_mats[i] = show(call->m[i]);
}

static void run_copy(struct dev_work *w, const struct call *c)
{
	CPU.copy(w, &c->copy);
}

static void far_copy(struct dev_work *w, const struct copy_call *call)
{
	struct copy_call *c = &note(w, run_copy)->copy;
	*c = *call;
	c->from = show(call->from);
	c->to = show(call->to);
}

static void run_delta(struct dev_work *w, const struct call *c)
{
	CPU.delta(w, &c->delta);
}

static void far_delta(struct dev_work *w, const struct delta_call *call)
{
	struct delta_call *c = &note(w, run_delta)->delta;
	*c = *call;
	c->qkv = show(c->qkv);
	c->alpha = show(c->alpha);
	c->beta = show(c->beta);
	c->gate = show(c->gate);
	c->out = show(c->out);
	c->conv = show(c->conv);
	c->rate = show(c->rate);
	c->dt_bias = show(c->dt_bias);
	c->norm = show(c->norm);
}

static void run_ssm(struct dev_work *w, const struct call *c)
{
	CPU.ssm(w, &c->ssm);
}

static void far_ssm(struct dev_work *w, const struct ssm_call *call)
{
	struct ssm_call *c = &note(w, run_ssm)->ssm;
	*c = *call;
	c->xbc = show(c->xbc);
	c->dt = show(c->dt);
	c->decay = show(c->decay);
	c->gate = show(c->gate);
	c->out = show(c->out);
	c->conv = show(c->conv);
	c->conv_bias = show(c->conv_bias);
	c->rate = show(c->rate);
	c->dt_bias = show(c->dt_bias);
	c->skip = show(c->skip);
	c->norm = show(c->norm);
}

static void run_short_conv(struct dev_work *w, const struct call *c)
{
	CPU.short_conv(w, &c->short_conv);
}

static void far_short_conv(struct dev_work *w, const struct short_conv_call *call)
{
	struct short_conv_call *c = &note(w, run_short_conv)->short_conv;
	*c = *call;
	c->bcx = show(c->bcx);
	c->out = show(c->out);
	c->conv = show(c->conv);
	c->bias = show(c->bias);
}

/* The list of experts is the model's: it stays. */
static void run_experts(struct dev_work *w, const struct call *c)
{
	struct expert experts[EXPERTS_MAX];
	struct experts_call call = c->experts;
	uint32_t n = call.n + (call.shared_dim > 0);
	assert(n <= EXPERTS_MAX);
	for (uint32_t e = 0; e < n; e++) {
		const struct expert *x = &call.experts[e];
		experts[e] = (struct expert){show(x->gate),      show(x->up),      show(x->down),
					     show(x->gate_bias), show(x->up_bias), show(x->down_bias)};
	}
	call.experts = experts;
	CPU.experts(w, &call);
}

static void far_experts(struct dev_work *w, const struct experts_call *call)
{
	struct experts_call *c = &note(w, run_experts)->experts;
	*c = *call;
	c->x = show(c->x);
	c->router_x = show(c->router_x);
	c->out = show(c->out);
	c->router = show(c->router);
	c->router_bias = show(c->router_bias);
	c->correction = show(c->correction);
	c->scale = show(c->scale);
	c->shared_gate = show(c->shared_gate);
}

static void run_logits(struct dev_work *w, const struct call *c)
{
	CPU.logits(w, c->x, c->rows, c->mat, c->cap, c->to);
}

static void far_logits(struct dev_work *w, const struct dev_f32 *x, uint32_t n, const struct dev_mat *m, float cap,
		       float *to)
{
	struct call *c = note(w, run_logits);
	c->cap = cap;
	c->x = show(x);
	c->rows = n;
	c->mat = show(m);
	c->to = to;
}

/* ---- The table --------------------------------------------------------------------------------------------------- */

static int far_open(struct dev **out, struct pool *host, const char *level, struct kvik_err *err)
{
	return CPU.open(out, host, level, err);
}

static void far_close(struct dev *d)
{
	CPU.close(d);
}

static const char *far_level(const struct dev *d)
{
	return CPU.level(d);
}

static int far_mat_bytes(size_t *bytes, const struct mat_desc *m, struct kvik_err *err)
{
	return CPU.mat_bytes(bytes, m, err);
}

static uint64_t far_work_bytes(const struct work_limits *l, uint32_t threads)
{
	return CPU.work_bytes(l, threads);
}

extern const struct backend __wrap_backend_cpu;
const struct backend __wrap_backend_cpu = {
	.name = "far",
	.numerics = "cpu-1", /* it computes with the CPU */
	.open = far_open,
	.close = far_close,
	.level = far_level,
	.mat_bytes = far_mat_bytes,
	.weights_new = far_weights_new,
	.weights_free = far_weights_free,
	.weights_mat = far_weights_mat,
	.weights_floats = far_weights_floats,
	.mat_load = far_mat_load,
	.floats_load = far_floats_load,
	.pages_new = far_pages_new,
	.pages_free = far_pages_free,
	.page_write = far_page_write,
	.page_read = far_page_read,
	.page_at = far_page_at,
	.work_new = far_work_new,
	.work_free = far_work_free,
	.work_bytes = far_work_bytes,
	.begin = far_begin,
	.end = far_end,
	.write = far_write,
	.read = far_read,
	.embed = far_embed,
	.norm = far_norm,
	.add = far_add,
	.scale = far_scale,
	.gated = far_gated,
	.sigmoid_mul = far_sigmoid_mul,
	.linear = far_linear,
	.rope_write = far_rope_write,
	.attention = far_attention,
	.delta = far_delta,
	.ssm = far_ssm,
	.short_conv = far_short_conv,
	.head_linear = far_head_linear,
	.copy = far_copy,
	.experts = far_experts,
	.logits = far_logits,
};
