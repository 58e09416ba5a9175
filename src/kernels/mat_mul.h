/* mat_mul.h: activations times packed weights. Included after a vec_*.h, once per level.
 *
 * VEC_TILES tiles (of 16 rows) and up to VEC_TOKENS tokens are computed together, as many as the level's registers
 * hold, so that a weight is loaded and unpacked once for the tokens and an activation once for the tiles. Weights are
 * unpacked in registers; nothing is expanded to memory. With many tokens the tiles stay in the caches while groups of
 * tokens pass by; a single token waits for memory alone, which is fastest when one tile after the other is read. Float
 * activations take VEC_WIDE tiles by 4 tokens: more rows of them, a power of two apart, would drive each other out of
 * the cache.
 *
 * Order of additions of one output, the same for every level, batch and split of the work:
 *   float forms    acc = fma(w[c], x[c], acc), c ascending, from 0
 *   integer forms  per block of `block` columns, ascending: dot = exact sum of (code - zero) * q;
 *                  acc = fma((float)dot, scale * act_scale, acc), then with mins
 *                  acc = fma(least, act_scale * (float)(sum of the block's q), acc)   */
#ifndef KVIK_KERNELS_MAT_MUL_H
#define KVIK_KERNELS_MAT_MUL_H

#include "kernels/kernels.h"
#include "kernels/tile.h"

#define INLINE static inline __attribute__((always_inline))

enum { T = VEC_WIDE /* the most tiles */, R = MAT_TILE_ROWS };

/* ---- Float forms ------------------------------------------------------------------------------------------------- */

INLINE vf float_weights(const enum mat_form form, const uint8_t *tile, size_t col)
{
	const uint16_t *half = (const uint16_t *)tile + col * R;
	switch (form) {
	case MAT_F16: return vf_load_f16(half);
	case MAT_BF16: return vf_load_bf16(half);
	default: return vf_load((const float *)tile + col * R);
	}
}

/* sum[t][i] of tile i and the n tokens from token on. */
INLINE void float_micro(const enum mat_form form, const uint8_t *const tiles[T], const struct act *a, uint32_t token,
			vf sum[][T], const unsigned m, const unsigned n)
{
	const float *x = a->x + (size_t)token * a->cols;
	for (uint32_t c = 0; c < a->cols; c++) {
		vf w[T];
		for (unsigned i = 0; i < m; i++)
			w[i] = float_weights(form, tiles[i], c);
		for (unsigned t = 0; t < n; t++) {
			vf xt = vf_set1(x[(size_t)t * a->cols + c]);
			for (unsigned i = 0; i < m; i++)
				sum[t][i] = vf_fma(w[i], xt, sum[t][i]);
		}
	}
}

/* ---- Integer forms ----------------------------------------------------------------------------------------------- */

/* Where the parts of one tile's block of 32 columns lie. */
struct tile_block {
	const uint8_t *codes, *high, *scale, *super;
};

INLINE void tile_block(const enum mat_form form, struct tile_block *t, const uint8_t *codes)
{
	t->codes = codes;
	t->high = codes + tile_forms[form].codes;
	t->scale = t->high + tile_forms[form].high;
}

INLINE struct tile_block tile_first(const enum mat_form form, const uint8_t *tile)
{
	struct tile_block t = {.super = tile};
	tile_block(form, &t, tile + tile_forms[form].super);
	return t;
}

/* Steps to block b. */
INLINE void tile_next(const enum mat_form form, struct tile_block *t, uint32_t b)
{
	const uint8_t *next = t->scale + tile_forms[form].scale;
	if (tile_forms[form].super && b % 8 == 0) {
		t->super = next;
		next += tile_forms[form].super;
	}
	tile_block(form, t, next);
}

/* The codes of group g (4 columns) of a block. */
INLINE vw group_codes(const enum mat_form form, const struct tile_block *t, const unsigned g)
{
	const struct tile_form *f = &tile_forms[form];
	if (f->codes == 512)
		return vw_load(t->codes + g * 64);
	if (f->codes == 128)
		return vw_low2(vw_load(t->codes + g / 4 * 64), (int)(g % 4 * 2));
	vw both = vw_load(t->codes + g % 4 * 64), w = g < 4 ? vw_low4(both) : vw_high4(both);
	if (f->high == 64)
		w = vw_or_high(w, vw_load(t->high), (int)g, 1);
	if (f->high == 128)
		w = vw_or_high(w, vw_load(t->high + g / 4 * 64), (int)(g % 4 * 2), 3);
	if (f->values)
		w = vw_lookup(w, f->values);
	return w;
}

