/* attention.h: softmax(q K) V over pages. Included after a vec_*.h, once per level.
 *
 * A row is one query of one head; all rows of a call share the kv head, so a page is read from memory once for all of
 * them. The positions are cut into segments of ATTN_SEGMENT at absolute places. Per row and segment:
 *   score    fma chain over dims, ascending, from 0; times the token's K scale times the attention scale; capped
 *   weight   exp(score - maximum of the segment), exactly 0 where masked
 *   sum      16 partials by position mod 16, then the fixed tree
 *   out      fma chain over the visible positions, ascending, of weight (times the V scale) and V
 * int4 adds what its groups need (attn_micro.h); rotated keys meet rotated queries, and outputs are rotated back last.
 * Segments are merged in ascending order; one without a visible position is skipped. A sink enters last, as a segment
 * of one position without a value. So the bits of a row depend on its
 * position, the mask and the stored values, never on what else is computed beside it. */
#ifndef KVIK_KERNELS_ATTENTION_H
#define KVIK_KERNELS_ATTENTION_H

#include "kernels/attn_micro.h"

/* ---- Masks ------------------------------------------------------------------------------------------------------- */

/* Bit i: position base + i is one of from..to-1. */
static uint32_t range_mask(uint32_t base, uint32_t from, uint32_t to)
{
	uint32_t lo = from > base ? from - base : 0, hi = to > base ? to - base : 0;
	if (hi > P)
		hi = P;
	return lo >= hi ? 0 : ((1u << hi) - 1) & ~((1u << lo) - 1);
}

/* The first position that the query at pos sees through the window. */
static uint32_t window_start(const struct attn *a, uint32_t pos)
{
	return a->window && pos + 1 > a->window ? pos + 1 - a->window : 0;
}

/* Positions of the page at base that the queries first..last see between them: their windows overlap. */
static uint32_t visible(const struct attn *a, uint32_t first, uint32_t last, uint32_t base)
{
	uint32_t from = window_start(a, first), mask = range_mask(base, from, last + 1);
	if (from > 0 && a->sinks)
		mask |= range_mask(base, 0, a->sinks < last + 1 ? a->sinks : last + 1);
	return mask;
}

/* ---- One segment ------------------------------------------------------------------------------------------------- */

/* The first segment's page from `page` on in which anything may be seen: nothing is, between the sinks and the window.
 * So a step of a stream costs the same however long it has run. */
static uint32_t skip_unseen(const struct attn *a, uint32_t page)
{
	uint32_t window = window_start(a, a->position) / ATTN_SEGMENT * SEGMENT_PAGES;
	return page * P < a->sinks || page > window ? page : window;
}

/* The page of a block; NULL: there is none. */
static const uint8_t *page_of(const struct attn *a, uint32_t block)
{
	uint32_t id = page_table_at(&a->pages, block);
	return id ? page_address(&a->area, id) : NULL;
}

/* Lists the pages that any query sees. The pointers after the last name what is read after the products: V after K,
 * and the next segment's K after V. */
static void list_pages(const struct attn *a, uint32_t first_page, uint32_t pages, struct segment *g)
{
	uint32_t last = a->position + a->queries - 1;
	size_t k = kv_layout_k(a->layout, a->layer, a->kv_head), v = kv_layout_v(a->layout, a->layer, a->kv_head);
	uint32_t end = first_page + SEGMENT_PAGES < pages ? first_page + SEGMENT_PAGES : pages;
	g->n = 0;
	for (uint32_t page = first_page; page < end; page++) {
		uint32_t base = page * P;
		if (!visible(a, a->position, last, base))
			continue;
		g->base[g->n] = base;
		const uint8_t *at = page_address(&a->area, page_table_at(&a->pages, page));
		g->k[g->n] = at + k;
		g->v[g->n] = at + v;
		g->full[g->n++] = base + P - 1 <= a->position && base >= window_start(a, last);
	}
	const uint8_t *after = end < pages ? page_of(a, end) : NULL;
	g->k[g->n] = g->v[0];
	g->v[g->n] = after ? after + k : g->v[0];
}

