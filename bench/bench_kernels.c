/* bench_kernels.c: every kernel of a level against the machine's limit: products by form and batch, attention by KV
 * dtype and depth, and the small ones. Shapes are those of a 1B model (dim 2048, 32 heads of 64 over 8 kv heads);
 * matrices and caches are larger than the processor's caches.
 *
 *   bench_kernels [--level NAME] [--threads N] [--only mat_mul|attention|rows] [--best] [--json]      */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "kernels/half.h"
#include "kernels/kernels.h"

enum {
	DIM = 2048,
	FFN = 8192,
	HEAD_DIM = 64,
	HEADS = 4,
	KV_HEADS = 8,
	TOKENS_MAX = 512,
	FFN_TILES = FFN / MAT_TILE_ROWS
};

struct bench {
	struct pool *pool;
	const struct kernels *kernels;
	struct bench_limits limits;
	struct bench_out out;
	double seconds; /* per figure */
	bool best;
};

static float random_float(void)
{
	return (float)(int32_t)bench_random() * 0x1p-31f;
}

static float *random_floats(size_t n)
{
	float *x = bench_alloc(n * sizeof *x);
	for (size_t i = 0; i < n; i++)
		x[i] = random_float();
	return x;
}

/* ---- Products ---------------------------------------------------------------------------------------------------- */

struct product {
	const struct bench *b;
	struct mat m;
	struct act a;
	float *out;
	uint32_t tiles, item_tiles;
};

/* Sixteen random rows of a stored type; every half-precision scale is small and finite. */
static void random_rows(enum wtype type, uint8_t *rows, size_t row_bytes)
{
	static const int half_at[WTYPE_COUNT][2] = {
		[WTYPE_Q4_0] = {0, -1}, [WTYPE_Q8_0] = {0, -1}, [WTYPE_Q2_K] = {80, 82}, [WTYPE_Q4_1] = {0, 2},
		[WTYPE_Q4_K] = {0, 2},  [WTYPE_Q5_K] = {0, 2},  [WTYPE_Q6_K] = {208, -1}};
	bool whole = type == WTYPE_F32 || type == WTYPE_F16 || type == WTYPE_BF16;
	for (size_t i = 0; i < 16 * row_bytes; i++)
		rows[i] = (uint8_t)bench_random();
	if (whole) {
		for (size_t i = 0; i < 16 * row_bytes; i += wtype_block_bytes(type)) {
			float f = random_float();
			uint16_t h = type == WTYPE_F16 ? f32_to_f16(f) : f32_to_bf16(f);
			memcpy(rows + i, type == WTYPE_F32 ? (void *)&f : (void *)&h, wtype_block_bytes(type));
		}
		return;
	}
	for (size_t i = 0; i < 16 * row_bytes; i += wtype_block_bytes(type))
		for (int k = 0; k < 2; k++)
			if (half_at[type][k] >= 0) {
				uint16_t h = f32_to_f16(random_float() * 0.01f);
				memcpy(rows + i + half_at[type][k], &h, 2);
			}
}

/* One random tile, copied until the matrix has `bytes`. */
static struct mat random_mat(enum wtype type, uint32_t cols, size_t bytes)
{
	struct mat m = {.cols = cols};
	struct kvik_err err;
	size_t row_bytes = (size_t)cols / wtype_block_elems(type) * wtype_block_bytes(type);
	uint8_t *stored = malloc(16 * row_bytes);
	const uint8_t *rows[16];
	if (mat_form_of(&m.form, type, cols, true, &err) != 0 || !stored)
		abort();
	random_rows(type, stored, row_bytes);
	for (int i = 0; i < 16; i++)
		rows[i] = stored + (size_t)i * row_bytes;
	m.tile_bytes = mat_tile_bytes(m.form, cols);
	uint32_t tiles = (uint32_t)(bytes / m.tile_bytes) / FFN_TILES * FFN_TILES;
	m.rows = tiles * MAT_TILE_ROWS;
	m.tiles = bench_alloc(tiles * m.tile_bytes);
	mat_pack_tile(&m, 0, type, rows);
	for (uint32_t t = 1; t < tiles; t++)
		memcpy(m.tiles + t * m.tile_bytes, m.tiles, m.tile_bytes);
	free(stored);
	return m;
}

