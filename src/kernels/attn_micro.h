/* attn_micro.h: the two products of attention over the visible pages of a segment, on codes as they are stored.
 * Included after kv_codec.h, once per level.
 *
 * Scores: a lane owns a token. VEC_TILES pages and up to VEC_TOKENS rows are computed together; each score is a chain
 * of fma over the dims, ascending, from 0. Values: a lane owns a dim. Up to VEC_ROWS rows and VEC_DIMS vectors of dims
 * are computed together; each output is a chain of fma over the visible tokens, ascending, from 0. While a page is
 * computed the next one is fetched into the second-level cache (the first has too few misses in flight): pages lie
 * anywhere, so the processor cannot foresee it. */
#ifndef KVIK_KERNELS_ATTN_MICRO_H
#define KVIK_KERNELS_ATTN_MICRO_H

#include "kernels/kv_codec.h"

#define INLINE static inline __attribute__((always_inline))

enum { P = KV_PAGE_TOKENS, SEGMENT_PAGES = ATTN_SEGMENT / P };

/* The visible pages of one segment. */
struct segment {
	uint32_t n;
	uint32_t base[SEGMENT_PAGES];        /* position of the page's first token */
	const uint8_t *k[SEGMENT_PAGES + 1]; /* of this layer and head; after the last, what will be read next */
	const uint8_t *v[SEGMENT_PAGES + 1];
	bool full[SEGMENT_PAGES]; /* every query sees all of the page */
};

/* ---- Scores ------------------------------------------------------------------------------------------------------ */

/* Scores of n rows against VEC_TILES pages: scores[r * ATTN_SEGMENT + page * P + token]. next: where to fetch ahead. */
INLINE void score_micro(const enum kv_dtype d, const uint8_t *const k[VEC_TILES], const uint8_t *const next[VEC_TILES],
			const vf scale[VEC_TILES], uint32_t head_dim, const float *const *q, float *scores,
			const unsigned n)
{
	vf sum[VEC_TOKENS][VEC_TILES];
	for (unsigned r = 0; r < n; r++)
		for (unsigned i = 0; i < VEC_TILES; i++)
			sum[r][i] = vf_set1(0);
	for (size_t dim = 0; dim < head_dim; dim++) {
		vf kd[VEC_TILES];
		for (unsigned i = 0; i < VEC_TILES; i++) {
			__builtin_prefetch(next[i] + dim * P * code_bytes(d), 0, 2);
			kd[i] = load_code(d, k[i], dim * P);
		}
		for (unsigned r = 0; r < n; r++) {
			vf qd = vf_set1(q[r][dim]);
			for (unsigned i = 0; i < VEC_TILES; i++)
				sum[r][i] = vf_fma(kd[i], qd, sum[r][i]);
		}
	}
	for (unsigned r = 0; r < n; r++)
		for (unsigned i = 0; i < VEC_TILES; i++)
			vf_store(scores + r * ATTN_SEGMENT + i * P, vf_mul(sum[r][i], scale[i]));
}

/* The same for int4. Per group of dims: the chain over the codes from 0, then fma with the token's scale into the
 * score; then fma of the sum of q over the group with the token's minimum. q_sums: [row][groups]. */
INLINE void score_micro_int4(const uint8_t *const k[VEC_TILES], const uint8_t *const next[VEC_TILES], vf attn_scale,
			     uint32_t head_dim, const float *const *q, const float *q_sums, float *scores,
			     const unsigned n)
{
	vf sum[VEC_TOKENS][VEC_TILES], part[VEC_TOKENS][VEC_TILES];
	uint32_t groups = kv_groups(head_dim);
	for (unsigned r = 0; r < n; r++)
		for (unsigned i = 0; i < VEC_TILES; i++)
			sum[r][i] = vf_set1(0);
	for (uint32_t g = 0; g < groups; g++) {
		uint32_t dims = head_dim - g * KV_GROUP_DIMS < KV_GROUP_DIMS ? head_dim % KV_GROUP_DIMS : KV_GROUP_DIMS;
		for (unsigned r = 0; r < n; r++)
			for (unsigned i = 0; i < VEC_TILES; i++)
				part[r][i] = vf_set1(0);
		for (uint32_t dim = 0; dim < dims; dim++) {
			size_t at = ((size_t)g * GROUP_BYTES + dim % GROUP_BYTES) * P;
			vf kd[VEC_TILES];
			for (unsigned i = 0; i < VEC_TILES; i++) {
				__builtin_prefetch(next[i] + at, 0, 2);
				kd[i] = dim < GROUP_BYTES ? vf_load_low4(k[i] + at) : vf_load_high4(k[i] + at);
			}
			for (unsigned r = 0; r < n; r++) {
				vf qd = vf_set1(q[r][g * KV_GROUP_DIMS + dim]);
				for (unsigned i = 0; i < VEC_TILES; i++)
					part[r][i] = vf_fma(kd[i], qd, part[r][i]);
			}
		}
		for (unsigned i = 0; i < VEC_TILES; i++) {
			const uint16_t *scales = group_scales(k[i], head_dim, g);
			vf scale = vf_load_f16(scales), min = vf_load_f16(scales + P);
			for (unsigned r = 0; r < n; r++) {
				sum[r][i] = vf_fma(part[r][i], scale, sum[r][i]);
				sum[r][i] = vf_fma(vf_set1(q_sums[r * groups + g]), min, sum[r][i]);
			}
		}
	}
	for (unsigned r = 0; r < n; r++)
		for (unsigned i = 0; i < VEC_TILES; i++)
			vf_store(scores + r * ATTN_SEGMENT + i * P, vf_mul(sum[r][i], attn_scale));
}

