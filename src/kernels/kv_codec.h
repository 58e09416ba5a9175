/* kv_codec.h: keys and values as the codes of a page, to and from vectors. Included after elementwise.h, once per
 * level.
 *
 * A code times its token's scale (1 for dtypes without) is the value; of int4 see kv_layout.h. */
#ifndef KVIK_KERNELS_KV_CODEC_H
#define KVIK_KERNELS_KV_CODEC_H

#include "kernels/attn_scratch.h"
#include "kernels/elementwise.h"
#include "kernels/rotate.h"

/* 16 codes from index i on; int4 goes its own ways. */
static inline __attribute__((always_inline)) vf load_code(const enum kv_dtype d, const uint8_t *from, size_t i)
{
	switch (d) {
	case KV_F16: return vf_load_f16((const uint16_t *)from + i);
	case KV_BF16: return vf_load_bf16((const uint16_t *)from + i);
	case KV_INT8: return vf_load_i8((const int8_t *)from + i);
	case KV_FP8: return vf_load_fp8(from + i);
	default: return vf_load((const float *)from + i);
	}
}

static inline bool scaled_by_token(enum kv_dtype d)
{
	return d == KV_INT8 || d == KV_FP8;
}

/* Bytes of a code that is a whole number of them. */
static inline size_t code_bytes(enum kv_dtype d)
{
	return scaled_by_token(d) ? 1 : d == KV_F32 ? 4 : 2;
}

/* Scales of a page's tokens, behind the codes of a head. */
static inline vf token_scales(enum kv_dtype d, const uint8_t *head, uint32_t head_dim)
{
	return scaled_by_token(d) ? vf_load((const float *)(head + (size_t)KV_PAGE_TOKENS * head_dim)) : vf_set1(1);
}

enum { GROUP_BYTES = KV_GROUP_DIMS / 2 };

/* int4: the f16 scales of a group's 16 tokens, their minima behind them. */
static inline const uint16_t *group_scales(const uint8_t *head, uint32_t head_dim, uint32_t group)
{
	const uint8_t *scales = head + (size_t)kv_groups(head_dim) * GROUP_BYTES * KV_PAGE_TOKENS;
	return (const uint16_t *)(const void *)scales + (size_t)group * 2 * KV_PAGE_TOKENS;
}

/* ---- Writing ----------------------------------------------------------------------------------------------------- */

/* The scale of codes up to `limit`, and by (its inverse) for all lanes. What is too small counts as zero; what is not
 * finite poisons the row. */
static float scale_for(const float *x, uint32_t n, float limit, vf *by)
{
	vf max = vf_set1(0);
	for (uint32_t i = 0; i < n; i += 16)
		max = vf_max(vf_abs(vf_load_part(x + i, n - i < 16 ? n - i : 16)), max);
	float top = vf_tree_max(max);
	*by = vf_set1(top > 0x1p-100f ? limit / top : 0);
	return top > 0x1p-100f ? top / limit : top - top;
}

static void store_fp8(uint8_t *codes, vf x, uint32_t n)
{
	float lanes[16];
	vf_store(lanes, x);
	for (uint32_t i = 0; i < n; i++)
		codes[i] = f32_to_fp8(lanes[i]);
}

/* x[n] as codes of dtype d in room (4-byte aligned); returns the scale. */
static float encode(enum kv_dtype d, const float *x, uint32_t n, uint8_t *room)
{
	float scale = 1;
	vf by = vf_set1(1);
	if (d == KV_INT8)
		scale = scale_for(x, n, 127, &by);
	else if (d == KV_FP8)
		scale = scale_for(x, n, 448, &by) * 256;
	for (uint32_t i = 0; i < n; i += 16) {
		uint32_t part = n - i < 16 ? n - i : 16;
		vf v = vf_load_part(x + i, part);
		switch (d) {
		case KV_F16: vf_store_f16((uint16_t *)(void *)room + i, v); break;
		case KV_INT8: store_codes((int8_t *)room + i, vf_mul(v, by)); break;
		case KV_FP8: store_fp8(room + i, vf_mul(v, by), part); break;
		case KV_BF16:
			for (uint32_t l = i; l < i + part; l++)
				((uint16_t *)(void *)room)[l] = f32_to_bf16(x[l]);
			break;
		default: vf_store((float *)(void *)room + i, v);
		}
	}
	return scale;
}