static void segment_scores(const struct attn *a, struct attn_scratch *s, const struct segment *g, uint32_t rows)
{
	uint32_t n = a->layout->head_dim;
	switch (a->layout->k) {
	case KV_F16: score_pages(KV_F16, g, n, a->scale, s->q, s->q_sums, rows, s->scores); break;
	case KV_BF16: score_pages(KV_BF16, g, n, a->scale, s->q, s->q_sums, rows, s->scores); break;
	case KV_FP8: score_pages(KV_FP8, g, n, a->scale, s->q, s->q_sums, rows, s->scores); break;
	case KV_INT4: score_pages(KV_INT4, g, n, a->scale, s->q, s->q_sums, rows, s->scores); break;
	case KV_INT8: score_pages(KV_INT8, g, n, a->scale, s->q, s->q_sums, rows, s->scores); break;
	default: score_pages(KV_F32, g, n, a->scale, s->q, s->q_sums, rows, s->scores);
	}
}

/* Which tokens of each listed page each query sees. */
static void segment_masks(const struct attn *a, struct attn_scratch *s, const struct segment *g)
{
	for (uint32_t i = 0; i < a->queries; i++)
		for (uint32_t p = 0; p < g->n; p++) {
			uint32_t pos = a->position + i;
			s->mask[i * SEGMENT_PAGES + p] =
				g->full[p] ? 0xFFFF : (uint16_t)visible(a, pos, pos, g->base[p]);
		}
}

/* The largest visible score; false: nothing is visible. */
static bool segment_max(const struct segment *g, const uint16_t *mask, const float *scores, float *top)
{
	vf max = vf_set1(-INFINITY);
	uint32_t seen = 0;
	for (uint32_t i = 0; i < g->n; i++) {
		vf score = vf_load(scores + i * P);
		if (mask[i] != 0xFFFF)
			score = vf_select_mask(mask[i], score, vf_set1(-INFINITY));
		max = vf_max(score, max);
		seen |= mask[i];
	}
	*top = vf_tree_max(max);
	return seen != 0;
}

/* Scores of one row become weights, times the V scales; returns the sum of the weights. */
static float segment_weights(const struct attn *a, const struct segment *g, const uint16_t *mask, float top,
			     float *scores)
{
	const struct kv_layout *l = a->layout;
	vf sum = vf_set1(0);
	for (uint32_t i = 0; i < g->n; i++) {
		vf w = vf_exp(vf_sub(vf_load(scores + i * P), vf_set1(top)));
		if (mask[i] != 0xFFFF)
			w = vf_select_mask(mask[i], w, vf_set1(0));
		sum = vf_add(sum, w);
		if (scaled_by_token(l->v))
			w = vf_mul(w, token_scales(l->v, g->v[i], l->head_dim));
		vf_store(scores + i * P, w);
	}
	return vf_tree_sum(sum);
}

/* V in int4: the weights of row r times each group's scales, and their sums with its minima, in 16 partials by position
 * mod 16 and the fixed tree. */
static void segment_groups(const struct attn *a, struct attn_scratch *s, const struct segment *g, uint32_t rows,
			   uint32_t r)
{
	uint32_t head_dim = a->layout->head_dim, groups = kv_groups(head_dim);
	const uint16_t *mask = s->mask + r / a->heads * SEGMENT_PAGES;
	const float *weights = s->scores + r * ATTN_SEGMENT;
	for (uint32_t k = 0; k < groups; k++) {
		float *scaled = s->scaled + ((size_t)k * rows + r) * ATTN_SEGMENT;
		vf sum = vf_set1(0);
		for (uint32_t i = 0; i < g->n; i++) {
			const uint16_t *scales = group_scales(g->v[i], head_dim, k);
			vf w = vf_load(weights + i * P), min = vf_load_f16(scales + P);
			if (mask[i] != 0xFFFF)
				min = vf_select_mask(mask[i], min, vf_set1(0));
			vf_store(scaled + i * P, vf_mul(w, vf_load_f16(scales)));
			sum = vf_fma(w, min, sum);
		}
		s->minima[r * groups + k] = vf_tree_sum(sum);
	}
}