/* The matrix is taken as many of FFN rows, which write the same outputs. */
static void product_item(void *ctx, uint32_t item, uint32_t thread)
{
	struct product *p = ctx;
	struct mat part = p->m;
	uint32_t per_part = FFN_TILES / p->item_tiles, tile = item % per_part * p->item_tiles;
	(void)thread;
	part.rows = FFN;
	part.tiles += (size_t)(item / per_part) * FFN_TILES * part.tile_bytes;
	p->b->kernels->mat_mul(&part, &p->a, tile, tile + p->item_tiles, p->out, FFN);
}

static void run_product(void *ctx)
{
	struct product *p = ctx;
	pool_run(p->b->pool, p->tiles / p->item_tiles, product_item, p);
}

static void product_row(const struct product *p)
{
	const struct bench *b = p->b;
	bool int8 = mat_form_takes_int8(p->m.form);
	double s = bench_time(run_product, (void *)p, b->seconds, b->best);
	double bytes = (double)p->tiles * (double)p->m.tile_bytes;
	double ops = 2.0 * p->tiles * MAT_TILE_ROWS * DIM * p->a.tokens;
	char what[64];
	snprintf(what, sizeof what, "mat_mul %s x %u tokens", mat_form_name(p->m.form), p->a.tokens);
	if (p->a.tokens <= 4)
		bench_row(&b->out, what, s * 1e3, bytes / s * 1e-9, "GB/s", b->limits.read_gbs);
	else
		bench_row(&b->out, what, s * 1e3, ops / s * 1e-9, int8 ? "GOP/s" : "GFLOP/s",
			  int8 ? b->limits.int8_gops : b->limits.f32_gflops);
}

static void bench_form(const struct bench *b, enum wtype type)
{
	static const uint32_t tokens[] = {1, 4, 32, 512};
	struct product p = {.b = b, .m = random_mat(type, DIM, 192 << 20), .item_tiles = 4};
	float *x = random_floats((size_t)TOKENS_MAX * DIM);
	int8_t *q = bench_alloc((size_t)TOKENS_MAX * DIM);
	float *scale = bench_alloc((size_t)TOKENS_MAX * DIM / 32 * 4);
	int32_t *sum16 = bench_alloc((size_t)TOKENS_MAX * DIM / 16 * 4);
	p.out = bench_alloc((size_t)FFN * TOKENS_MAX * sizeof(float));
	for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
		p.a = (struct act){x, q, scale, sum16, tokens[i], DIM};
		for (uint32_t t = 0; t < tokens[i]; t++)
			b->kernels->act_quantize(&p.a, t);
		/* Few tokens stream the matrix from memory; of many, a part says as much. */
		p.tiles = tokens[i] <= 4 ? p.m.rows / MAT_TILE_ROWS : tokens[i] <= 32 ? FFN_TILES : FFN_TILES / 16;
		product_row(&p);
	}
}

static void bench_products(const struct bench *b)
{
	static const enum wtype types[] = {WTYPE_Q4_0, WTYPE_Q8_0, WTYPE_Q4_K, WTYPE_Q5_K, WTYPE_Q6_K,
					   WTYPE_Q4_1, WTYPE_Q2_K, WTYPE_F16,  WTYPE_BF16, WTYPE_F32};
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		bench_form(b, types[i]);
}

/* ---- Attention --------------------------------------------------------------------------------------------------- */

enum { LAYERS = 4 };

struct attending {
	const struct bench *b;
	struct kv_layout l;
	uint32_t *ids; /* of the pages, block by block */
	struct page_area area;
	float *q, *out;
	uint8_t *scratch;
	size_t scratch_bytes;
	float *parts, *states;
	uint32_t depth, queries; /* queries end at depth */
};

