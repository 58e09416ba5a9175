/* cpu.h: the inside of the CPU's backend. Its memory is the host's: a handle is the address itself. */
#ifndef KVIK_BACKEND_CPU_CPU_H
#define KVIK_BACKEND_CPU_CPU_H

#include "backend/backend.h"
#include "backend/cpu/attn_plan.h"
#include "base/region.h"
#include "kernels/kernels.h"

/* struct dev */
struct cpu {
	const struct kernels *kernels;
	struct pool *pool;
};

/* struct dev_pages */
struct cpu_pages {
	const struct cpu *cpu;
	struct kv_host host;
	const struct kv_layout *own, *packed; /* [groups], borrowed */
	float *convert_room;                  /* of a token of any group */
};

/* Consecutive tokens of one sequence that lie in one page. */
struct page_run {
	uint32_t seq, token, n; /* token: of the batch */
	uint32_t position;      /* of the first */
};

/* A token's use of an expert. */
struct expert_choice {
	uint32_t expert, token;
	float weight;
};

/* Of layers with experts; see cpu_experts.c. */
struct experts_work {
	float *logits;            /* [T][experts] of the router */
	struct expert_choice *of; /* [T][used]: of a token, the likeliest first */
	uint32_t *first;          /* [experts + 1]: where an expert's tokens begin */
	struct expert_choice *by; /* [T * used]: by expert, then token */
	float *in, *out;          /* [T][dim]: the tokens of one expert */
};

/* struct dev_work. T: tokens of the limits. */
struct cpu_work {
	const struct cpu *cpu;
	struct region region; /* all arrays below */
	const struct batch *batch;
	float *floats; /* [limits.floats]: the model's */
	int8_t *act_q; /* of the widest int8 activations: see struct act */
	float *act_scale;
	int32_t *act_sum16;
	struct page_run *runs; /* [T]: of the batch */
	uint32_t n_runs;
	struct attn_plan plan;
	bool planned;      /* plan is of this batch */
	float *parts;      /* [part_slots][part_floats]: of cut blocks of attention, see attn_plan.h */
	float *part_state; /* [cut blocks][part_rows][part_floats] */
	uint32_t part_slots, part_rows;
	size_t part_floats;
	uint8_t *scratch; /* [threads] of scratch_bytes */
	size_t scratch_bytes;
	struct experts_work experts;
};

static inline struct cpu_work *work_of(struct dev_work *w)
{
	return (struct cpu_work *)(void *)w;
}

static inline float *floats_of(const struct dev_f32 *x)
{
	return (float *)(uintptr_t)x;
}

static inline const struct mat *mat_of(const struct dev_mat *m)
{
	return (const struct mat *)(const void *)m;
}

/* A product among the host's floats; see struct linear_out. */
struct product {
	const struct mat *m;
	const float *bias;
	float *out;
};
void cpu_products(struct cpu_work *w, const float *x, uint32_t tokens, const struct product *outs, uint32_t n);
void cpu_silu_mul_rows(const struct cpu_work *w, float *gate, const float *up, uint32_t rows, uint32_t cols);

/* Entries of the table, by file. */
int cpu_mat_bytes(size_t *bytes, const struct mat_desc *m, struct kvik_err *err);
int cpu_weights_new(struct dev_weights **out, struct dev *d, const struct mat_desc *mats, size_t n_mats,
		    size_t n_floats, struct kvik_err *err);
void cpu_weights_free(struct dev_weights *w);
struct dev_mat *cpu_weights_mat(struct dev_weights *w, size_t i);
struct dev_f32 *cpu_weights_floats(struct dev_weights *w);
int cpu_mat_load(struct dev_weights *w, size_t i, const struct mat_rows *rows, struct kvik_err *err);
void cpu_floats_load(struct dev_weights *w, struct dev_f32 *to, const float *from, size_t n);

int cpu_pages_new(struct dev_pages **out, struct dev *d, const struct kv_layout *own, const struct kv_layout *packed,
		  uint32_t n, struct kv_memory *memory, struct kvik_err *err);
void cpu_pages_free(struct dev_pages *p);
void cpu_page_write(struct dev_pages *p, uint32_t group, kv_page page, const void *from);

int cpu_work_new(struct dev_work **out, struct dev *d, const struct work_limits *l, struct dev_f32 **floats,
		 struct kvik_err *err);
void cpu_work_free(struct dev_work *w);
uint64_t cpu_work_bytes(const struct work_limits *l, uint32_t threads);
void cpu_begin(struct dev_work *w, const struct batch *b);

void cpu_embed(struct dev_work *w, const struct row_table *t, struct dev_f32 *out);
void cpu_norm(struct dev_work *w, const struct norm_call *c);
void cpu_add(struct dev_work *w, struct dev_f32 *x, const struct dev_f32 *y, uint32_t rows, uint32_t cols);
void cpu_silu_mul(struct dev_work *w, struct dev_f32 *gate, const struct dev_f32 *up, uint32_t rows, uint32_t cols);
void cpu_linear(struct dev_work *w, const struct dev_f32 *x, uint32_t tokens, const struct linear_out *outs,
		uint32_t n);
void cpu_logits(struct dev_work *w, const struct dev_f32 *x, uint32_t n, const struct dev_mat *m, float *to);
void cpu_rope_write(struct dev_work *w, const struct attention_call *c);
void cpu_attention(struct dev_work *w, const struct attention_call *c);
void cpu_experts(struct dev_work *w, const struct experts_call *c);

#endif
