/* test_kernels.c: every level against the scalar kernel (by bits), and the scalar kernel against double arithmetic. */
#include "check.h"

#include <math.h>

#include "kernels/dequant.h"
#include "kernels/half.h"
#include "kernels/tile.h"

/* A random matrix in stored form; scales are kept finite and small. */
struct stored {
	enum wtype type;
	uint32_t rows, cols;
	size_t row_bytes;
	uint8_t *data;
};

/* All bytes of codes: random, or the same one: then the integer sums of the products reach their ends. */
enum { FILL_RANDOM = 256 };

static void random_block(enum wtype t, unsigned fill, uint8_t *p)
{
	static const int half_at[WTYPE_COUNT][2] = {
		[WTYPE_Q4_0] = {0, -1}, [WTYPE_Q4_1] = {0, 2},    [WTYPE_Q5_0] = {0, -1},   [WTYPE_Q5_1] = {0, 2},
		[WTYPE_Q8_0] = {0, -1}, [WTYPE_Q2_K] = {80, 82},  [WTYPE_Q3_K] = {108, -1}, [WTYPE_Q4_K] = {0, 2},
		[WTYPE_Q5_K] = {0, 2},  [WTYPE_Q6_K] = {208, -1}, [WTYPE_IQ4_NL] = {0, -1}, [WTYPE_IQ4_XS] = {0, -1}};
	for (uint32_t i = 0; i < wtype_block_bytes(t); i++)
		p[i] = fill == FILL_RANDOM ? (uint8_t)random_u32() : (uint8_t)fill;
	if (t == WTYPE_F32) {
		float f = random_f32();
		memcpy(p, &f, 4);
	} else if (t == WTYPE_F16 || t == WTYPE_BF16) {
		uint16_t h = t == WTYPE_F16 ? f32_to_f16(random_f32()) : f32_to_bf16(random_f32());
		memcpy(p, &h, 2);
	} else if (t == WTYPE_MXFP4) {
		p[0] = (uint8_t)(115 + random_below(12));
	} else {
		for (int i = 0; i < 2; i++)
			if (half_at[t][i] >= 0) {
				uint16_t h = f32_to_f16(random_f32() * 0.01f);
				memcpy(p + half_at[t][i], &h, 2);
			}
	}
}

static struct stored stored_new(enum wtype type, uint32_t rows, uint32_t cols, unsigned fill)
{
	struct stored s = {type, rows, cols, (size_t)cols / wtype_block_elems(type) * wtype_block_bytes(type), NULL};
	s.data = malloc(rows * s.row_bytes);
	for (size_t at = 0; at < rows * s.row_bytes; at += wtype_block_bytes(type))
		random_block(type, fill, s.data + at);
	return s;
}

static struct mat packed(const struct stored *s, bool int8, struct guard *g)
{
	struct mat m = {.rows = s->rows, .cols = s->cols};
	assert_int_equal(mat_form_of(&m.form, s->type, s->cols, int8, NULL), 0);
	m.tile_bytes = mat_tile_bytes(m.form, m.cols);
	uint32_t tiles = (m.rows + 15) / 16;
	*g = guard_new(tiles * m.tile_bytes);
	m.tiles = g->p;
	for (uint32_t t = 0; t < tiles; t++) {
		const uint8_t *rows[16];
		for (uint32_t r = 0; r < 16; r++)
			rows[r] = t * 16 + r < s->rows ? s->data + (t * 16 + r) * s->row_bytes : NULL;
		mat_pack_tile(&m, t, s->type, rows);
	}
	return m;
}

/* |out - reference| within what f32 rounding and int8 activations allow, relative to the sum of magnitudes. */
static void check_reference(const struct stored *s, const float *x, uint32_t tokens, const float *out, bool int8)
{
	float *w = malloc(s->cols * sizeof *w);
	for (uint32_t r = 0; r < s->rows; r++) {
		dequant_row(s->type, s->data + r * s->row_bytes, s->cols, w);
		for (uint32_t t = 0; t < tokens; t++) {
			double sum = 0, size = 0, block_max = 0, slack = 0;
			for (uint32_t c = 0; c < s->cols; c++) {
				double xc = (double)x[t * s->cols + c];
				sum += (double)w[c] * xc;
				size += fabs((double)w[c] * xc);
				if (c % 32 == 0) {
					block_max = 0;
					for (uint32_t i = c; i < c + 32 && i < s->cols; i++)
						block_max = fmax(block_max, fabs((double)x[t * s->cols + i]));
				}
				slack += fabs((double)w[c]) * block_max / 253; /* half a step of 127, and a little */
			}
			double bound = 1e-5 * size + (int8 ? slack : 0) + 1e-30;
			if (!(fabs((double)out[t * s->rows + r] - sum) <= bound))
				fail_msg("%s row %u token %u: %g, reference %g, bound %g", wtype_name(s->type), r, t,
					 (double)out[t * s->rows + r], sum, bound);
		}
	}
	free(w);
}