/* Scale of the block, or of its half where a scale is for 16 columns. */
INLINE vf block_scale(const enum mat_form form, const struct tile_block *t, const unsigned half)
{
	const uint16_t *f16 = (const uint16_t *)t->scale, *d = (const uint16_t *)t->super;
	switch (form) {
	case MAT_Q4_K:
	case MAT_Q5_K: return vf_mul(vf_load_f16(d), vf_load_u8(t->scale));
	case MAT_Q6_K: return vf_mul(vf_load_f16(d), vf_load_i8((const int8_t *)t->scale + half * R));
	case MAT_Q2_K: return vf_mul(vf_load_f16(d), vf_load_low4(t->scale + half * R));
	case MAT_IQ4_XS: return vf_mul(vf_load_f16(d), vf_load_i8((const int8_t *)t->scale));
	case MAT_MXFP4: return vf_load_half_e8m0(t->scale);
	default: return vf_load_f16(f16);
	}
}

/* What is added to a weight of code 0: the negated min of the k-quants. */
INLINE vf block_least(const enum mat_form form, const struct tile_block *t, const unsigned half)
{
	const uint16_t *f16 = (const uint16_t *)t->scale, *d = (const uint16_t *)t->super;
	vf zero = vf_set1(0);
	switch (form) {
	case MAT_Q4_K:
	case MAT_Q5_K: return vf_sub(zero, vf_mul(vf_load_f16(d + R), vf_load_u8(t->scale + R)));
	case MAT_Q2_K: return vf_sub(zero, vf_mul(vf_load_f16(d + R), vf_load_high4(t->scale + half * R)));
	default: return vf_load_f16(f16 + R);
	}
}

/* The activations of one block of one group of tokens; stride: tokens of the group. */
struct act_block {
	const int8_t *q;      /* [stride][32] */
	const float *scale;   /* [stride] */
	const int32_t *sum16; /* [2][stride] */
	uint32_t stride;
};

INLINE void group_dot(const enum mat_form form, const struct tile_block t[T], const struct act_block *x, vi dot[][T],
		      const unsigned g, const unsigned m, const unsigned n)
{
	vw w[T];
	for (unsigned i = 0; i < m; i++)
		w[i] = group_codes(form, &t[i], g);
	for (unsigned k = 0; k < n; k++)
		for (unsigned i = 0; i < m; i++)
			dot[k][i] = vi_dot4(dot[k][i], w[i], x->q + k * 32 + g * 4, tile_forms[form].zero < 128);
}

/* A block of 32 columns, or (block 16) one half of it, added to the sums. */
INLINE void int_block(const enum mat_form form, const struct tile_block t[T], const struct act_block *x,
		      const unsigned half, vf sum[][T], const unsigned m, const unsigned n)
{
	const struct tile_form *f = &tile_forms[form];
	const bool whole = f->block == 32;
	const int32_t *s = x->sum16 + half * x->stride;
	vi dot[VEC_TOKENS][T], high[VEC_TOKENS][T]; /* with few tokens, two chains hide the latency */
	const bool two = whole && n <= 2;
	int32_t total[VEC_TOKENS];
	for (unsigned k = 0; k < n; k++) {
		total[k] = whole ? s[k] + s[x->stride + k] : s[k];
		for (unsigned i = 0; i < m; i++) {
			dot[k][i] = vi_set1(-f->zero * total[k]);
			high[k][i] = vi_set1(0);
		}
	}
	if (whole) {
		group_dot(form, t, x, dot, 0, m, n);
		group_dot(form, t, x, two ? high : dot, 4, m, n);
		group_dot(form, t, x, dot, 1, m, n);
		group_dot(form, t, x, two ? high : dot, 5, m, n);
		group_dot(form, t, x, dot, 2, m, n);
		group_dot(form, t, x, two ? high : dot, 6, m, n);
		group_dot(form, t, x, dot, 3, m, n);
		group_dot(form, t, x, two ? high : dot, 7, m, n);
	} else {
		group_dot(form, t, x, dot, half * 4, m, n);
		group_dot(form, t, x, dot, half * 4 + 1, m, n);
		group_dot(form, t, x, dot, half * 4 + 2, m, n);
		group_dot(form, t, x, dot, half * 4 + 3, m, n);
	}
	for (unsigned k = 0; k < n && two; k++)
		for (unsigned i = 0; i < m; i++)
			dot[k][i] = vi_add(dot[k][i], high[k][i]);
	for (unsigned i = 0; i < m; i++) {
		vf scale = block_scale(form, &t[i], half);
		for (unsigned k = 0; k < n; k++)
			sum[k][i] = vf_fma(vf_from_vi(dot[k][i]), vf_mul(scale, vf_set1(x->scale[k])), sum[k][i]);
	}
	for (unsigned i = 0; i < m && f->mins; i++) {
		vf least = block_least(form, &t[i], half);
		for (unsigned k = 0; k < n; k++)
			sum[k][i] = vf_fma(least, vf_set1(x->scale[k] * (float)total[k]), sum[k][i]);
	}
}

