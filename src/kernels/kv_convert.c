/* kv_convert.c: pages from one layout of dtypes to another.
 *
 * Decoding is exact but for int4, whose value is scale * code + minimum, rounded twice, then rotated back. It is plain
 * C, the same on every CPU; encoding is the level's own kv_write, which has the same bits on all of them. */
#include "kernels/kv_convert.h"

#include <string.h>

#include "kernels/attn_scratch.h"
#include "kernels/half.h"
#include "kernels/rotate.h"

enum { P = KV_PAGE_TOKENS, GROUP_BYTES = KV_GROUP_DIMS / 2 };

size_t kv_convert_floats(const struct kv_layout *l)
{
	return 2 * (size_t)l->kv_heads * l->head_dim;
}

static float code_at(enum kv_dtype d, const uint8_t *codes, size_t i)
{
	uint16_t half;
	float f;
	switch (d) {
	case KV_F16: memcpy(&half, codes + 2 * i, sizeof half); return f16_to_f32(half);
	case KV_BF16: memcpy(&half, codes + 2 * i, sizeof half); return bf16_to_f32(half);
	case KV_INT8: return (float)(int8_t)codes[i];
	case KV_FP8: return fp8_to_f32_256th(codes[i]);
	default: memcpy(&f, codes + 4 * i, sizeof f); return f;
	}
}

/* The last group of dims may be padded: room for all of it. */
static void read_int4(const uint8_t *head, bool is_key, uint32_t n, uint32_t slot, float *row)
{
	const uint8_t *scales = head + (size_t)kv_groups(n) * GROUP_BYTES * P;
	float padded[ATTN_HEAD_DIM_MAX + KV_GROUP_DIMS];
	for (uint32_t g = 0; g < kv_groups(n); g++) {
		uint16_t half[2];
		memcpy(&half[0], scales + (g * 2 * P + slot) * sizeof half[0], sizeof half[0]);
		memcpy(&half[1], scales + (g * 2 * P + P + slot) * sizeof half[0], sizeof half[0]);
		float scale = f16_to_f32(half[0]), min = f16_to_f32(half[1]);
		for (uint32_t i = 0; i < GROUP_BYTES; i++) {
			uint8_t byte = is_key ? head[((size_t)g * GROUP_BYTES + i) * P + slot]
					      : head[((size_t)slot * kv_groups(n) + g) * GROUP_BYTES + i];
			padded[g * KV_GROUP_DIMS + i] = scale * (float)(byte & 15) + min;
			padded[g * KV_GROUP_DIMS + i + GROUP_BYTES] = scale * (float)(byte >> 4) + min;
		}
	}
	memcpy(row, padded, n * sizeof *row);
	if (kv_rotates(KV_INT4, n))
		rotate(row, n);
}

/* One token's row of a head: K lies in columns, V in rows. */
static void read_row(enum kv_dtype d, const uint8_t *head, bool is_key, uint32_t n, uint32_t slot, float *row)
{
	if (d == KV_INT4) {
		read_int4(head, is_key, n, slot, row);
		return;
	}
	float scale = 1;
	if (d == KV_INT8 || d == KV_FP8)
		memcpy(&scale, head + (size_t)P * n + 4 * slot, sizeof scale);
	size_t first = is_key ? slot : (size_t)slot * n, step = is_key ? P : 1;
	for (uint32_t i = 0; i < n; i++)
		row[i] = code_at(d, head, first + i * step) * scale;
}

void kv_convert(const struct kernels *kern, const struct kv_layout *from, const uint8_t *src,
		const struct kv_layout *to, uint8_t *dst, uint32_t tokens, float *room)
{
	uint32_t n = from->head_dim;
	float *k = room, *v = room + (size_t)from->kv_heads * n;
	for (uint32_t layer = 0; layer < from->layers; layer++)
		for (uint32_t slot = 0; slot < tokens; slot++) {
			for (uint32_t h = 0; h < from->kv_heads; h++) {
				read_row(from->k, src + kv_layout_k(from, layer, h), true, n, slot, k + (size_t)h * n);
				if (!from->shared)
					read_row(from->v, src + kv_layout_v(from, layer, h), false, n, slot,
						 v + (size_t)h * n);
			}
			kern->kv_write(to, dst, layer, slot, k, v);
		}
}