static void check_product(enum wtype type, unsigned fill, bool int8, uint32_t rows, uint32_t cols, uint32_t tokens)
{
	const struct kernels *scalar = scalar_level(), *fast[2];
	struct stored s = stored_new(type, rows, cols, fill);
	uint32_t room = act_rows(tokens) * cols;
	struct guard gm, gx = guard_new(tokens * cols * sizeof(float)), gq = guard_new(room);
	struct guard gs = guard_new(room / 32 * sizeof(float) + 4), g16 = guard_new(room / 16 * sizeof(int32_t) + 4);
	struct mat m = packed(&s, int8, &gm);
	float *x = gx.p;
	for (size_t i = 0; i < (size_t)tokens * cols; i++)
		x[i] = fill == FILL_RANDOM ? random_f32() : tokens % 2 ? 1.0f : i % 2 ? -1.0f : 1.0f;
	struct act a = {.x = x, .q = gq.p, .scale = gs.p, .sum16 = g16.p, .tokens = tokens, .cols = cols};
	for (uint32_t t = 0; t < tokens && mat_form_takes_int8(m.form); t++)
		scalar->act_quantize(&a, t);
	size_t out_bytes = (size_t)tokens * rows * sizeof(float);
	struct guard want = guard_new(out_bytes), got = guard_new(out_bytes);
	uint32_t tiles = (rows + 15) / 16;
	int8_t alone_q[1024];
	float alone_scale[32];
	int32_t alone_sum[64];
	scalar->mat_mul(&m, &a, 0, tiles, want.p, rows);
	check_reference(&s, x, tokens, want.p, mat_form_takes_int8(m.form));
	for (size_t l = 0, n = fast_levels(fast); l < n; l++) {
		memset(got.p, 0xAA, out_bytes);
		uint32_t cut = random_below(tiles + 1); /* the split of the work must not matter */
		fast[l]->mat_mul(&m, &a, 0, cut, got.p, rows);
		fast[l]->mat_mul(&m, &a, cut, tiles, got.p, rows);
		assert_same_bits(want.p, got.p, out_bytes, wtype_name(type), fast[l]->name);
		float one[256];
		uint32_t t = random_below(tokens); /* a token alone gives the bits it gives in the batch */
		struct act alone = {.x = x + t * cols,
				    .q = alone_q,
				    .scale = alone_scale,
				    .sum16 = alone_sum,
				    .tokens = 1,
				    .cols = cols};
		if (mat_form_takes_int8(m.form))
			fast[l]->act_quantize(&alone, 0);
		fast[l]->mat_mul(&m, &alone, 0, tiles, one, rows);
		assert_same_bits((float *)want.p + t * rows, one, rows * sizeof(float), "one token alone",
				 fast[l]->name);
	}
	struct guard *all[] = {&gm, &gx, &gq, &gs, &g16, &want, &got};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		guard_free(all[i]);
	free(s.data);
}

static void test_mat_mul(void **state)
{
	static const uint32_t tokens[] = {1, 2, 3, 4, 6, 8, 11, 16, 31};
	(void)state;
	for (int type = 0; type < WTYPE_COUNT; type++)
		for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
			uint32_t block = wtype_block_elems((enum wtype)type);
			uint32_t cols = block * (1 + random_below(block == 256 ? 3 : block == 32 ? 12 : 300));
			check_product((enum wtype)type, FILL_RANDOM, true, 1 + random_below(70), cols, tokens[i]);
			check_product((enum wtype)type, FILL_RANDOM, false, 1 + random_below(40), cols, tokens[i]);
		}
}