/* One group of int4: codes[16], and its scale and minimum as f16. */
static void encode_group(const float x[KV_GROUP_DIMS], uint8_t codes[GROUP_BYTES], uint16_t scale_min[2])
{
	vf lo = vf_load(x), hi = vf_load(x + 16), zero = vf_set1(0);
	float top = vf_tree_max(vf_max(lo, hi)), bottom = -vf_tree_max(vf_max(vf_sub(zero, lo), vf_sub(zero, hi)));
	int8_t q[KV_GROUP_DIMS];
	scale_min[0] = f32_to_f16((top - bottom) / 15);
	scale_min[1] = f32_to_f16(bottom);
	float scale = f16_to_f32(scale_min[0]), min = f16_to_f32(scale_min[1]);
	vf by = vf_set1(scale > 0 ? 1 / scale : 0);
	for (uint32_t i = 0; i < KV_GROUP_DIMS; i += 16) {
		vf code = vf_max(vf_mul(vf_sub(vf_load(x + i), vf_set1(min)), by), zero);
		vf_store_i8(q + i, vf_select_lt(code, vf_set1(15), code, vf_set1(15)));
	}
	for (uint32_t i = 0; i < GROUP_BYTES; i++)
		codes[i] = (uint8_t)(q[i] | q[i + 16] << 4);
}

/* x[n] into slot of a head of int4: byte i of group g goes to codes[g * group_stride + i * stride]. */
static void write_int4(uint8_t *head, const float *x, uint32_t n, uint32_t slot, uint8_t *codes, size_t group_stride,
		       size_t stride)
{
	float row[ATTN_HEAD_DIM_MAX + KV_GROUP_DIMS] = {0};
	memcpy(row, x, n * sizeof *row);
	if (kv_rotates(KV_INT4, n))
		rotate(row, n);
	for (uint32_t g = 0; g < kv_groups(n); g++) {
		uint8_t group[GROUP_BYTES];
		uint16_t scale_min[2], *scales = (uint16_t *)(uintptr_t)group_scales(head, n, g);
		encode_group(row + g * KV_GROUP_DIMS, group, scale_min);
		for (uint32_t i = 0; i < GROUP_BYTES; i++)
			codes[g * group_stride + i * stride] = group[i];
		scales[slot] = scale_min[0];
		scales[KV_PAGE_TOKENS + slot] = scale_min[1];
	}
}

/* K is a column of [head_dim][KV_PAGE_TOKENS]. */
static void scatter(uint8_t *head, const uint8_t *codes, uint32_t bytes, uint32_t head_dim, uint32_t slot)
{
	for (uint32_t i = 0; i < head_dim; i++)
		memcpy(head + (i * KV_PAGE_TOKENS + slot) * bytes, codes + i * bytes, bytes);
}

static void put_scale(enum kv_dtype d, uint8_t *head, uint32_t n, uint32_t slot, float scale)
{
	if (scaled_by_token(d))
		memcpy(head + (size_t)KV_PAGE_TOKENS * n + 4 * slot, &scale, sizeof scale);
}

static void write_k(enum kv_dtype d, uint8_t *head, const float *k, uint32_t n, uint32_t slot)
{
	float room[ATTN_HEAD_DIM_MAX + 16];
	uint8_t *codes = (uint8_t *)room;
	if (d == KV_INT4) {
		write_int4(head, k, n, slot, head + slot, GROUP_BYTES * KV_PAGE_TOKENS, KV_PAGE_TOKENS);
		return;
	}
	put_scale(d, head, n, slot, encode(d, k, n, codes));
	switch (code_bytes(d)) { /* constant sizes, so that the copies become single moves */
	case 4: scatter(head, codes, 4, n, slot); break;
	case 1: scatter(head, codes, 1, n, slot); break;
	default: scatter(head, codes, 2, n, slot);
	}
}

static void write_v(enum kv_dtype d, uint8_t *head, const float *v, uint32_t n, uint32_t slot)
{
	float room[ATTN_HEAD_DIM_MAX + 16];
	if (d == KV_INT4) {
		write_int4(head, v, n, slot, head + (size_t)slot * kv_groups(n) * GROUP_BYTES, GROUP_BYTES, 1);
		return;
	}
	put_scale(d, head, n, slot, encode(d, v, n, (uint8_t *)room));
	memcpy(head + slot * n * code_bytes(d), room, n * code_bytes(d));
}

static void kv_write(const struct kv_layout *l, uint8_t *page, uint32_t layer, uint32_t slot, const float *k,
		     const float *v)
{
	uint32_t n = l->head_dim;
	for (uint32_t h = 0; h < l->kv_heads; h++) {
		write_k(l->k, page + kv_layout_k(l, layer, h), k + h * n, n, slot);
		if (!l->shared)
			write_v(l->v, page + kv_layout_v(l, layer, h), v + h * n, n, slot);
	}
}

#endif
