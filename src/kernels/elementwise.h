/* elementwise.h: kernels over rows of activations. Included after a vec_*.h, once per level. */
#ifndef KVIK_KERNELS_ELEMENTWISE_H
#define KVIK_KERNELS_ELEMENTWISE_H

#include "kernels/kernels.h"

/* e^x to about 2 units in the last place: x = n ln 2 + r, a polynomial in r (coefficients of Cephes' expf), times 2^n.
 * Below -87 the result is 0; above 88 it stays at e^88, still finite. */
static inline vf vf_exp(vf x)
{
	vf magic = vf_set1(0x1.8p23f); /* adding it rounds to a whole number */
	vf tiny = vf_set1(-87), y = vf_select_lt(vf_set1(88), x, vf_set1(88), x);
	y = vf_select_lt(y, tiny, tiny, y);
	vf n = vf_sub(vf_fma(y, vf_set1(1.44269504088896341f), magic), magic);
	vf r = vf_fma(n, vf_set1(-0.693359375f), y);
	r = vf_fma(n, vf_set1(2.12194440e-4f), r);
	vf p = vf_fma(vf_set1(1.9875691500e-4f), r, vf_set1(1.3981999507e-3f));
	p = vf_fma(p, r, vf_set1(8.3334519073e-3f));
	p = vf_fma(p, r, vf_set1(4.1665795894e-2f));
	p = vf_fma(p, r, vf_set1(1.6666665459e-1f));
	p = vf_fma(p, r, vf_set1(5.0000001201e-1f));
	p = vf_fma(vf_mul(r, r), p, vf_add(r, vf_set1(1)));
	return vf_select_lt(x, tiny, vf_set1(0), vf_ldexp(p, n));
}

/* Codes in -127..127, whatever the input; NaN becomes -127. */
static inline void store_codes(int8_t *q, vf x)
{
	x = vf_max(x, vf_set1(-127));
	vf_store_i8(q, vf_select_lt(x, vf_set1(127), x, vf_set1(127)));
}

static void act_quantize(const struct act *a, uint32_t token)
{
	uint32_t blocks = a->cols / 32, stride = act_group(a->tokens), first = token / stride * stride;
	const float *x = a->x + (size_t)token * a->cols;
	int8_t *q = a->q + (size_t)first * a->cols + (token - first) * 32;
	float *scale = a->scale + (size_t)first * blocks + (token - first);
	int32_t *sum16 = a->sum16 + (size_t)first * blocks * 2 + (token - first);
	for (uint32_t b = 0; b < blocks; b++, x += 32, q += stride * 32, scale += stride, sum16 += 2 * stride) {
		vf lo = vf_load(x), hi = vf_load(x + 16);
		float max = vf_tree_max(vf_max(vf_abs(lo), vf_abs(hi)));
		/* An amplitude whose inverse overflows counts as zero; one that is not finite poisons the block. */
		float inverse = max > 0x1p-100f ? 127 / max : 0;
		*scale = max > 0x1p-100f ? max / 127 : max - max;
		store_codes(q, vf_mul(lo, vf_set1(inverse)));
		store_codes(q + 16, vf_mul(hi, vf_set1(inverse)));
		for (uint32_t half = 0; half < 2; half++) {
			int32_t sum = 0;
			for (int i = 0; i < 16; i++)
				sum += q[half * 16 + (uint32_t)i];
			sum16[half * stride] = sum;
		}
	}
}

/* In 16 partials by index mod 16. */
static inline float sum_squares(const float *x, uint32_t n)
{
	vf sum = vf_set1(0);
	uint32_t whole = n / 16 * 16;
	for (uint32_t i = 0; i < whole; i += 16) {
		vf v = vf_load(x + i);
		sum = vf_fma(v, v, sum);
	}
	vf rest = vf_load_part(x + whole, n - whole);
	return vf_tree_sum(vf_fma(rest, rest, sum));
}

static void rms_norm(const float *x, const float *weight, float eps, uint32_t n, float *out)
{
	float inverse = 1 / sqrtf(sum_squares(x, n) / (float)n + eps);
	for (uint32_t i = 0; weight && i < n; i++)
		out[i] = weight[i] * (x[i] * inverse);
	for (uint32_t i = 0; !weight && i < n; i++)
		out[i] = x[i] * inverse;
}

static void add(float *x, const float *y, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		x[i] += y[i];
}

