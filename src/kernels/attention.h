/* attention.h: softmax(q K) V over pages, and writing K and V into them. Included after elementwise.h, once per level.
 *
 * A row is one query of one head; all rows of a call share the kv head, so K and V of a page are expanded to f32 once
 * for all of them. The positions are cut into segments of SEGMENT at absolute places. Per row and segment: score    fma
 * chain over dims, ascending, from 0; times the token's K scale (int8), times the attention scale weight   exp(score -
 * maximum of the segment), exactly 0 where masked sum      16 partials by position mod 16, then the fixed tree out fma
 * chain over the visible positions, ascending, of weight (times the V scale) and V Segments are merged in ascending
 * order; one without a visible position is skipped. So the bits of a row depend on its position, the mask and the
 * stored values, never on what else is computed beside it. */
#ifndef KVIK_KERNELS_ATTENTION_H
#define KVIK_KERNELS_ATTENTION_H

#include "kernels/attn_scratch.h"
#include "kernels/elementwise.h"

#define INLINE static inline __attribute__((always_inline))

enum { P = KV_PAGE_TOKENS, SEGMENT_PAGES = ATTN_SEGMENT / P };

/* ---- Pages to f32 ------------------------------------------------------------------------------------------------ */

static inline vf load_code(enum kv_dtype d, const uint8_t *from, size_t i)
{
	switch (d) {
	case KV_F16: return vf_load_f16((const uint16_t *)from + i);
	case KV_BF16: return vf_load_bf16((const uint16_t *)from + i);
	case KV_INT8: return vf_load_i8((const int8_t *)from + i);
	default: return vf_load((const float *)from + i);
	}
}

INLINE void expand(enum kv_dtype d, const uint8_t *from, size_t n, float *to)
{
	for (size_t i = 0; i < n; i += 16)
		vf_store(to + i, load_code(d, from, i));
}

/* n codes, a multiple of 16, in place (f32) or expanded into room. */
static const float *expand_codes_f32(enum kv_dtype d, const uint8_t *from, size_t n, float *room)
{
	switch (d) {
	case KV_F16: expand(KV_F16, from, n, room); break;
	case KV_BF16: expand(KV_BF16, from, n, room); break;
	case KV_INT8: expand(KV_INT8, from, n, room); break;
	default: return (const float *)from;
	}
	return room;
}

/* Scales of a page's tokens, behind the codes; 1 for dtypes without. */
static vf token_scales(enum kv_dtype d, const uint8_t *head, uint32_t head_dim)
{
	return d == KV_INT8 ? vf_load((const float *)(head + (size_t)P * head_dim)) : vf_set1(1);
}

/* ---- Masks ------------------------------------------------------------------------------------------------------- */

/* Bit i: position base + i is one of from..to-1. */
static uint32_t range_mask(uint32_t base, uint32_t from, uint32_t to)
{
	uint32_t lo = from > base ? from - base : 0, hi = to > base ? to - base : 0;
	if (hi > P)
		hi = P;
	return lo >= hi ? 0 : ((1u << hi) - 1) & ~((1u << lo) - 1);
}

/* Visible positions of the page that begins at base, for a query at pos. */
static uint32_t visible(const struct attn *a, uint32_t pos, uint32_t base)
{
	uint32_t from = a->window && pos + 1 > a->window ? pos + 1 - a->window : 0;
	uint32_t mask = range_mask(base, from, pos + 1);
	if (from > 0 && a->sinks)
		mask |= range_mask(base, 0, a->sinks < pos + 1 ? a->sinks : pos + 1);
	return mask;
}

/* ---- One page, some rows ----------------------------------------------------------------------------------------- */

/* scores[r][16] of n rows: chains over dims. */
INLINE void score_rows(const float *k, uint32_t head_dim, const float *const *q, vf scale, float *scores,
		       const unsigned n)
{
	vf sum[8];
	for (unsigned r = 0; r < n; r++)
		sum[r] = vf_set1(0);
	for (uint32_t d = 0; d < head_dim; d++) {
		vf kd = vf_load(k + d * P);
		for (unsigned r = 0; r < n; r++)
			sum[r] = vf_fma(kd, vf_set1(q[r][d]), sum[r]);
	}
	for (unsigned r = 0; r < n; r++)
		vf_store(scores + r * ATTN_SEGMENT, vf_mul(sum[r], scale));
}