/* Rows of int4: few at once, for each has two sums. */
INLINE void score_rows_int4(const uint8_t *const k[VEC_TILES], const uint8_t *const next[VEC_TILES], float attn_scale,
			    uint32_t head_dim, const float *const *q, const float *q_sums, uint32_t rows, float *scores)
{
	enum { N = VEC_TOKENS > 4 ? 4 : 1 };
	uint32_t r = 0, groups = kv_groups(head_dim);
	vf scale = vf_set1(attn_scale);
	for (; r + N <= rows; r += N)
		score_micro_int4(k, next, scale, head_dim, q + r, q_sums + r * groups, scores + r * ATTN_SEGMENT, N);
	for (; N > 1 && r < rows; r++)
		score_micro_int4(k, next, scale, head_dim, q + r, q_sums + r * groups, scores + r * ATTN_SEGMENT, 1);
}

/* All rows against the pages of the segment; room for an odd page's twin is part of scores. */
INLINE void score_pages(const enum kv_dtype d, const struct segment *g, uint32_t head_dim, float attn_scale,
			const float *const *q, const float *q_sums, uint32_t rows, float *scores)
{
	for (uint32_t page = 0; page < g->n; page += VEC_TILES) {
		const uint8_t *k[VEC_TILES], *next[VEC_TILES];
		vf scale[VEC_TILES];
		for (uint32_t i = 0; i < VEC_TILES; i++) { /* past the end: the last again, computed and dropped */
			uint32_t last = g->n - 1, at = page + i < last ? page + i : last;
			k[i] = g->k[at];
			next[i] = g->k[at + VEC_TILES < g->n ? at + VEC_TILES : g->n];
			scale[i] = vf_mul(token_scales(d, k[i], head_dim), vf_set1(attn_scale));
		}
		if (d == KV_INT4) {
			score_rows_int4(k, next, attn_scale, head_dim, q, q_sums, rows, scores + page * P);
			continue;
		}
		uint32_t r = 0;
		float *to = scores + page * P;
		for (; r + VEC_TOKENS <= rows; r += VEC_TOKENS)
			score_micro(d, k, next, scale, head_dim, q + r, to + r * ATTN_SEGMENT, VEC_TOKENS);
		for (; VEC_TOKENS > 4 && r + 4 <= rows; r += 4)
			score_micro(d, k, next, scale, head_dim, q + r, to + r * ATTN_SEGMENT, 4);
		for (; VEC_TOKENS > 1 && r < rows; r++)
			score_micro(d, k, next, scale, head_dim, q + r, to + r * ATTN_SEGMENT, 1);
	}
}

/* ---- Values ------------------------------------------------------------------------------------------------------ */

/* sum[r][j] += weight of the token * V, for one token. */
INLINE void value_token(const enum kv_dtype d, const uint8_t *v, size_t at, const float *p, vf sum[][VEC_DIMS],
			const unsigned n, const unsigned vectors)
{
	vf x[VEC_DIMS];
	for (unsigned j = 0; j < vectors; j++)
		x[j] = d != KV_INT4 ? load_code(d, v, at + j * 16)
		       : j == 0     ? vf_load_low4(v + at / 2)
				    : vf_load_high4(v + at / 2);
	for (unsigned r = 0; r < n; r++) {
		vf pr = vf_set1(p[r * ATTN_SEGMENT]);
		for (unsigned j = 0; j < vectors; j++)
			sum[r][j] = vf_fma(pr, x[j], sum[r][j]);
	}
}