/* Takes a segment's maximum and sum into the row's, and how the outputs of both are to be weighed. */
static void merge_row(struct attn_row *row, float max, float sum)
{
	row->first = row->sum == 0; /* a visible segment's sum is at least exp(0) */
	if (row->first) {
		row->max = max;
		row->sum = sum;
		return;
	}
	float top = row->max > max ? row->max : max, sums[16], factors[16] = {row->max - top, max - top};
	vf_store(factors, vf_exp(vf_load(factors)));
	row->old = factors[0];
	row->new = factors[1];
	vf_store(sums, vf_fma(vf_set1(row->sum), vf_set1(row->old), vf_mul(vf_set1(sum), vf_set1(row->new))));
	row->sum = sums[0];
	row->max = top;
}

static void segment_softmax(const struct attn *a, struct attn_scratch *s, const struct segment *g, uint32_t rows)
{
	for (uint32_t r = 0; r < rows; r++) {
		const uint16_t *mask = s->mask + r / a->heads * SEGMENT_PAGES;
		float top, *scores = s->scores + r * ATTN_SEGMENT;
		s->row[r].seen = segment_max(g, mask, scores, &top);
		if (s->row[r].seen)
			merge_row(&s->row[r], top, segment_weights(a, g, mask, top, scores));
		if (s->row[r].seen && a->layout->v == KV_INT4)
			segment_groups(a, s, g, rows, r);
	}
}

static bool is_wide(const struct attn *a, const struct attn_scratch *s)
{
	return a->layout->shared || (a->layout->v != KV_INT4 && s->dims != a->layout->head_dim);
}

/* The keys of a page, which are its values too, as rows of f32; int4 stays rotated. */
static void turn_keys(const struct kv_layout *l, const uint8_t *head, uint32_t dims, float *rows)
{
	float column[16], high[16];
	vf scales = token_scales(l->k, head, l->head_dim);
	for (uint32_t d = 0; l->k != KV_INT4 && d < l->head_dim; d++) {
		vf_store(column, vf_mul(load_code(l->k, head, (size_t)d * P), scales));
		for (uint32_t t = 0; t < P; t++)
			rows[t * dims + d] = column[t];
	}
	for (uint32_t i = 0; l->k == KV_INT4 && i < kv_groups(l->head_dim) * GROUP_BYTES; i++) {
		const uint16_t *of = group_scales(head, l->head_dim, i / GROUP_BYTES);
		vf scale = vf_load_f16(of), min = vf_load_f16(of + P);
		uint32_t d = i / GROUP_BYTES * KV_GROUP_DIMS + i % GROUP_BYTES;
		vf_store(column, vf_fma(vf_load_low4(head + (size_t)i * P), scale, min));
		vf_store(high, vf_fma(vf_load_high4(head + (size_t)i * P), scale, min));
		for (uint32_t t = 0; t < P && d < l->head_dim; t++)
			rows[t * dims + d] = column[t];
		for (uint32_t t = 0; t < P && d + GROUP_BYTES < l->head_dim; t++)
			rows[t * dims + d + GROUP_BYTES] = high[t];
	}
}

/* head_dim is no multiple of 16, or V is K: the segment's V as f32 rows of s->dims in s->room; g then lists these. */
static void widen_values(const struct kv_layout *l, struct attn_scratch *s, struct segment *g)
{
	for (uint32_t i = 0; i < g->n; i++) {
		float *page = s->room + (size_t)i * P * s->dims, codes[16];
		if (l->shared)
			turn_keys(l, g->k[i], s->dims, page);
		for (uint32_t at = 0; !l->shared && at < P * l->head_dim;
		     at += 16) { /* P is 16, so this ends at the end */
			vf_store(codes, load_code(l->v, g->v[i], at));
			for (uint32_t c = 0; c < 16; c++)
				page[(at + c) / l->head_dim * s->dims + (at + c) % l->head_dim] = codes[c];
		}
		g->v[i] = (const uint8_t *)page;
	}
	g->v[g->n] = g->v[0];
}

