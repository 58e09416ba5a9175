/* dequant.c: stored blocks of every weight type -> f32.
 *
 * One function per type expands one block; the products are formed in the order of the gguf Python package, so the
 * results are equal to its bits. Source: the block structures of the GGUF/ggml file format. Any thread. */
#include <assert.h>

#include "kernels/dequant.h"
#include "kernels/wblock.h"

static void f32_block(const uint8_t *p, float *y)
{
	memcpy(y, p, sizeof *y);
}

static void f16_block(const uint8_t *p, float *y)
{
	*y = half_at(p);
}

static void bf16_block(const uint8_t *p, float *y)
{
	uint16_t h;
	memcpy(&h, p, sizeof h);
	*y = bf16_to_f32(h);
}

static void q4_0_block(const uint8_t *p, float *y)
{
	float d = half_at(p);
	for (int i = 0; i < 32; i++)
		y[i] = d * (float)(nibble(p + 2, i) - 8);
}

static void q4_1_block(const uint8_t *p, float *y)
{
	float d = half_at(p), m = half_at(p + 2);
	for (int i = 0; i < 32; i++)
		y[i] = d * (float)nibble(p + 4, i) + m;
}

static void q5_0_block(const uint8_t *p, float *y)
{
	float d = half_at(p);
	for (int i = 0; i < 32; i++)
		y[i] = d * (float)((nibble(p + 6, i) | high_bit(p + 2, i)) - 16);
}

static void q5_1_block(const uint8_t *p, float *y)
{
	float d = half_at(p), m = half_at(p + 2);
	for (int i = 0; i < 32; i++)
		y[i] = d * (float)(nibble(p + 8, i) | high_bit(p + 4, i)) + m;
}

static void q8_0_block(const uint8_t *p, float *y)
{
	float d = half_at(p);
	for (int i = 0; i < 32; i++)
		y[i] = (float)(int8_t)p[2 + i] * d;
}

static void q2_k_block(const uint8_t *p, float *y)
{
	float d = half_at(p + 80), dmin = half_at(p + 82);
	for (int i = 0; i < 256; i++) {
		uint8_t s = p[i / 16];
		int code = q2_k_code(p + 16, i);
		y[i] = d * (float)(s & 15) * (float)code - dmin * (float)(s >> 4);
	}
}

static void q3_k_block(const uint8_t *p, float *y)
{
	float d = half_at(p + 108);
	for (int i = 0; i < 256; i++) {
		y[i] = d * (float)q3_k_scale(p + 96, i / 16) * (float)q3_k_code(p, i);
	}
}

static void q4_k_block(const uint8_t *p, float *y)
{
	float d = half_at(p), dmin = half_at(p + 2);
	for (int i = 0; i < 256; i++) {
		uint8_t s, m;
		q4_k_scale_min(p + 4, i / 32, &s, &m);
		y[i] = d * (float)s * (float)q4_k_code(p + 16, i) - dmin * (float)m;
	}
}

static void q5_k_block(const uint8_t *p, float *y)
{
	float d = half_at(p), dmin = half_at(p + 2);
	for (int i = 0; i < 256; i++) {
		uint8_t s, m;
		q4_k_scale_min(p + 4, i / 32, &s, &m);
		y[i] = d * (float)s * (float)q5_k_code(p, i) - dmin * (float)m;
	}
}

static void q6_k_block(const uint8_t *p, float *y)
{
	float d = half_at(p + 208);
	for (int i = 0; i < 256; i++)
		y[i] = d * (float)(int8_t)p[192 + i / 16] * (float)q6_k_code(p, i);
}

static void iq4_nl_block(const uint8_t *p, float *y)
{
	float d = half_at(p);
	for (int i = 0; i < 32; i++)
		y[i] = d * (float)iq4_values[nibble(p + 2, i)];
}

static void iq4_xs_block(const uint8_t *p, float *y)
{
	float d = half_at(p);
	for (int b = 0; b < 8; b++) {
		float scale = d * (float)iq4_xs_scale(p, b);
		for (int i = 0; i < 32; i++)
			y[b * 32 + i] = scale * (float)iq4_values[nibble(p + 8 + 16 * b, i)];
	}
}

static void mxfp4_block(const uint8_t *p, float *y)
{
	float d = mxfp4_scale(p);
	for (int i = 0; i < 32; i++)
		y[i] = d * (float)mxfp4_values[nibble(p + 1, i)];
}

typedef void block_fn(const uint8_t *p, float *y);

static block_fn *const blocks[WTYPE_COUNT] = {
	[WTYPE_F32] = f32_block,     [WTYPE_F16] = f16_block,       [WTYPE_BF16] = bf16_block,
	[WTYPE_Q4_0] = q4_0_block,   [WTYPE_Q4_1] = q4_1_block,     [WTYPE_Q5_0] = q5_0_block,
	[WTYPE_Q5_1] = q5_1_block,   [WTYPE_Q8_0] = q8_0_block,     [WTYPE_Q2_K] = q2_k_block,
	[WTYPE_Q3_K] = q3_k_block,   [WTYPE_Q4_K] = q4_k_block,     [WTYPE_Q5_K] = q5_k_block,
	[WTYPE_Q6_K] = q6_k_block,   [WTYPE_IQ4_NL] = iq4_nl_block, [WTYPE_IQ4_XS] = iq4_xs_block,
	[WTYPE_MXFP4] = mxfp4_block,
};

void dequant_row(enum wtype type, const uint8_t *src, uint64_t n, float *out)
{
	uint32_t elems = wtype_block_elems(type), bytes = wtype_block_bytes(type);
	assert(n % elems == 0);
	for (uint64_t i = 0; i < n; i += elems, src += bytes)
		blocks[type](src, out + i);
}