/* Codes and activations all at the ends of their ranges. */
static void test_mat_mul_ends(void **state)
{
	static const unsigned fills[] = {0x00, 0x7F, 0x80, 0xFF};
	(void)state;
	for (int type = 0; type < WTYPE_COUNT; type++)
		for (size_t i = 0; i < sizeof fills / sizeof *fills; i++)
			for (uint32_t tokens = 1; tokens <= 4; tokens++)
				check_product((enum wtype)type, fills[i], true, 17, 512, tokens);
}

static void test_act_quantize(void **state)
{
	const struct kernels *scalar = scalar_level(), *fast[2];
	(void)state;
	for (int round = 0; round < 50; round++) {
		float x[256], scale[2][8];
		int8_t q[2][256];
		int32_t sum[2][16];
		for (int i = 0; i < 256; i++)
			x[i] = random_f32() * (round % 5 == 0 ? 1e-38f : round % 5 == 1 ? 1e30f : 1);
		if (round % 7 == 0)
			x[random_below(256)] = round % 2 ? INFINITY : NAN;
		struct act a = {.x = x, .q = q[0], .scale = scale[0], .sum16 = sum[0], .tokens = 1, .cols = 256};
		scalar->act_quantize(&a, 0);
		for (size_t l = 0, n = fast_levels(fast); l < n; l++) {
			a = (struct act){
				.x = x, .q = q[1], .scale = scale[1], .sum16 = sum[1], .tokens = 1, .cols = 256};
			fast[l]->act_quantize(&a, 0);
			assert_same_bits(q[0], q[1], 256, "codes", fast[l]->name);
			assert_same_bits(sum[0], sum[1], sizeof sum[0], "sums", fast[l]->name);
			for (int b = 0; b < 8; b++)
				assert_true(scale[0][b] == scale[1][b] || (isnan(scale[0][b]) && isnan(scale[1][b])));
		}
	}
}

/* Within what its formula in f32 arithmetic has: relative to the input. */
static void check_gelu(uint32_t n, const float *x, const float *y, float *want, float *got)
{
	const struct kernels *fast[2];
	size_t n_fast = fast_levels(fast);
	scalar_level()->gelu_mul(x, y, n, want);
	for (uint32_t i = 0; i < n; i++) {
		double g = (double)x[i], u = (double)y[i];
		double r = g / 2 * (1 + tanh(sqrt(2 / M_PI) * (g + 0.044715 * g * g * g))) * u;
		assert_true(fabs((double)want[i] - r) <= 4e-7 * fabs(g * u) + 1e-30);
	}
	for (size_t l = 0; l < n_fast; l++) {
		fast[l]->gelu_mul(x, y, n, got);
		assert_same_bits(want, got, n * sizeof(float), "gelu_mul", fast[l]->name);
	}
}

/* Gates and factors far beyond the limits. */
static void check_clamped(uint32_t n, const float *x, const float *y, float *want, float *got)
{
	const struct kernels *fast[2];
	size_t n_fast = fast_levels(fast);
	for (int turn = 0; turn < 2; turn++) {
		const float *gate = turn ? y : x, *up = turn ? x : y;
		scalar_level()->clamped_mul(gate, up, n, want);
		for (uint32_t i = 0; i < n; i++) {
			double g = fmin((double)gate[i], 7), u = fmax(fmin((double)up[i], 7), -7);
			double r = (u + 1) * g / (1 + exp(-1.702 * g));
			assert_true(fabs((double)want[i] - r) <= 1e-6 * fabs((u + 1) * g) + 1e-30);
		}
		for (size_t l = 0; l < n_fast; l++) {
			fast[l]->clamped_mul(gate, up, n, got);
			assert_same_bits(want, got, n * sizeof(float), "clamped_mul", fast[l]->name);
		}
	}
}

/* From far below the cap, where nothing may be lost, to far above it. */
static void check_cap(uint32_t n, const float *x, float *want, float *got)
{
	static const float caps[] = {0.01f, 1, 30, 50, 1e6f};
	const struct kernels *fast[2];
	size_t n_fast = fast_levels(fast);
	float cap = caps[random_below(5)];
	memcpy(want, x, n * sizeof *x);
	scalar_level()->soft_cap(want, cap, n);
	for (uint32_t i = 0; i < n; i++) {
		double r = (double)cap * tanh((double)x[i] / (double)cap);
		assert_true(fabs((double)want[i] - r) <= 4e-7 * fabs(r) + 1e-30);
	}
	for (size_t l = 0; l < n_fast; l++) {
		memcpy(got, x, n * sizeof *x);
		fast[l]->soft_cap(got, cap, n);
		assert_same_bits(want, got, n * sizeof(float), "soft_cap", fast[l]->name);
	}
}

