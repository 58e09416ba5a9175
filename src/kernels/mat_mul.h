/* mat_mul.h: activations times packed weights. Included after a vec_*.h, once per level.
 *
 * Two tiles (32 rows) and up to 4 tokens are computed together, so that a weight is loaded once for 4 tokens and an
 * activation once for 32 rows. The columns are walked in chunks: the tiles' weights of a chunk are first expanded to
 * f32 or to 8-bit codes with f32 scales (in the first-level cache), then meet all tokens of a batch of TOKENS.
 *
 * Order of additions of one output, the same for every level, batch and split of the work:
 *   float forms    acc = fma(w[c], x[c], acc), c ascending, from 0
 *   integer forms  per block of `block` columns, ascending: dot = exact sum of (code - zero) * q;
 *                  acc = fma((float)dot, scale * act_scale, acc), then with mins
 *                  acc = fma(-min, act_scale * (float)(sum of the block's q), acc)   */
#ifndef KVIK_KERNELS_MAT_MUL_H
#define KVIK_KERNELS_MAT_MUL_H

#include "kernels/kernels.h"
#include "kernels/tile.h"

#define INLINE static inline __attribute__((always_inline))

enum { PAIR = 2 * MAT_TILE_ROWS, TOKENS = 64, FLOAT_CHUNK = 128, INT_CHUNK = 256 };

/* ---- Float forms ------------------------------------------------------------------------------------------------- */

/* acc[t][32] += w * x for n tokens; w: two tiles of [cols][16]. */
INLINE void float_micro(const float *const w[2], uint32_t cols, const float *x, size_t x_stride, float *acc, unsigned n)
{
	vf sum[4][2];
	for (unsigned t = 0; t < n; t++)
		for (unsigned i = 0; i < 2; i++)
			sum[t][i] = vf_load(acc + t * PAIR + i * MAT_TILE_ROWS);
	for (uint32_t c = 0; c < cols; c++) {
		vf w0 = vf_load(w[0] + c * MAT_TILE_ROWS), w1 = vf_load(w[1] + c * MAT_TILE_ROWS);
		for (unsigned t = 0; t < n; t++) {
			vf xt = vf_set1(x[t * x_stride + c]);
			sum[t][0] = vf_fma(w0, xt, sum[t][0]);
			sum[t][1] = vf_fma(w1, xt, sum[t][1]);
		}
	}
	for (unsigned t = 0; t < n; t++)
		for (unsigned i = 0; i < 2; i++)
			vf_store(acc + t * PAIR + i * MAT_TILE_ROWS, sum[t][i]);
}

static void float_chunk(const float *const w[2], uint32_t cols, const float *x, size_t x_stride, float *acc,
			uint32_t tokens)
{
	uint32_t t = 0;
	for (; t + 4 <= tokens; t += 4)
		float_micro(w, cols, x + t * x_stride, x_stride, acc + t * PAIR, 4);
	switch (tokens - t) {
	case 3: float_micro(w, cols, x + t * x_stride, x_stride, acc + t * PAIR, 3); break;
	case 2: float_micro(w, cols, x + t * x_stride, x_stride, acc + t * PAIR, 2); break;
	case 1: float_micro(w, cols, x + t * x_stride, x_stride, acc + t * PAIR, 1); break;
	}
}

/* The f32 weights of a chunk of one tile: in place, or expanded into room. */
static const float *expand_float(enum mat_form form, const uint8_t *tile, uint32_t col, uint32_t cols, float *room)
{
	if (form == MAT_F32)
		return (const float *)tile + (size_t)col * MAT_TILE_ROWS;
	const uint16_t *half = (const uint16_t *)tile + (size_t)col * MAT_TILE_ROWS;
	for (uint32_t c = 0; c < cols; c++) {
		const uint16_t *from = half + c * MAT_TILE_ROWS;
		vf_store(room + c * MAT_TILE_ROWS, form == MAT_F16 ? vf_load_f16(from) : vf_load_bf16(from));
	}
	return room;
}

static void float_pair(const struct mat *m, const struct act *a, const uint8_t *const tiles[2], uint32_t token,
		       uint32_t tokens, float *acc)
{
	float room[2][FLOAT_CHUNK * MAT_TILE_ROWS];
	for (uint32_t col = 0; col < m->cols; col += FLOAT_CHUNK) {
		uint32_t cols = m->cols - col < FLOAT_CHUNK ? m->cols - col : FLOAT_CHUNK;
		const float *w[2] = {expand_float(m->form, tiles[0], col, cols, room[0]),
				     expand_float(m->form, tiles[1], col, cols, room[1])};
		float_chunk(w, cols, a->x + (size_t)token * a->cols + col, a->cols, acc, tokens);
	}
}

/* ---- Integer forms ----------------------------------------------------------------------------------------------- */

