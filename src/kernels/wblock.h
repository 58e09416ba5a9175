/* wblock.h: what the bytes of a stored block mean: codes and scales of every integer weight type.
 *
 * p is the start of the block unless said otherwise; i counts elements within it. Source: the block structures of the
 * GGUF/ggml file format. */
#ifndef KVIK_KERNELS_WBLOCK_H
#define KVIK_KERNELS_WBLOCK_H

#include "kernels/half.h"

static inline float half_at(const uint8_t *p)
{
	uint16_t h;
	memcpy(&h, p, sizeof h);
	return f16_to_f32(h);
}

/* Element i (0..31) of 16 bytes that hold elements 0..15 in their low nibbles and 16..31 in their high ones. */
static inline int nibble(const uint8_t *q, int i)
{
	return i < 16 ? q[i] & 15 : q[i - 16] >> 4;
}

/* Fifth bits: bit i of a 32-bit word. */
static inline int high_bit(const uint8_t *qh, int i)
{
	return (qh[i / 8] >> i % 8 & 1) << 4;
}

/* Q2_K: scales[16] (low nibble scale, high nibble min), codes[64], d, dmin. q: the codes. */
static inline int q2_k_code(const uint8_t *q, int i)
{
	return q[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
}

/* The i-th of 16 six-bit scales packed in 12 bytes. */
static inline int q3_k_scale(const uint8_t *s, int i)
{
	int low = i < 8 ? s[i] & 15 : s[i - 8] >> 4;
	return (low | (s[8 + i % 4] >> (i / 4 * 2) & 3) << 4) - 32;
}

/* Q3_K: hmask[32], codes[64], scales[12], d; the third bit is stored inverted. -4..3. */
static inline int q3_k_code(const uint8_t *p, int i)
{
	int high = (p[i % 32] >> i / 32 & 1) ^ 1;
	return q2_k_code(p + 32, i) - 4 * high;
}

/* Six-bit scale and min of the i-th of 8 sub-blocks, packed in 12 bytes. */
static inline void q4_k_scale_min(const uint8_t *s, int i, uint8_t *scale, uint8_t *min)
{
	if (i < 4) {
		*scale = s[i] & 63;
		*min = s[4 + i] & 63;
	} else {
		*scale = (uint8_t)((s[4 + i] & 15) | (s[i - 4] >> 2 & 0x30));
		*min = (uint8_t)(s[4 + i] >> 4 | (s[i] >> 2 & 0x30));
	}
}

/* Element i of 64-element runs whose first 32 are low nibbles and last 32 high ones. */
static inline int q4_k_code(const uint8_t *q, int i)
{
	return q[i / 64 * 32 + i % 32] >> (i % 64 / 32 * 4) & 15;
}

/* Q5_K: d, dmin, scales[12], fifth bits[32], codes[128]. */
static inline int q5_k_code(const uint8_t *p, int i)
{
	return q4_k_code(p + 48, i) | (p[16 + i % 32] >> i / 32 & 1) << 4;
}

/* Q6_K: low[128], high[64], scales[16], d. In each half of 128: the low nibbles of 64 bytes, then the high ones.
 * -32..31. */
static inline int q6_k_code(const uint8_t *p, int i)
{
	int half = i / 128, j = i % 128;
	int low = p[half * 64 + j % 64] >> (j / 64 * 4) & 15;
	int high = p[128 + half * 32 + j % 32] >> (j / 32 * 2) & 3;
	return (low | high << 4) - 32;
}

static const int8_t iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

/* IQ4_XS: d, high scale bits (u16), low scale nibbles[4], codes[128]: the scale of sub-block b of 8. */
static inline int iq4_xs_scale(const uint8_t *p, int b)
{
	uint16_t high;
	memcpy(&high, p + 2, sizeof high);
	return ((p[4 + b / 2] >> (b % 2 * 4) & 15) | (high >> 2 * b & 3) << 4) - 32;
}

/* MXFP4: exponent, codes[16]. The e2m1 values are doubled, and the exponent is taken one lower to make up for it. */
static const int8_t mxfp4_values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

static inline float mxfp4_scale(const uint8_t *p)
{
	uint32_t e = p[0];
	return bits_f32(e < 2 ? 0x00200000u << e : (e - 1) << 23);
}

#endif
