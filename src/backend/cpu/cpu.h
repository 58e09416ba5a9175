/* cpu.h: the inside of the CPU's backend. Its memory is the host's: a handle is the address itself. */
#ifndef KVIK_BACKEND_CPU_CPU_H
#define KVIK_BACKEND_CPU_CPU_H

#include "backend/backend.h"
#include "backend/cpu/attn_plan.h"
#include "backend/cpu/router.h"
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

/* Of layers with experts; see cpu_experts.c. X: rows that experts compute at once. */
struct experts_work {
	uint32_t rows_max;          /* X; at least T */
	float *logits, *picks;      /* [T][experts] of the router; [T][2 * experts] what experts are chosen by */
	float *shared;              /* [T]: logit of the shared expert's weight */
	struct expert_choice *of;   /* [T][used]: of a token, in ascending order of experts */
	uint32_t *first;            /* [experts + 1]: where an expert's rows begin */
	uint32_t *tokens;           /* [T * used]: of each row; by expert, then token */
	struct product_group *list; /* [experts] */
	float *in, *out;            /* [X][dim] */
	float *gate, *up;           /* [X][experts_dim] */
};

/* struct dev_work. T: tokens of the limits. */
struct cpu_work {
	const struct cpu *cpu;
	struct region region; /* all arrays below */
	const struct batch *batch;
	float *floats; /* [limits.floats]: the model's */
	int8_t *act_q; /* [rows][act_cols], of the widest int8 activations: see struct act */
	uint32_t act_cols;
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
	uint32_t heads_rows_max; /* what cpu_head_linear takes at once; at least T */
	struct product_group *heads;
	float *heads_x; /* [heads_rows_max][own_cols] */
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

/* Some rows and the matrices that take them, in products of many such groups: the experts of a step, heads. */
enum { GROUP_OUTS_MAX = 2 };
struct product_group {
	uint32_t n;                          /* rows; at least 1 */
	float *x;                            /* [n][cols] */
	struct product outs[GROUP_OUTS_MAX]; /* matrices of cols columns; out: [n][out_stride] */
	size_t out_stride;                   /* 0 = the matrix's rows */
	/* Set by cpu_product_groups: of the groups before, the rows, those that they take as int8, the items. */
	uint32_t first, room, item;
};
/* Makes row `row` of x, counted from the first group's first, before it is multiplied. */
typedef void cpu_row_fn(void *ctx, uint32_t row, float *x);
/* Each group's x times its n_outs matrices, after fill (NULL: x is there) has made its rows. All rows together: at most
 * rows_max of the work's experts, or heads_rows_max. */
void cpu_product_groups(struct cpu_work *w, struct product_group *groups, uint32_t n, uint32_t n_outs, cpu_row_fn *fill,
			void *ctx);

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
void cpu_page_read(struct dev_pages *p, uint32_t group, kv_page page, void *to);
void *cpu_page_at(struct dev_pages *p, uint32_t group, kv_page page);

int cpu_work_new(struct dev_work **out, struct dev *d, const struct work_limits *l, struct dev_f32 **floats,
		 struct kvik_err *err);
void cpu_work_free(struct dev_work *w);
uint64_t cpu_work_bytes(const struct work_limits *l, uint32_t threads);
void cpu_begin(struct dev_work *w, const struct batch *b);

void cpu_embed(struct dev_work *w, const struct row_table *t, struct dev_f32 *out);
void cpu_norm(struct dev_work *w, const struct norm_call *c);
void cpu_add(struct dev_work *w, struct dev_f32 *x, const struct dev_f32 *y, float factor, uint32_t rows,
	     uint32_t cols);
void cpu_scale(struct dev_work *w, struct dev_f32 *x, const struct dev_f32 *factor, uint32_t rows, uint32_t cols);
void cpu_gated(struct dev_work *w, enum activation a, struct dev_f32 *gate, const struct dev_f32 *up, uint32_t rows,
	       uint32_t cols);
/* The kernel of an activation. */
typedef void cpu_gated_fn(const float *gate, const float *up, uint32_t n, float *out);
cpu_gated_fn *cpu_activation(const struct kernels *k, enum activation a);
void cpu_sigmoid_mul(struct dev_work *w, struct dev_f32 *x, const struct dev_f32 *gate, uint32_t rows, uint32_t cols);
void cpu_linear(struct dev_work *w, const struct dev_f32 *x, uint32_t tokens, const struct linear_out *outs,
		uint32_t n);
void cpu_logits(struct dev_work *w, const struct dev_f32 *x, uint32_t n, const struct dev_mat *m, float cap, float *to);
void cpu_head_linear(struct dev_work *w, const struct heads_call *c);
void cpu_copy(struct dev_work *w, const struct copy_call *c);
void cpu_rope_write(struct dev_work *w, const struct attention_call *c);
void cpu_attention(struct dev_work *w, const struct attention_call *c);
void cpu_delta(struct dev_work *w, const struct delta_call *c);
void cpu_ssm(struct dev_work *w, const struct ssm_call *c);
void cpu_short_conv(struct dev_work *w, const struct short_conv_call *c);
void cpu_experts(struct dev_work *w, const struct experts_call *c);

#endif