/* Items: layer, kv head, block of queries. */
static void attend_item(void *ctx, uint32_t item, uint32_t thread)
{
	struct attending *t = ctx;
	uint32_t block = ATTN_ROWS_MAX / HEADS, blocks = (t->queries + block - 1) / block;
	uint32_t layer = item / (KV_HEADS * blocks), head = item / blocks % KV_HEADS, first = item % blocks * block;
	size_t at = ((size_t)first * KV_HEADS + head) * HEADS * HEAD_DIM;
	struct attn a = {.layout = &t->l,
			 .pages = {.ids = t->ids},
			 .area = t->area,
			 .layer = layer,
			 .kv_head = head,
			 .q = t->q + at,
			 .out = t->out + at,
			 .q_stride = KV_HEADS * HEADS * HEAD_DIM,
			 .heads = HEADS,
			 .queries = t->queries - first < block ? t->queries - first : block,
			 .position = t->depth - t->queries + first,
			 .scale = 0.125f,
			 .scratch = t->scratch + thread * t->scratch_bytes};
	t->b->kernels->attention(&a);
}

static void run_attention(void *ctx)
{
	struct attending *t = ctx;
	uint32_t block = ATTN_ROWS_MAX / HEADS;
	pool_run(t->b->pool, LAYERS * KV_HEADS * ((t->queries + block - 1) / block), attend_item, t);
}

static void write_item(void *ctx, uint32_t page, uint32_t thread)
{
	struct attending *t = ctx;
	(void)thread;
	for (uint32_t i = 0; i < KV_PAGE_TOKENS; i++)
		for (uint32_t layer = 0; layer < LAYERS; layer++)
			t->b->kernels->kv_write(&t->l, page_address(&t->area, page + 1), layer, i, t->q,
						t->q + KV_HEADS * HEAD_DIM);
}

static void run_writes(void *ctx)
{
	struct attending *t = ctx;
	pool_run(t->b->pool, t->depth / KV_PAGE_TOKENS, write_item, t);
}

static void attention_row(struct attending *t, uint32_t depth, uint32_t queries)
{
	char what[64];
	t->depth = depth;
	t->queries = queries;
	double s = bench_time(run_attention, t, t->b->seconds, t->b->best);
	snprintf(what, sizeof what, "attention %s,%s %u x %u", kv_dtype_name(t->l.k), kv_dtype_name(t->l.v), queries,
		 depth);
	double bytes = (double)depth * (double)kv_layout_token_bytes(&t->l);
	double seen = (double)queries * (depth - (queries - 1) / 2.0);
	double flops = 4.0 * seen * LAYERS * KV_HEADS * HEADS * HEAD_DIM;
	if (queries == 1)
		bench_row(&t->b->out, what, s * 1e3, bytes / s * 1e-9, "GB/s", t->b->limits.read_gbs);
	else
		bench_row(&t->b->out, what, s * 1e3, flops / s * 1e-9, "GFLOP/s", t->b->limits.f32_gflops);
}

/* ---- One kv head, its positions cut among the threads ------------------------------------------------------------ */

enum { ONE_DEPTH = 8192, ONE_SEGMENTS = ONE_DEPTH / ATTN_SEGMENT, PIECE = 2 };

static struct attn one_head(const struct attending *t, uint32_t thread)
{
	return (struct attn){.layout = &t->l,
			     .pages = {.ids = t->ids},
			     .area = t->area,
			     .q = t->q,
			     .out = t->out,
			     .q_stride = KV_HEADS * HEADS * HEAD_DIM,
			     .heads = HEADS,
			     .queries = 1,
			     .position = ONE_DEPTH - 1,
			     .scale = 0.125f,
			     .scratch = t->scratch + thread * t->scratch_bytes};
}