/* How many rows from r on, at most VEC_ROWS, see the same tokens. */
static uint32_t same_rows(const struct attn *a, const struct attn_scratch *s, const struct segment *g, uint32_t r,
			  uint32_t rows)
{
	const uint16_t *mask = s->mask + r / a->heads * SEGMENT_PAGES;
	uint32_t n = 1;
	for (; n < VEC_ROWS && r + n < rows; n++) {
		const uint16_t *other = s->mask + (r + n) / a->heads * SEGMENT_PAGES;
		if (other != mask && memcmp(mask, other, g->n * sizeof *mask) != 0)
			break;
	}
	return n;
}

static void segment_values(const struct attn *a, struct attn_scratch *s, const struct segment *g, uint32_t rows)
{
	enum kv_dtype d = is_wide(a, s) ? KV_F32 : a->layout->v;
	uint32_t groups = kv_groups(a->layout->head_dim);
	for (uint32_t r = 0, n; r < rows; r += n) {
		const uint16_t *mask = s->mask + r / a->heads * SEGMENT_PAGES;
		const float *p = s->scores + r * ATTN_SEGMENT;
		float *out = s->out + (size_t)r * s->dims;
		n = same_rows(a, s, g, r, rows);
		if (!s->row[r].seen)
			continue;
		switch (d) {
		case KV_F16: value_rows(KV_F16, g, s->dims, s->dims, p, mask, &s->row[r], out, n); break;
		case KV_BF16: value_rows(KV_BF16, g, s->dims, s->dims, p, mask, &s->row[r], out, n); break;
		case KV_FP8: value_rows(KV_FP8, g, s->dims, s->dims, p, mask, &s->row[r], out, n); break;
		case KV_INT4:
			value_rows_int4(g, s->dims, s->scaled + r * ATTN_SEGMENT, (size_t)rows * ATTN_SEGMENT,
					s->minima + r * groups, mask, &s->row[r], out, n);
			break;
		case KV_INT8: value_rows(KV_INT8, g, s->dims, s->dims, p, mask, &s->row[r], out, n); break;
		default: value_rows(KV_F32, g, s->dims, s->dims, p, mask, &s->row[r], out, n);
		}
	}
}

/* K in int4: the queries as the keys are stored, and their sums over each group of dims, in ascending order. */
static void rotate_queries(struct attn_scratch *s, uint32_t rows, uint32_t head_dim)
{
	for (uint32_t r = 0; r < rows; r++) {
		float *q = s->rotated + (size_t)r * head_dim, *sums = s->q_sums + (size_t)r * kv_groups(head_dim);
		memcpy(q, s->q[r], head_dim * sizeof *q);
		if (kv_rotates(KV_INT4, head_dim))
			rotate(q, head_dim);
		memset(sums, 0, kv_groups(head_dim) * sizeof *sums);
		for (uint32_t d = 0; d < head_dim; d++)
			sums[d / KV_GROUP_DIMS] += q[d];
		s->q[r] = q;
	}
}

/* ---- Calls ------------------------------------------------------------------------------------------------------- */

static void begin(const struct attn *a, struct attn_scratch *s, uint32_t rows)
{
	uint32_t head_dim = a->layout->head_dim;
	attn_scratch_carve(s, a->scratch, rows, a->layout);
	for (uint32_t r = 0; r < rows; r++)
		s->q[r] = a->q + r / a->heads * a->q_stride + r % a->heads * head_dim;
	if (a->layout->k == KV_INT4)
		rotate_queries(s, rows, head_dim);
}

