/* vec_scalar.h: the 16-lane vector in plain C: the specification of what each operation does to a lane.
 *
 * The kernels (mat_mul.h, elementwise.h, attention.h) are written once over this interface and compiled once per CPU
 * level; vec_avx2.h and vec_avx512.h give the same names the same IEEE operations, so that all levels give the same
 * bits. Included by exactly one .c file per level. */
#ifndef KVIK_KERNELS_VEC_H
#define KVIK_KERNELS_VEC_H

#include <math.h>
#include <stdbool.h>

#include "kernels/half.h"

typedef struct {
	float f[16];
} vf; /* 16 floats */
typedef struct {
	int32_t i[16];
} vi; /* 16 int32 */
typedef struct {
	uint8_t b[64];
} vw; /* weights: 4 unsigned bytes per lane */

/* Tiles (of 16 rows, or pages) and tokens that a product computes together, tiles with a single token; rows and vectors
 * of dims in attention's second one. As many as the registers hold. */
enum { VEC_TILES = 1, VEC_WIDE = 1, VEC_TOKENS = 1, VEC_ROWS = 1, VEC_DIMS = 2 };

#define FOR_LANES for (int l = 0; l < 16; l++)

static inline vf vf_set1(float x)
{
	vf r;
	FOR_LANES r.f[l] = x;
	return r;
}

static inline vf vf_load(const float *p)
{
	vf r;
	memcpy(&r, p, sizeof r);
	return r;
}

static inline void vf_store(float *p, vf a)
{
	memcpy(p, &a, sizeof a);
}

/* The first n lanes (0..16); the others are zero, and are not stored. */
static inline vf vf_load_part(const float *p, uint32_t n)
{
	vf r = vf_set1(0);
	memcpy(&r, p, n * sizeof *p);
	return r;
}

static inline void vf_store_part(float *p, vf a, uint32_t n)
{
	memcpy(p, &a, n * sizeof *p);
}

static inline vf vf_add(vf a, vf b)
{
	FOR_LANES a.f[l] += b.f[l];
	return a;
}

static inline vf vf_sub(vf a, vf b)
{
	FOR_LANES a.f[l] -= b.f[l];
	return a;
}

static inline vf vf_mul(vf a, vf b)
{
	FOR_LANES a.f[l] *= b.f[l];
	return a;
}

static inline vf vf_div(vf a, vf b)
{
	FOR_LANES a.f[l] /= b.f[l];
	return a;
}

/* a * b + c, rounded once */
static inline vf vf_fma(vf a, vf b, vf c)
{
	FOR_LANES a.f[l] = fmaf(a.f[l], b.f[l], c.f[l]);
	return a;
}

/* a > b ? a : b (so b where either is NaN) */
static inline vf vf_max(vf a, vf b)
{
	FOR_LANES a.f[l] = a.f[l] > b.f[l] ? a.f[l] : b.f[l];
	return a;
}

static inline vf vf_abs(vf a)
{
	FOR_LANES a.f[l] = fabsf(a.f[l]);
	return a;
}

/* a < b ? x : y */
static inline vf vf_select_lt(vf a, vf b, vf x, vf y)
{
	FOR_LANES x.f[l] = a.f[l] < b.f[l] ? x.f[l] : y.f[l];
	return x;
}

/* bit of the lane set ? x : y */
static inline vf vf_select_mask(uint32_t mask, vf x, vf y)
{
	FOR_LANES x.f[l] = mask >> l & 1 ? x.f[l] : y.f[l];
	return x;
}

/* x * 2^n for whole n in -126..127 */
static inline vf vf_ldexp(vf x, vf n)
{
	FOR_LANES x.f[l] *= bits_f32((uint32_t)((int32_t)n.f[l] + 127) << 23);
	return x;
}

/* The fixed tree: lane i takes lane i + 8, then i + 4, i + 2, i + 1. */
static inline float vf_tree_sum(vf v)
{
	for (int half = 8; half > 0; half /= 2)
		for (int i = 0; i < half; i++)
			v.f[i] += v.f[i + half];
	return v.f[0];
}

static inline float vf_tree_max(vf v)
{
	for (int half = 8; half > 0; half /= 2)
		for (int i = 0; i < half; i++)
			v.f[i] = v.f[i] > v.f[i + half] ? v.f[i] : v.f[i + half];
	return v.f[0];
}