/* The n rows' sums over the segment, dims dim .. of `stride` per token. p: [n][ATTN_SEGMENT] weights; mask: [page]. */
INLINE void value_micro(const enum kv_dtype d, const struct segment *g, uint32_t stride, size_t dim, const float *p,
			const uint16_t *mask, vf sum[][VEC_DIMS], const unsigned n, const unsigned vectors)
{
	for (unsigned r = 0; r < n; r++)
		for (unsigned j = 0; j < vectors; j++)
			sum[r][j] = vf_set1(0);
	for (uint32_t i = 0; i < g->n; i++, p += P) {
		const uint8_t *v = g->v[i], *next = g->v[i + 1];
		if (mask[i] == 0xFFFF) {
			for (size_t t = 0; t < P; t++) {
				size_t at = t * stride + dim;
				__builtin_prefetch(next + (d == KV_INT4 ? at / 2 : at * code_bytes(d)), 0, 2);
				if (d != KV_INT4 && vectors * 16 * code_bytes(d) > 64)
					__builtin_prefetch(next + at * code_bytes(d) + 64, 0, 2);
				value_token(d, v, at, p + t, sum, n, vectors);
			}
		} else {
			for (uint32_t m = mask[i]; m; m &= m - 1) {
				size_t t = (size_t)__builtin_ctz(m);
				value_token(d, v, t * stride + dim, p + t, sum, n, vectors);
			}
		}
	}
}

/* out[r][dim ..] = out * old + sum * new, or sum where nothing was before. */
INLINE void value_merge(vf sum[][VEC_DIMS], float *out, size_t out_stride, const struct attn_row *row, const unsigned n,
			const unsigned vectors)
{
	for (unsigned r = 0; r < n; r++, out += out_stride) {
		vf old = vf_set1(row[r].old), new = vf_set1(row[r].new);
		for (unsigned j = 0; j < vectors; j++)
			vf_store(out + j * 16,
				 row[r].first ? sum[r][j] : vf_fma(vf_load(out + j * 16), old, vf_mul(sum[r][j], new)));
	}
}

INLINE void value_dims(const enum kv_dtype d, const struct segment *g, uint32_t stride, uint32_t dims, const float *p,
		       const uint16_t *mask, const struct attn_row *row, float *out, const unsigned n)
{
	vf sum[VEC_ROWS][VEC_DIMS];
	uint32_t dim = 0;
	for (; dim + VEC_DIMS * 16 <= dims; dim += VEC_DIMS * 16) {
		value_micro(d, g, stride, dim, p, mask, sum, n, VEC_DIMS);
		value_merge(sum, out + dim, dims, row, n, VEC_DIMS);
	}
	for (; VEC_DIMS > 1 && dim < dims; dim += 16) {
		value_micro(d, g, stride, dim, p, mask, sum, n, 1);
		value_merge(sum, out + dim, dims, row, n, 1);
	}
}

/* int4: two vectors, a group of dims, at once; p: [group][rows of the call][ATTN_SEGMENT] weights times scales; minima:
 * [n][groups] sums of weights times minima, added last. */
INLINE void value_dims_int4(const struct segment *g, uint32_t dims, const float *p, size_t group_stride,
			    const float *minima, const uint16_t *mask, const struct attn_row *row, float *out,
			    const unsigned n)
{
	vf sum[VEC_ROWS][VEC_DIMS];
	uint32_t groups = dims / KV_GROUP_DIMS;
	for (uint32_t k = 0; k < groups; k++, p += group_stride, out += KV_GROUP_DIMS) {
		value_micro(KV_INT4, g, dims, (size_t)k * KV_GROUP_DIMS, p, mask, sum, n, 2);
		for (unsigned r = 0; r < n; r++)
			for (unsigned j = 0; j < 2; j++)
				sum[r][j] = vf_add(sum[r][j], vf_set1(minima[r * groups + k]));
		value_merge(sum, out, dims, row, n, 2);
	}
}

INLINE void value_rows_int4(const struct segment *g, uint32_t dims, const float *p, size_t group_stride,
			    const float *minima, const uint16_t *mask, const struct attn_row *row, float *out,
			    uint32_t n)
{
	if (n == VEC_ROWS)
		value_dims_int4(g, dims, p, group_stride, minima, mask, row, out, VEC_ROWS);
	else if (VEC_ROWS > 3 && n == 3)
		value_dims_int4(g, dims, p, group_stride, minima, mask, row, out, 3);
	else if (VEC_ROWS > 2 && n == 2)
		value_dims_int4(g, dims, p, group_stride, minima, mask, row, out, 2);
	else
		value_dims_int4(g, dims, p, group_stride, minima, mask, row, out, 1);
}

/* n rows (1..VEC_ROWS) that see the same tokens. */
INLINE void value_rows(const enum kv_dtype d, const struct segment *g, uint32_t stride, uint32_t dims, const float *p,
		       const uint16_t *mask, const struct attn_row *row, float *out, uint32_t n)
{
	if (n == VEC_ROWS)
		value_dims(d, g, stride, dims, p, mask, row, out, VEC_ROWS);
	else if (VEC_ROWS > 3 && n == 3)
		value_dims(d, g, stride, dims, p, mask, row, out, 3);
	else if (VEC_ROWS > 2 && n == 2)
		value_dims(d, g, stride, dims, p, mask, row, out, 2);
	else
		value_dims(d, g, stride, dims, p, mask, row, out, 1);
}

#endif