/* A chunk of one tile as the product takes it. */
struct int_chunk {
	const uint8_t *codes; /* [groups of 4 columns][16 rows][4] */
	uint8_t room[INT_CHUNK * MAT_TILE_ROWS];
	float scale[INT_CHUNK / 16][16]; /* [block] */
	float min[INT_CHUNK / 16][16];
};

static void expand_codes(const struct tile_form *f, const uint8_t *codes, const uint8_t *high, uint32_t blocks,
			 struct int_chunk *out)
{
	if (f->codes == 512) {
		out->codes = codes;
		return;
	}
	out->codes = out->room;
	for (uint32_t b = 0; b < blocks; b++, codes += f->codes, high += f->high) {
		uint8_t *to = out->room + b * 512;
		for (unsigned part = 0; part < 4; part++)
			for (unsigned i = 0; i < 64; i++) {
				to[part * 64 + i] = codes[part * 64 + i] & 15;
				to[part * 64 + 256 + i] = codes[part * 64 + i] >> 4;
			}
		for (unsigned g = 0; g < 8 && f->high == 64; g++)
			for (unsigned i = 0; i < 64; i++)
				to[g * 64 + i] |= (uint8_t)((high[i] >> g & 1) << 4);
		for (unsigned g = 0; g < 8 && f->high == 128; g++)
			for (unsigned i = 0; i < 64; i++)
				to[g * 64 + i] |= (uint8_t)((high[g / 4 * 64 + i] >> (g % 4 * 2) & 3) << 4);
	}
}

/* scale and super point at the chunk's first ones. */
static void expand_scales(enum mat_form form, const uint8_t *scale, const uint8_t *super, uint32_t blocks,
			  struct int_chunk *out)
{
	const float *f32 = (const float *)scale;
	const uint16_t *f16 = (const uint16_t *)scale, *d = (const uint16_t *)super;
	switch (form) {
	case MAT_Q8_0:
	case MAT_Q4_0:
		for (uint32_t b = 0; b < blocks; b++)
			vf_store(out->scale[b], vf_load_f16(f16 + b * 16));
		break;
	case MAT_Q4_K:
	case MAT_Q5_K:
		for (uint32_t b = 0; b < blocks; b++) {
			vf_store(out->scale[b], vf_mul(vf_load_f16(d), vf_load_u8(scale + b * 32)));
			vf_store(out->min[b], vf_mul(vf_load_f16(d + 16), vf_load_u8(scale + b * 32 + 16)));
		}
		break;
	case MAT_Q6_K:
		for (uint32_t b = 0; b < 2 * blocks; b++)
			vf_store(out->scale[b], vf_mul(vf_load_f16(d), vf_load_i8((const int8_t *)scale + b * 16)));
		break;
	default:
		for (uint32_t b = 0; b < (form == MAT_U8_16 ? 2 * blocks : blocks); b++) {
			vf_store(out->scale[b], vf_load(f32 + b * 32));
			vf_store(out->min[b], vf_load(f32 + b * 32 + 16));
		}
	}
}

/* blocks of 32 columns from column col on. */
static void expand_int(const struct mat *m, const uint8_t *tile, uint32_t col, uint32_t blocks, struct int_chunk *out)
{
	const struct tile_form *f = &tile_forms[m->form];
	struct tile_parts p = tile_parts(m->form, m->cols);
	size_t block = col / 32;
	expand_codes(f, tile + block * f->codes, tile + p.high + block * f->high, blocks, out);
	expand_scales(m->form, tile + p.scale + block * f->scale, tile + p.super + block / 8 * f->super, blocks, out);
}

/* acc[t][32] += for n tokens from token on, over `blocks` scale blocks of B columns from column col on. */
INLINE void int_micro(const struct int_chunk c[2], const struct act *a, uint32_t token, uint32_t col, uint32_t blocks,
		      int zero, bool mins, float *acc, const unsigned B, const unsigned n)
{
	vf sum[4][2];
	for (unsigned t = 0; t < n; t++)
		for (unsigned i = 0; i < 2; i++)
			sum[t][i] = vf_load(acc + t * PAIR + i * MAT_TILE_ROWS);
	for (uint32_t b = 0; b < blocks; b++) {
		vi dot[4][2];
		float da[4], total[4];
		for (unsigned t = 0; t < n; t++) {
			uint32_t at = col + b * B;
			const int32_t *sum16 = a->sum16 + (size_t)(token + t) * (a->cols / 16) + at / 16;
			int32_t codes = B == 32 ? sum16[0] + sum16[1] : sum16[0];
			da[t] = a->scale[(size_t)(token + t) * (a->cols / 32) + at / 32];
			total[t] = (float)codes;
			dot[t][0] = dot[t][1] = vi_set1(-zero * codes);
		}
		for (unsigned g = 0; g < B / 4; g++) {
			size_t at = (size_t)(b * (B / 4) + g) * 64;
			vw w0 = vw_load(c[0].codes + at), w1 = vw_load(c[1].codes + at);
			for (unsigned t = 0; t < n; t++) {
				const int8_t *q = a->q + (size_t)(token + t) * a->cols + col + b * B + 4 * g;
				dot[t][0] = vi_dot4(dot[t][0], w0, q);
				dot[t][1] = vi_dot4(dot[t][1], w1, q);
			}
		}
		for (unsigned i = 0; i < 2; i++) {
			vf scale = vf_load(c[i].scale[b]);
			vf min = mins ? vf_sub(vf_set1(0), vf_load(c[i].min[b])) : vf_set1(0);
			for (unsigned t = 0; t < n; t++) {
				vf s = vf_mul(scale, vf_set1(da[t]));
				sum[t][i] = vf_fma(vf_from_vi(dot[t][i]), s, sum[t][i]);
				if (mins)
					sum[t][i] = vf_fma(min, vf_set1(da[t] * total[t]), sum[t][i]);
			}
		}
	}
	for (unsigned t = 0; t < n; t++)
		for (unsigned i = 0; i < 2; i++)
			vf_store(acc + t * PAIR + i * MAT_TILE_ROWS, sum[t][i]);
}