static void test_elementwise(void **state)
{
	const struct kernels *scalar = scalar_level(), *fast[2];
	size_t n_fast = fast_levels(fast);
	(void)state;
	for (uint32_t n = 1; n < 200; n += 1 + random_below(9)) {
		struct guard g[5];
		for (int i = 0; i < 5; i++)
			g[i] = guard_new(n * sizeof(float));
		float *x = g[0].p, *y = g[1].p, *want = g[2].p, *got = g[3].p, *w = g[4].p;
		for (uint32_t i = 0; i < n; i++) {
			x[i] = random_f32() * 20;
			y[i] = random_f32();
			w[i] = random_f32();
		}
		scalar->silu_mul(x, y, n, want);
		for (uint32_t i = 0; i < n; i++) {
			double s = (double)x[i] / (1 + exp(-(double)x[i])) * (double)y[i];
			assert_true(fabs((double)want[i] - s) <= 1e-6 * fabs(s) + 1e-30);
		}
		for (size_t l = 0; l < n_fast; l++) {
			fast[l]->silu_mul(x, y, n, got);
			assert_same_bits(want, got, n * sizeof(float), "silu_mul", fast[l]->name);
		}
		check_gelu(n, x, y, want, got);
		check_clamped(n, x, y, want, got);
		check_cap(n, x, want, got);
		scalar->rms_norm(x, w, 1e-5f, n, want);
		double squares = 0;
		for (uint32_t i = 0; i < n; i++)
			squares += (double)x[i] * (double)x[i];
		for (uint32_t i = 0; i < n; i++) {
			double r = (double)w[i] * (double)x[i] / sqrt(squares / n + 1e-5);
			assert_true(fabs((double)want[i] - r) <= 1e-6 * fabs(r) + 1e-30);
		}
		for (size_t l = 0; l < n_fast; l++) {
			fast[l]->rms_norm(x, w, 1e-5f, n, got);
			assert_same_bits(want, got, n * sizeof(float), "rms_norm", fast[l]->name);
			memcpy(got, x, n * sizeof(float));
			memcpy(want, x, n * sizeof(float));
			fast[l]->add(got, y, n);
			scalar->add(want, y, n);
			assert_same_bits(want, got, n * sizeof(float), "add", fast[l]->name);
			scalar->rms_norm(x, w, 1e-5f, n, want);
		}
		for (int i = 0; i < 5; i++)
			guard_free(&g[i]);
	}
}

static void test_rope(void **state)
{
	const struct kernels *scalar = scalar_level(), *fast[2];
	(void)state;
	for (uint32_t dim = 2; dim <= 128; dim += 2 + 2 * random_below(9)) {
		float x[3 * 130], want[3 * 130], got[3 * 130], cos_row[64], sin_row[64];
		for (uint32_t i = 0; i < 3 * 130; i++)
			x[i] = random_f32();
		for (uint32_t i = 0; i < dim / 2; i++) {
			cos_row[i] = cosf((float)i);
			sin_row[i] = sinf((float)i);
		}
		memcpy(want, x, sizeof x);
		scalar->rope(want, 3, 130, dim, cos_row, sin_row);
		for (size_t l = 0, n = fast_levels(fast); l < n; l++) {
			memcpy(got, x, sizeof x);
			fast[l]->rope(got, 3, 130, dim, cos_row, sin_row);
			assert_same_bits(want, got, sizeof x, "rope", fast[l]->name);
		}
	}
}

static void test_select(void **state)
{
	const struct kernels *k = NULL;
	struct kvik_err err;
	(void)state;
	assert_int_equal(kernels_select(&k, NULL, &err), 0);
	assert_non_null(k->name);
	assert_int_equal(kernels_select(&k, "quantum", &err), KVIK_ERR_ARG);
	assert_non_null(strstr(err.text, "scalar"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_select), cmocka_unit_test(test_act_quantize), cmocka_unit_test(test_elementwise),
		cmocka_unit_test(test_rope),   cmocka_unit_test(test_mat_mul_ends), cmocka_unit_test(test_mat_mul),
	};
	random_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