static void piece_item(void *ctx, uint32_t item, uint32_t thread)
{
	const struct attending *t = ctx;
	struct attn a = one_head(t, thread);
	t->b->kernels->attention_parts(&a, item * PIECE, (item + 1) * PIECE,
				       t->parts + (size_t)item * PIECE * HEADS * attn_part_floats(HEAD_DIM));
}

static void merge_item(void *ctx, uint32_t row, uint32_t thread)
{
	const struct attending *t = ctx;
	struct attn a = one_head(t, thread);
	size_t floats = attn_part_floats(HEAD_DIM);
	float *state = t->states + row * floats;
	memset(state, 0, floats * sizeof *state);
	t->b->kernels->attention_merge(&t->l, t->parts + row * floats, HEADS * floats, ONE_SEGMENTS, state);
	t->b->kernels->attention_finish(&t->l, state, NULL, a.out + row * HEAD_DIM);
}

static void run_one_head(void *ctx)
{
	struct attending *t = ctx;
	pool_run(t->b->pool, ONE_SEGMENTS / PIECE, piece_item, t);
	pool_run(t->b->pool, HEADS, merge_item, t);
}

/* Its keys and values stay in the last-level cache: what threads give here is not memory's to limit. */
static void one_head_row(struct attending *t)
{
	char what[64];
	size_t floats = attn_part_floats(HEAD_DIM);
	t->parts = bench_alloc(ONE_SEGMENTS * HEADS * floats * sizeof *t->parts);
	t->states = bench_alloc(HEADS * floats * sizeof *t->states);
	double s = bench_time(run_one_head, t, t->b->seconds, t->b->best);
	double bytes = (double)ONE_DEPTH * (double)kv_layout_token_bytes(&t->l) / (LAYERS * KV_HEADS);
	snprintf(what, sizeof what, "attention %s,%s 1 x 8192, 1 kv head", kv_dtype_name(t->l.k),
		 kv_dtype_name(t->l.v));
	bench_row(&t->b->out, what, s * 1e3, bytes / s * 1e-9, "GB/s", 0);
}

static void bench_kv(const struct bench *b, enum kv_dtype d)
{
	enum { DEPTH_MAX = 8192 };
	struct attending t = {.b = b, .depth = DEPTH_MAX};
	struct kvik_err err;
	char what[64];
	if (kv_layout_init(&t.l, d, d, LAYERS, KV_HEADS, HEAD_DIM, &err) != 0)
		abort();
	t.area = (struct page_area){bench_alloc((DEPTH_MAX / KV_PAGE_TOKENS + 1) * t.l.page_bytes), t.l.page_bytes};
	t.ids = bench_alloc(DEPTH_MAX / KV_PAGE_TOKENS * sizeof *t.ids);
	for (uint32_t i = 0; i < DEPTH_MAX / KV_PAGE_TOKENS; i++)
		t.ids[i] = i + 1; /* no page has id 0 */
	t.q = random_floats((size_t)TOKENS_MAX * KV_HEADS * HEADS * HEAD_DIM);
	t.out = bench_alloc((size_t)TOKENS_MAX * KV_HEADS * HEADS * HEAD_DIM * sizeof(float));
	t.scratch_bytes = attn_scratch_bytes(HEADS, HEAD_DIM, false);
	t.scratch = bench_alloc(pool_threads(b->pool) * t.scratch_bytes);
	double s = bench_time(run_writes, &t, b->seconds, b->best);
	snprintf(what, sizeof what, "kv_write %s", kv_dtype_name(d));
	bench_row(&b->out, what, s * 1e3, (double)DEPTH_MAX * LAYERS / s * 1e-6, "Mtok/s", 0);
	attention_row(&t, 512, 1);
	attention_row(&t, 4096, 1);
	attention_row(&t, 8192, 1);
	one_head_row(&t);
	attention_row(&t, 512, 512);
	attention_row(&t, 8192, 512);
}

/* ---- Rows -------------------------------------------------------------------------------------------------------- */