INLINE void int_chunk_tokens(const struct int_chunk c[2], const struct act *a, uint32_t token, uint32_t tokens,
			     uint32_t col, uint32_t cols, int zero, bool mins, float *acc, const unsigned B)
{
	uint32_t t = 0, blocks = cols / B;
	for (; t + 4 <= tokens; t += 4)
		int_micro(c, a, token + t, col, blocks, zero, mins, acc + t * PAIR, B, 4);
	switch (tokens - t) {
	case 3: int_micro(c, a, token + t, col, blocks, zero, mins, acc + t * PAIR, B, 3); break;
	case 2: int_micro(c, a, token + t, col, blocks, zero, mins, acc + t * PAIR, B, 2); break;
	case 1: int_micro(c, a, token + t, col, blocks, zero, mins, acc + t * PAIR, B, 1); break;
	}
}

static void int_pair(const struct mat *m, const struct act *a, const uint8_t *const tiles[2], uint32_t token,
		     uint32_t tokens, float *acc)
{
	const struct tile_form *f = &tile_forms[m->form];
	struct int_chunk c[2];
	for (uint32_t col = 0; col < m->cols; col += INT_CHUNK) {
		uint32_t cols = m->cols - col < INT_CHUNK ? m->cols - col : INT_CHUNK;
		for (unsigned i = 0; i < 2; i++)
			expand_int(m, tiles[i], col, cols / 32, &c[i]);
		if (f->block == 16 && f->mins)
			int_chunk_tokens(c, a, token, tokens, col, cols, f->zero, true, acc, 16);
		else if (f->block == 16)
			int_chunk_tokens(c, a, token, tokens, col, cols, f->zero, false, acc, 16);
		else if (f->mins)
			int_chunk_tokens(c, a, token, tokens, col, cols, f->zero, true, acc, 32);
		else
			int_chunk_tokens(c, a, token, tokens, col, cols, f->zero, false, acc, 32);
	}
}

/* ---- The whole product ------------------------------------------------------------------------------------------- */

static void store_tile(const struct mat *m, uint32_t tile, const float *acc, uint32_t tokens, float *out,
		       size_t out_stride)
{
	uint32_t row = tile * MAT_TILE_ROWS;
	uint32_t rows = m->rows - row < MAT_TILE_ROWS ? m->rows - row : MAT_TILE_ROWS;
	for (uint32_t t = 0; t < tokens; t++) {
		vf v = vf_load(acc + t * PAIR);
		if (rows == MAT_TILE_ROWS)
			vf_store(out + t * out_stride + row, v);
		else
			vf_store_part(out + t * out_stride + row, v, rows);
	}
}

static void mat_mul(const struct mat *m, const struct act *a, uint32_t tile, uint32_t tile_end, float *out,
		    size_t out_stride)
{
	float acc[TOKENS * PAIR];
	for (; tile < tile_end; tile += 2) {
		bool two = tile + 1 < tile_end; /* else the second half of acc is computed and dropped */
		const uint8_t *first = m->tiles + tile * m->tile_bytes;
		const uint8_t *const tiles[2] = {first, two ? first + m->tile_bytes : first};
		for (uint32_t token = 0; token < a->tokens; token += TOKENS) {
			uint32_t tokens = a->tokens - token < TOKENS ? a->tokens - token : TOKENS;
			memset(acc, 0, tokens * PAIR * sizeof *acc);
			if (mat_form_takes_int8(m->form))
				int_pair(m, a, tiles, token, tokens, acc);
			else
				float_pair(m, a, tiles, token, tokens, acc);
			store_tile(m, tile, acc, tokens, out + token * out_stride, out_stride);
			if (two)
				store_tile(m, tile + 1, acc + MAT_TILE_ROWS, tokens, out + token * out_stride,
					   out_stride);
		}
	}
}

#endif