/* Takes the pages that list_pages listed into every row. */
static void take_segment(const struct attn *a, struct attn_scratch *s, struct segment *g, uint32_t rows)
{
	segment_scores(a, s, g, rows);
	for (uint32_t r = 0; a->soft_cap > 0 && r < rows; r++)
		soft_cap(s->scores + r * ATTN_SEGMENT, a->soft_cap, g->n * P);
	segment_masks(a, s, g);
	segment_softmax(a, s, g, rows);
	if (is_wide(a, s))
		widen_values(a->layout, s, g);
	segment_values(a, s, g, rows);
}

/* The output of a row is its weighted values over the sum, in which a sink has its share. */
static void finish_row(const struct kv_layout *l, const float *values, struct attn_row row, const float *sink,
		       float *out)
{
	row.old = 1;
	if (sink)
		merge_row(&row, *sink, 1);
	float inverse = row.old / row.sum;
	for (uint32_t d = 0; d < l->head_dim; d++)
		out[d] = values[d] * inverse;
	if (kv_rotates(l->shared ? l->k : l->v, l->head_dim))
		rotate(out, l->head_dim);
}

static uint32_t end_page(const struct attn *a)
{
	return (a->position + a->queries + P - 1) / P;
}

static void attention(const struct attn *a)
{
	uint32_t rows = a->heads * a->queries, pages = end_page(a);
	struct attn_scratch s;
	struct segment g;
	begin(a, &s, rows);
	for (uint32_t first = skip_unseen(a, 0); first < pages; first = skip_unseen(a, first + SEGMENT_PAGES)) {
		list_pages(a, first, pages, &g);
		if (g.n > 0)
			take_segment(a, &s, &g, rows);
	}
	for (uint32_t r = 0; r < rows; r++)
		finish_row(a->layout, s.out + (size_t)r * s.dims, s.row[r],
			   a->sink_logits ? a->sink_logits + r % a->heads : NULL,
			   a->out + r / a->heads * a->q_stride + r % a->heads * a->layout->head_dim);
}

/* Each segment begins anew: no row has seen anything. */
static void attention_parts(const struct attn *a, uint32_t first, uint32_t end, float *parts)
{
	uint32_t rows = a->heads * a->queries, pages = end_page(a);
	size_t floats = attn_part_floats(a->layout->head_dim);
	struct attn_scratch s;
	struct segment g;
	begin(a, &s, rows);
	for (uint32_t i = first; i < end; i++, parts += rows * floats) {
		memset(s.row, 0, rows * sizeof *s.row);
		list_pages(a, i * SEGMENT_PAGES, pages, &g);
		if (g.n > 0)
			take_segment(a, &s, &g, rows);
		for (uint32_t r = 0; r < rows; r++) {
			float *part = parts + r * floats;
			if (s.row[r].sum != 0)
				memcpy(part, s.out + (size_t)r * s.dims, s.dims * sizeof *part);
			part[s.dims] = s.row[r].max;
			part[s.dims + 1] = s.row[r].sum;
		}
	}
}

static void attention_merge(const struct kv_layout *l, const float *parts, size_t stride, uint32_t n, float *state)
{
	uint32_t dims = attn_dims(l);
	for (uint32_t i = 0; i < n; i++, parts += stride) {
		struct attn_row row = {.max = state[dims], .sum = state[dims + 1]};
		if (parts[dims + 1] == 0)
			continue;
		merge_row(&row, parts[dims], parts[dims + 1]);
		vf old = vf_set1(row.old), new = vf_set1(row.new);
		for (uint32_t d = 0; d < dims; d += 16) {
			vf x = vf_load(parts + d);
			vf_store(state + d, row.first ? x : vf_fma(vf_load(state + d), old, vf_mul(x, new)));
		}
		state[dims] = row.max;
		state[dims + 1] = row.sum;
	}
}

static void attention_finish(const struct kv_layout *l, const float *state, const float *sink, float *out)
{
	struct attn_row row = {.max = state[attn_dims(l)], .sum = state[attn_dims(l) + 1]};
	finish_row(l, state, row, sink, out);
}

#endif