static void score_page(const struct attn *a, const float *k, vf k_scale, const float *const *q, uint32_t rows,
		       float *scores)
{
	vf scale = vf_mul(k_scale, vf_set1(a->scale));
	uint32_t r = 0, head_dim = a->layout->head_dim;
	for (; r + 8 <= rows; r += 8)
		score_rows(k, head_dim, q + r, scale, scores + r * ATTN_SEGMENT, 8);
	for (; r + 4 <= rows; r += 4)
		score_rows(k, head_dim, q + r, scale, scores + r * ATTN_SEGMENT, 4);
	for (; r < rows; r++)
		score_rows(k, head_dim, q + r, scale, scores + r * ATTN_SEGMENT, 1);
}

/* out[0..16 * n) += sum over the visible tokens of p[token] * v[token][...], ascending. */
INLINE void weigh_lanes(const float *v, uint32_t dims, const float *p, uint32_t mask, float *out, const unsigned n)
{
	vf sum[8];
	for (unsigned i = 0; i < n; i++)
		sum[i] = vf_load(out + 16 * i);
	if (mask == 0xFFFF) {
		for (unsigned t = 0; t < P; t++) {
			vf pt = vf_set1(p[t]);
			for (unsigned i = 0; i < n; i++)
				sum[i] = vf_fma(pt, vf_load(v + t * dims + 16 * i), sum[i]);
		}
	} else {
		for (; mask; mask &= mask - 1) {
			unsigned t = (unsigned)__builtin_ctz(mask);
			vf pt = vf_set1(p[t]);
			for (unsigned i = 0; i < n; i++)
				sum[i] = vf_fma(pt, vf_load(v + t * dims + 16 * i), sum[i]);
		}
	}
	for (unsigned i = 0; i < n; i++)
		vf_store(out + 16 * i, sum[i]);
}

static void weigh_row(const float *v, uint32_t dims, const float *p, uint32_t mask, float *out)
{
	uint32_t d = 0;
	for (; d + 128 <= dims; d += 128)
		weigh_lanes(v + d, dims, p, mask, out + d, 8);
	for (; d + 64 <= dims; d += 64)
		weigh_lanes(v + d, dims, p, mask, out + d, 4);
	for (; d < dims; d += 16)
		weigh_lanes(v + d, dims, p, mask, out + d, 1);
}

/* ---- One segment ------------------------------------------------------------------------------------------------- */

struct segment {
	uint32_t first_page, pages; /* absolute page index */
};

static void segment_scores(const struct attn *a, struct attn_scratch *s, struct segment g, uint32_t rows)
{
	const struct kv_layout *l = a->layout;
	uint32_t last = a->position + a->queries - 1;
	for (uint32_t i = 0; i < g.pages; i++) {
		uint32_t base = (g.first_page + i) * P;
		uint32_t any = 0;
		for (uint32_t pos = a->position; pos <= last; pos++)
			any |= visible(a, pos, base);
		s->any[i] = any;
		if (!any)
			continue;
		const uint8_t *head = a->pages[g.first_page + i] + kv_layout_k(l, a->layer, a->kv_head);
		const float *k = expand_codes_f32(l->k, head, (size_t)P * l->head_dim, s->room);
		score_page(a, k, token_scales(l->k, head, l->head_dim), s->q, rows, s->scores + i * P);
	}
}