/* g / (1 + e^-x) */
static inline vf times_sigmoid(vf g, vf x)
{
	return vf_div(g, vf_add(vf_set1(1), vf_exp(vf_sub(vf_set1(0), x))));
}

static inline vf silu_mul_lanes(vf g, vf u)
{
	return vf_mul(times_sigmoid(g, g), u);
}

/* g / 2 * (1 + tanh(x)) is g * sigmoid(2 x), here with x = sqrt(2 / pi) * (g + 0.044715 g^3). */
static inline vf gelu_mul_lanes(vf g, vf u)
{
	vf cube = vf_mul(vf_mul(g, g), g);
	vf x = vf_mul(vf_fma(cube, vf_set1(0.044715f), g), vf_set1(2 * 0.79788456080286535588f));
	return vf_mul(times_sigmoid(g, x), u);
}

static inline vf clamped_mul_lanes(vf g, vf u)
{
	vf top = vf_set1(7), bottom = vf_set1(-7);
	g = vf_select_lt(top, g, top, g);
	u = vf_select_lt(top, u, top, u);
	u = vf_select_lt(u, bottom, bottom, u);
	return vf_mul(vf_add(u, vf_set1(1)), times_sigmoid(g, vf_mul(g, vf_set1(1.702f))));
}

/* lanes is a constant for the compiler. */
static inline __attribute__((always_inline)) void gated(vf (*lanes)(vf, vf), const float *gate, const float *up,
							uint32_t n, float *out)
{
	uint32_t whole = n / 16 * 16, rest = n - whole;
	for (uint32_t i = 0; i < whole; i += 16)
		vf_store(out + i, lanes(vf_load(gate + i), vf_load(up + i)));
	vf last = lanes(vf_load_part(gate + whole, rest), vf_load_part(up + whole, rest));
	vf_store_part(out + whole, last, rest);
}

static void silu_mul(const float *gate, const float *up, uint32_t n, float *out)
{
	gated(silu_mul_lanes, gate, up, n, out);
}

static void gelu_mul(const float *gate, const float *up, uint32_t n, float *out)
{
	gated(gelu_mul_lanes, gate, up, n, out);
}

static void clamped_mul(const float *gate, const float *up, uint32_t n, float *out)
{
	gated(clamped_mul_lanes, gate, up, n, out);
}

/* Near 0 a polynomial (coefficients of Cephes' tanhf), since 1 - 2 / (e^2x + 1) loses what is small; about 2 units in
 * the last place. */
static inline vf vf_tanh(vf x)
{
	vf size = vf_abs(x), z = vf_mul(x, x);
	vf p = vf_fma(vf_set1(-5.70498872745e-3f), z, vf_set1(2.06390887954e-2f));
	p = vf_fma(p, z, vf_set1(-5.37397155531e-2f));
	p = vf_fma(p, z, vf_set1(1.33314422036e-1f));
	p = vf_fma(p, z, vf_set1(-3.33332819422e-1f));
	vf small = vf_fma(vf_mul(p, z), x, x);
	vf e = vf_exp(vf_add(size, size));
	vf large = vf_sub(vf_set1(1), vf_div(vf_set1(2), vf_add(e, vf_set1(1))));
	large = vf_select_lt(x, vf_set1(0), vf_sub(vf_set1(0), large), large);
	return vf_select_lt(size, vf_set1(0.625f), small, large);
}

static inline vf soft_cap_lanes(vf x, float cap)
{
	return vf_mul(vf_set1(cap), vf_tanh(vf_div(x, vf_set1(cap))));
}

static void soft_cap(float *x, float cap, uint32_t n)
{
	uint32_t whole = n / 16 * 16;
	for (uint32_t i = 0; i < whole; i += 16)
		vf_store(x + i, soft_cap_lanes(vf_load(x + i), cap));
	vf_store_part(x + whole, soft_cap_lanes(vf_load_part(x + whole, n - whole), cap), n - whole);
}

static void rope(float *x, uint32_t heads, uint32_t head_dim, uint32_t rope_dim, const float *cos_row,
		 const float *sin_row)
{
	uint32_t half = rope_dim / 2;
	for (uint32_t h = 0; h < heads; h++, x += head_dim)
		for (uint32_t i = 0; i < half; i++) {
			float a = x[i], b = x[i + half];
			x[i] = a * cos_row[i] - b * sin_row[i];
			x[i + half] = b * cos_row[i] + a * sin_row[i];
		}
}

#endif