struct rows {
	const struct kernels *k;
	float *x, *y;
	struct act a;
};

static void run_rms_norm(void *ctx)
{
	struct rows *r = ctx;
	for (uint32_t t = 0; t < 64; t++)
		r->k->rms_norm(r->x + t * DIM, r->y, 1e-5f, DIM, r->y + (t + 1) * DIM);
}

static void run_quantize(void *ctx)
{
	struct rows *r = ctx;
	for (uint32_t t = 0; t < 64; t++)
		r->k->act_quantize(&r->a, t);
}

static void run_silu(void *ctx)
{
	struct rows *r = ctx;
	for (uint32_t t = 0; t < 64; t++)
		r->k->silu_mul(r->x + t * DIM, r->y + t * DIM, DIM, r->y + t * DIM);
}

static void run_add(void *ctx)
{
	struct rows *r = ctx;
	for (uint32_t t = 0; t < 64; t++)
		r->k->add(r->x + t * DIM, r->y + t * DIM, DIM);
}

static void run_rope(void *ctx)
{
	struct rows *r = ctx;
	for (uint32_t t = 0; t < 64; t++)
		r->k->rope(r->x + t * DIM, DIM / HEAD_DIM, HEAD_DIM, HEAD_DIM, r->y, r->y + HEAD_DIM / 2);
}

/* One thread; the rate is elements per second. */
static void bench_rows(const struct bench *b)
{
	static const struct {
		const char *name;
		void (*fn)(void *ctx);
	} all[] = {{"rms_norm", run_rms_norm},
		   {"act_quantize", run_quantize},
		   {"silu_mul", run_silu},
		   {"add", run_add},
		   {"rope", run_rope}};
	struct rows r = {.k = b->kernels, .x = random_floats(65 * DIM), .y = random_floats(65 * DIM)};
	r.a = (struct act){r.x, bench_alloc(64 * DIM), bench_alloc(64 * DIM / 8), bench_alloc(64 * DIM / 4), 64, DIM};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		double s = bench_time(all[i].fn, &r, 0.1, b->best);
		bench_row(&b->out, all[i].name, s * 1e3, 64.0 * DIM / s * 1e-9, "Gel/s", 0);
	}
}

int main(int argc, char **argv)
{
	const char *level = NULL, *only = NULL;
	uint32_t threads = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
	struct bench b = {.seconds = 0.3};
	struct kvik_err err;
	for (int i = 1; i < argc; i++) {
		bool more = i + 1 < argc;
		if (strcmp(argv[i], "--json") == 0) {
			b.out.json = true;
		} else if (strcmp(argv[i], "--best") == 0) {
			b.best = true;
		} else if (strcmp(argv[i], "--level") == 0 && more) {
			level = argv[++i];
		} else if (strcmp(argv[i], "--only") == 0 && more) {
			only = argv[++i];
		} else if (strcmp(argv[i], "--threads") == 0 && more) {
			threads = (uint32_t)strtoul(argv[++i], NULL, 10);
		} else {
			fprintf(stderr,
				"usage: %s [--level scalar|avx2|avx512] [--threads N] "
				"[--only mat_mul|attention|rows] [--best] [--json]\n",
				argv[0]);
			return 2;
		}
	}
	if (kernels_select(&b.kernels, level, &err) != 0 || pool_new(&b.pool, threads, &err) != 0) {
		fprintf(stderr, "%s\n", err.text);
		return 2;
	}
	b.limits = bench_limits(b.pool, b.kernels->name);
	bench_head(&b.out, &b.limits, b.kernels->name, threads);
	if (!only || strcmp(only, "rows") == 0)
		bench_rows(&b);
	if (!only || strcmp(only, "mat_mul") == 0)
		bench_products(&b);
	for (int d = 0; d < KV_DTYPE_COUNT && (!only || strcmp(only, "attention") == 0); d++)
		bench_kv(&b, (enum kv_dtype)d);
	pool_free(b.pool);
	return 0;
}