/* Scores of row r become weights; max and sum of the segment. False: nothing is visible. */
static bool segment_softmax(const struct attn *a, struct attn_scratch *s, struct segment g, uint32_t r)
{
	uint32_t pos = a->position + r / a->heads;
	float *scores = s->scores + r * ATTN_SEGMENT;
	vf max = vf_set1(-INFINITY);
	uint32_t seen = 0;
	for (uint32_t i = 0; i < g.pages; i++) {
		uint32_t mask = s->any[i] ? visible(a, pos, (g.first_page + i) * P) : 0;
		s->mask[r * SEGMENT_PAGES + i] = (uint16_t)mask;
		seen |= mask;
		if (mask)
			max = vf_max(vf_select_mask(mask, vf_load(scores + i * P), vf_set1(-INFINITY)), max);
	}
	if (!seen)
		return false;
	float top = tree_max(max);
	vf sum = vf_set1(0);
	for (uint32_t i = 0; i < g.pages; i++) {
		uint32_t mask = s->mask[r * SEGMENT_PAGES + i];
		if (!mask)
			continue;
		vf w = vf_exp(vf_sub(vf_load(scores + i * P), vf_set1(top)));
		w = vf_select_mask(mask, w, vf_set1(0));
		sum = vf_add(sum, w);
		vf_store(scores + i * P, w);
	}
	s->part_max[r] = top;
	s->part_sum[r] = tree_sum(sum);
	return true;
}

static void segment_values(const struct attn *a, struct attn_scratch *s, struct segment g, uint32_t rows)
{
	const struct kv_layout *l = a->layout;
	uint32_t dims = s->dims;
	for (uint32_t i = 0; i < g.pages; i++) {
		if (!s->any[i])
			continue;
		const uint8_t *head = a->pages[g.first_page + i] + kv_layout_v(l, a->layer, a->kv_head);
		const float *v = s->room;
		if (dims == l->head_dim) {
			v = expand_codes_f32(l->v, head, (size_t)P * dims, s->room);
		} else { /* rows are padded to whole vectors */
			const float *tight = expand_codes_f32(l->v, head, (size_t)P * l->head_dim, s->tight);
			for (uint32_t t = 0; t < P; t++)
				memcpy(s->room + t * dims, tight + t * l->head_dim, l->head_dim * sizeof *tight);
		}
		vf v_scale = token_scales(l->v, head, l->head_dim);
		for (uint32_t r = 0; r < rows; r++) {
			uint32_t mask = s->mask[r * SEGMENT_PAGES + i];
			float p[P];
			if (!mask)
				continue;
			vf_store(p, vf_mul(vf_load(s->scores + r * ATTN_SEGMENT + i * P), v_scale));
			weigh_row(v, dims, p, mask, s->part + r * dims);
		}
	}
}

/* Adds the segment's part of row r to what earlier segments gave. */
static void merge(struct attn_scratch *s, uint32_t r)
{
	float *out = s->out + r * s->dims;
	const float *part = s->part + r * s->dims;
	if (s->sum[r] == 0) { /* the first visible segment: its sum is at least exp(0) */
		s->max[r] = s->part_max[r];
		s->sum[r] = s->part_sum[r];
		memcpy(out, part, s->dims * sizeof *out);
		return;
	}
	float max = s->max[r] > s->part_max[r] ? s->max[r] : s->part_max[r];
	vf old = vf_exp(vf_set1(s->max[r] - max)), new = vf_exp(vf_set1(s->part_max[r] - max));
	float sums[16];
	vf_store(sums, vf_fma(vf_set1(s->sum[r]), old, vf_mul(vf_set1(s->part_sum[r]), new)));
	s->sum[r] = sums[0];
	s->max[r] = max;
	for (uint32_t d = 0; d < s->dims; d += 16)
		vf_store(out + d, vf_fma(vf_load(out + d), old, vf_mul(vf_load(part + d), new)));
}

static void attend_segment(const struct attn *a, struct attn_scratch *s, struct segment g, uint32_t rows)
{
	segment_scores(a, s, g, rows);
	memset(s->part, 0, (size_t)rows * s->dims * sizeof *s->part);
	bool any = false;
	for (uint32_t r = 0; r < rows; r++) {
		s->seen[r] = segment_softmax(a, s, g, r);
		any |= s->seen[r];
	}
	if (!any)
		return;
	segment_values(a, s, g, rows);
	for (uint32_t r = 0; r < rows; r++)
		if (s->seen[r])
			merge(s, r);
}