static inline vf vf_load_f16(const uint16_t *p)
{
	vf r;
	FOR_LANES r.f[l] = f16_to_f32(p[l]);
	return r;
}

static inline vf vf_load_bf16(const uint16_t *p)
{
	vf r;
	FOR_LANES r.f[l] = bf16_to_f32(p[l]);
	return r;
}

static inline vf vf_load_i8(const int8_t *p)
{
	vf r;
	FOR_LANES r.f[l] = (float)p[l];
	return r;
}

static inline vf vf_load_u8(const uint8_t *p)
{
	vf r;
	FOR_LANES r.f[l] = (float)p[l];
	return r;
}

/* Powers of two by their exponent (e8m0), halved. */
static inline vf vf_load_half_e8m0(const uint8_t *p)
{
	vf r;
	FOR_LANES r.f[l] = bits_f32(p[l] < 2 ? 0x00200000u << p[l] : (uint32_t)(p[l] - 1) << 23);
	return r;
}

/* fp8 values / 256 */
static inline vf vf_load_fp8(const uint8_t *p)
{
	vf r;
	FOR_LANES r.f[l] = fp8_to_f32_256th(p[l]);
	return r;
}

/* The low and the high four bits of 16 bytes. */
static inline vf vf_load_low4(const uint8_t *p)
{
	vf r;
	FOR_LANES r.f[l] = (float)(p[l] & 15);
	return r;
}

static inline vf vf_load_high4(const uint8_t *p)
{
	vf r;
	FOR_LANES r.f[l] = (float)(p[l] >> 4);
	return r;
}

/* Round to nearest even. */
static inline void vf_store_f16(uint16_t *p, vf a)
{
	FOR_LANES p[l] = f32_to_f16(a.f[l]);
}

/* Round to nearest even; |a| <= 127. */
static inline void vf_store_i8(int8_t *p, vf a)
{
	FOR_LANES p[l] = (int8_t)rintf(a.f[l]);
}

static inline vi vi_set1(int32_t x)
{
	vi r;
	FOR_LANES r.i[l] = x;
	return r;
}

static inline vi vi_add(vi a, vi b)
{
	FOR_LANES a.i[l] += b.i[l];
	return a;
}

static inline vf vf_from_vi(vi a)
{
	vf r;
	FOR_LANES r.f[l] = (float)a.i[l];
	return r;
}

static inline vw vw_load(const uint8_t *p)
{
	vw r;
	memcpy(&r, p, sizeof r);
	return r;
}

/* The low and the high four bits of each byte. */
static inline vw vw_low4(vw w)
{
	for (int i = 0; i < 64; i++)
		w.b[i] &= 15;
	return w;
}

static inline vw vw_high4(vw w)
{
	for (int i = 0; i < 64; i++)
		w.b[i] >>= 4;
	return w;
}

/* Bits shift and shift + 1. */
static inline vw vw_low2(vw w, int shift)
{
	for (int i = 0; i < 64; i++)
		w.b[i] = w.b[i] >> shift & 3;
	return w;
}

/* table[w], w below 16. */
static inline vw vw_lookup(vw w, const uint8_t table[16])
{
	for (int i = 0; i < 64; i++)
		w.b[i] = table[w.b[i]];
	return w;
}

/* Bits shift.. of h, as many as mask (1 or 3) has, become the bits of w above the fourth. */
static inline vw vw_or_high(vw w, vw h, int shift, unsigned mask)
{
	for (int i = 0; i < 64; i++)
		w.b[i] |= (uint8_t)(((unsigned)h.b[i] >> shift & mask) << 4);
	return w;
}

/* Four signed bytes (-127..127) of a times the lane's four unsigned bytes of w, added to acc; exact. small: every byte
 * of w is below 64. */
static inline vi vi_dot4(vi acc, vw w, const int8_t *a, bool small)
{
	(void)small;
	FOR_LANES acc.i[l] += w.b[4 * l] * a[0] + w.b[4 * l + 1] * a[1] + w.b[4 * l + 2] * a[2] + w.b[4 * l + 3] * a[3];
	return acc;
}

#endif
