/* kv_codec.h: keys and values as the codes of a page, to and from vectors. Included after elementwise.h, once per
 * level.
 *
 * A code times its token's scale (1 for dtypes without) is the value. */
#ifndef KVIK_KERNELS_KV_CODEC_H
#define KVIK_KERNELS_KV_CODEC_H

#include "kernels/attn_scratch.h"
#include "kernels/elementwise.h"

/* 16 codes from index i on. */
static inline __attribute__((always_inline)) vf load_code(const enum kv_dtype d, const uint8_t *from, size_t i)
{
	switch (d) {
	case KV_F16: return vf_load_f16((const uint16_t *)from + i);
	case KV_BF16: return vf_load_bf16((const uint16_t *)from + i);
	case KV_INT8: return vf_load_i8((const int8_t *)from + i);
	default: return vf_load((const float *)from + i);
	}
}

/* Bytes of a code. */
static inline size_t code_bytes(enum kv_dtype d)
{
	return d == KV_INT8 ? 1 : d == KV_F32 ? 4 : 2;
}

/* Scales of a page's tokens, behind the codes of a head. */
static inline vf token_scales(enum kv_dtype d, const uint8_t *head, uint32_t head_dim)
{
	return d == KV_INT8 ? vf_load((const float *)(head + (size_t)KV_PAGE_TOKENS * head_dim)) : vf_set1(1);
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
		float top = vf_tree_max(max);
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

/* K is a column of [head_dim][KV_PAGE_TOKENS]. */
static void scatter(uint8_t *head, const uint8_t *codes, uint32_t bytes, uint32_t head_dim, uint32_t slot)
{
	for (uint32_t i = 0; i < head_dim; i++)
		memcpy(head + (i * KV_PAGE_TOKENS + slot) * bytes, codes + i * bytes, bytes);
}

static void kv_write(const struct kv_layout *l, uint8_t *page, uint32_t layer, uint32_t slot, const float *k,
		     const float *v)
{
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
			memcpy(to + (size_t)KV_PAGE_TOKENS * n + 4 * slot, &scale, sizeof scale);
		to = page + kv_layout_v(l, layer, h);
		scale = encode(l->v, v + h * n, n, codes);
		memcpy(to + slot * n * code_bytes(l->v), codes, n * code_bytes(l->v));
		if (l->v == KV_INT8)
			memcpy(to + (size_t)KV_PAGE_TOKENS * n + 4 * slot, &scale, sizeof scale);
	}
}

#endif