INLINE void int_micro(const enum mat_form form, const uint8_t *const tiles[T], const struct act *a, uint32_t token,
		      vf sum[][T], const unsigned m, const unsigned n)
{
	uint32_t blocks = a->cols / 32, stride = act_group(a->tokens), first = token / stride * stride;
	struct act_block x = {.stride = stride};
	struct tile_block t[T];
	x.q = a->q + (size_t)first * a->cols + (token - first) * 32;
	x.scale = a->scale + (size_t)first * blocks + (token - first);
	x.sum16 = a->sum16 + (size_t)first * blocks * 2 + (token - first);
	for (unsigned i = 0; i < m; i++)
		t[i] = tile_first(form, tiles[i]);
	for (uint32_t b = 1; b <= blocks; b++) {
		int_block(form, t, &x, 0, sum, m, n);
		if (tile_forms[form].block == 16)
			int_block(form, t, &x, 1, sum, m, n);
		for (unsigned i = 0; i < m; i++)
			tile_next(form, &t[i], b);
		x.q += stride * 32;
		x.scale += stride;
		x.sum16 += stride * 2;
	}
}

/* ---- The whole product ------------------------------------------------------------------------------------------- */

/* out: of the first tile and token; rows: of the matrix from the first tile on. */
INLINE void micro(const enum mat_form form, const uint8_t *const tiles[T], const struct act *a, uint32_t token,
		  float *out, size_t out_stride, uint32_t rows, const unsigned m, const unsigned n)
{
	vf sum[VEC_TOKENS][T];
	for (unsigned k = 0; k < n; k++)
		for (unsigned i = 0; i < m; i++)
			sum[k][i] = vf_set1(0);
	if (tile_forms[form].float_bytes)
		float_micro(form, tiles, a, token, sum, m, n);
	else
		int_micro(form, tiles, a, token, sum, m, n);
	for (unsigned k = 0; k < n; k++, out += out_stride)
		for (unsigned i = 0; i < m; i++) {
			if (rows >= (i + 1) * R)
				vf_store(out + i * R, sum[k][i]);
			else if (rows > i * R)
				vf_store_part(out + i * R, sum[k][i], rows - i * R);
		}
}

/* m tiles from tile on (past tile_end: the first again, computed and dropped) and n tokens from token on. */
INLINE void product_part(const enum mat_form form, const struct mat *w, const struct act *a, uint32_t tile,
			 uint32_t tile_end, uint32_t token, float *out, size_t out_stride, const unsigned m,
			 const unsigned n)
{
	uint32_t row = tile * R, row_end = tile_end * R < w->rows ? tile_end * R : w->rows;
	const uint8_t *tiles[T];
	for (unsigned i = 0; i < m; i++)
		tiles[i] = w->tiles + (tile + i < tile_end ? tile + i : tile) * w->tile_bytes;
	micro(form, tiles, a, token, out + token * out_stride + row, out_stride, row_end - row, m, n);
}

/* A group of tokens that does not fill the registers is taken in parts. */
INLINE void product_tokens(const enum mat_form form, const struct mat *w, const struct act *a, uint32_t tile,
			   uint32_t tile_end, float *out, size_t out_stride)
{
	for (uint32_t token = 0, n; token < a->tokens; token += n) {
		uint32_t left = a->tokens - token;
		n = left >= VEC_TOKENS ? VEC_TOKENS : left >= 4 ? 4 : left;
		if (n == VEC_TOKENS)
			product_part(form, w, a, tile, tile_end, token, out, out_stride, VEC_TILES, VEC_TOKENS);
		else if (VEC_TOKENS > 4 && n == 4)
			product_part(form, w, a, tile, tile_end, token, out, out_stride, VEC_TILES, 4);
		else if (VEC_TOKENS > 3 && n == 3)
			product_part(form, w, a, tile, tile_end, token, out, out_stride, VEC_TILES, 3);
		else if (VEC_TOKENS > 2 && n == 2)
			product_part(form, w, a, tile, tile_end, token, out, out_stride, VEC_TILES, 2);
		else
			product_part(form, w, a, tile, tile_end, token, out, out_stride, VEC_TILES, 1);
	}
}