static void attention(const struct attn *a)
{
	uint32_t rows = a->heads * a->queries, head_dim = a->layout->head_dim;
	struct attn_scratch s;
	attn_scratch_carve(&s, a->scratch, rows, head_dim);
	for (uint32_t r = 0; r < rows; r++)
		s.q[r] = a->q + r / a->heads * a->q_stride + r % a->heads * head_dim;
	uint32_t pages = (a->position + a->queries + P - 1) / P;
	for (uint32_t first = 0; first < pages; first += SEGMENT_PAGES) {
		uint32_t left = pages - first;
		struct segment g = {first, left < SEGMENT_PAGES ? left : SEGMENT_PAGES};
		attend_segment(a, &s, g, rows);
	}
	for (uint32_t r = 0; r < rows; r++) {
		float *out = a->out + r / a->heads * a->q_stride + r % a->heads * head_dim;
		float inverse = 1 / s.sum[r];
		for (uint32_t d = 0; d < head_dim; d++)
			out[d] = s.out[r * s.dims + d] * inverse;
	}
}

/* ---- Writing ----------------------------------------------------------------------------------------------------- */

/* x[n] as codes of dtype d in room (4-byte aligned); returns the scale. */
static float encode(enum kv_dtype d, const float *x, uint32_t n, uint8_t *room)
{
	float scale = 1;
	vf by = vf_set1(1);
	if (d == KV_INT8) {
		vf max = vf_set1(0);
		for (uint32_t i = 0; i < n; i += 16)
			max = vf_max(vf_abs(vf_load_part(x + i, n - i < 16 ? n - i : 16)), max);
		float top = tree_max(max);
		by = vf_set1(top > 0x1p-100f ? 127 / top : 0);
		scale = top > 0x1p-100f ? top / 127 : top - top;
	}
	for (uint32_t i = 0; i < n; i += 16) {
		vf v = vf_load_part(x + i, n - i < 16 ? n - i : 16);
		switch (d) {
		case KV_F16: vf_store_f16((uint16_t *)(void *)room + i, v); break;
		case KV_INT8: store_codes((int8_t *)room + i, vf_mul(v, by)); break;
		case KV_BF16:
			for (uint32_t l = i; l < n && l < i + 16; l++)
				((uint16_t *)(void *)room)[l] = f32_to_bf16(x[l]);
			break;
		default: vf_store((float *)(void *)room + i, v);
		}
	}
	return scale;
}

/* K is a column of [head_dim][P]. */
static void scatter(uint8_t *head, const uint8_t *codes, uint32_t bytes, uint32_t head_dim, uint32_t slot)
{
	for (uint32_t i = 0; i < head_dim; i++)
		memcpy(head + (i * P + slot) * bytes, codes + i * bytes, bytes);
}

static void kv_write(const struct kv_layout *l, uint8_t *page, uint32_t layer, uint32_t slot, const float *k,
		     const float *v)
{
	static const uint32_t bytes[KV_DTYPE_COUNT] = {[KV_F32] = 4, [KV_F16] = 2, [KV_BF16] = 2, [KV_INT8] = 1};
	float room[ATTN_HEAD_DIM_MAX + 16];
	uint8_t *codes = (uint8_t *)room;
	uint32_t n = l->head_dim;
	for (uint32_t h = 0; h < l->kv_heads; h++) {
		uint8_t *to = page + kv_layout_k(l, layer, h);
		float scale = encode(l->k, k + h * n, n, codes);
		switch (l->k) { /* constant sizes, so that the copies become single moves */
		case KV_F32: scatter(to, codes, 4, n, slot); break;
		case KV_INT8: scatter(to, codes, 1, n, slot); break;
		default: scatter(to, codes, 2, n, slot);
		}
		if (l->k == KV_INT8)
			memcpy(to + (size_t)P * n + 4 * slot, &scale, sizeof scale);
		to = page + kv_layout_v(l, layer, h);
		scale = encode(l->v, v + h * n, n, codes);
		memcpy(to + (size_t)slot * n * bytes[l->v], codes, (size_t)n * bytes[l->v]);
		if (l->v == KV_INT8)
			memcpy(to + (size_t)P * n + 4 * slot, &scale, sizeof scale);
	}
}

#endif