INLINE void product(const enum mat_form form, const struct mat *w, const struct act *a, uint32_t tile,
		    uint32_t tile_end, float *out, size_t out_stride)
{
	const bool floats = tile_forms[form].float_bytes != 0;
	for (; floats && VEC_WIDE > VEC_TILES && tile + VEC_WIDE <= tile_end; tile += VEC_WIDE) {
		uint32_t token = 0;
		for (; token + 4 <= a->tokens; token += 4)
			product_part(form, w, a, tile, tile_end, token, out, out_stride, VEC_WIDE, 4);
		for (; token < a->tokens; token++)
			product_part(form, w, a, tile, tile_end, token, out, out_stride, VEC_WIDE, 1);
	}
	for (; !floats && VEC_TILES > 1 && a->tokens == 1 && tile < tile_end; tile++)
		product_part(form, w, a, tile, tile_end, 0, out, out_stride, 1, 1);
	for (; tile < tile_end; tile += VEC_TILES)
		product_tokens(form, w, a, tile, tile_end, out, out_stride);
}

#define PRODUCT(form)                                                                                          \
	static void product_##form(const struct mat *m, const struct act *a, uint32_t tile, uint32_t tile_end, \
				   float *out, size_t out_stride)                                              \
	{                                                                                                      \
		product(form, m, a, tile, tile_end, out, out_stride);                                          \
	}
PRODUCT(MAT_F32)
PRODUCT(MAT_F16)
PRODUCT(MAT_BF16)
PRODUCT(MAT_Q8_0)
PRODUCT(MAT_Q4_0)
PRODUCT(MAT_Q4_K)
PRODUCT(MAT_Q5_K)
PRODUCT(MAT_Q6_K)
PRODUCT(MAT_Q2_K)
PRODUCT(MAT_Q4_1)
PRODUCT(MAT_Q5_0)
PRODUCT(MAT_Q5_1)
PRODUCT(MAT_IQ4_NL)
PRODUCT(MAT_IQ4_XS)
PRODUCT(MAT_MXFP4)
#undef PRODUCT

static void mat_mul(const struct mat *m, const struct act *a, uint32_t tile, uint32_t tile_end, float *out,
		    size_t out_stride)
{
	switch (m->form) {
	case MAT_F32: product_MAT_F32(m, a, tile, tile_end, out, out_stride); break;
	case MAT_F16: product_MAT_F16(m, a, tile, tile_end, out, out_stride); break;
	case MAT_BF16: product_MAT_BF16(m, a, tile, tile_end, out, out_stride); break;
	case MAT_Q8_0: product_MAT_Q8_0(m, a, tile, tile_end, out, out_stride); break;
	case MAT_Q4_0: product_MAT_Q4_0(m, a, tile, tile_end, out, out_stride); break;
	case MAT_Q4_K: product_MAT_Q4_K(m, a, tile, tile_end, out, out_stride); break;
	case MAT_Q5_K: product_MAT_Q5_K(m, a, tile, tile_end, out, out_stride); break;
	case MAT_Q6_K: product_MAT_Q6_K(m, a, tile, tile_end, out, out_stride); break;
	case MAT_Q2_K: product_MAT_Q2_K(m, a, tile, tile_end, out, out_stride); break;
	case MAT_Q4_1: product_MAT_Q4_1(m, a, tile, tile_end, out, out_stride); break;
	case MAT_Q5_0: product_MAT_Q5_0(m, a, tile, tile_end, out, out_stride); break;
	case MAT_Q5_1: product_MAT_Q5_1(m, a, tile, tile_end, out, out_stride); break;
	case MAT_IQ4_NL: product_MAT_IQ4_NL(m, a, tile, tile_end, out, out_stride); break;
	case MAT_IQ4_XS: product_MAT_IQ4_XS(m, a, tile, tile_end, out, out_stride); break;
	case MAT_MXFP4: product_MAT_MXFP4(m, a, tile, tile_end, out, out_stride); break;
	case MAT_FORM_COUNT: break;
	}
}

#endif
