/* half.h: f16 and bf16 as bits, to and from f32, in integer arithmetic: exact, and the specification of the hardware
 * conversions. Any thread. */
#ifndef KVIK_KERNELS_HALF_H
#define KVIK_KERNELS_HALF_H

#include <stdint.h>
#include <string.h>

static inline float bits_f32(uint32_t b)
{
	float f;
	memcpy(&f, &b, sizeof f);
	return f;
}

static inline uint32_t f32_bits(float f)
{
	uint32_t b;
	memcpy(&b, &f, sizeof b);
	return b;
}

static inline float f16_to_f32(uint16_t h)
{
	uint32_t sign = (uint32_t)(h & 0x8000) << 16, mag = h & 0x7FFF;
	if (mag >= 0x7C00) /* infinity, NaN */
		return bits_f32(sign | 0x7F800000 | (mag & 0x3FF) << 13 | (mag > 0x7C00 ? 0x400000 : 0));
	/* The f16 exponent is 112 lower; the product is exact, for subnormal numbers too. */
	float f = bits_f32(mag << 13) * 0x1p112f;
	return bits_f32(sign | f32_bits(f));
}

/* Round to nearest even; what is too large becomes infinity. */
static inline uint16_t f32_to_f16(float f)
{
	uint32_t b = f32_bits(f), sign = b >> 16 & 0x8000, mag = b & 0x7FFFFFFF;
	if (mag > 0x7F800000)
		return (uint16_t)(sign | 0x7E00 | (mag >> 13 & 0x3FF));
	if (mag >= 0x477FF000) /* 65520 and above */
		return (uint16_t)(sign | 0x7C00);
	if (mag < 0x38800000) { /* subnormal: adding 0.5 lets the FPU do the rounding */
		float s = bits_f32(mag) + 0.5f;
		return (uint16_t)(sign | (f32_bits(s) - 0x3F000000));
	}
	uint32_t odd = mag >> 13 & 1;
	return (uint16_t)(sign | (mag - 0x38000000 + 0xFFF + odd) >> 13);
}

/* e4m3 (no infinity, largest 448). Decodes to value / 256, which f16 arithmetic gives by shifting bits; a scale makes
 * up for it. */
static inline float fp8_to_f32_256th(uint8_t b)
{
	return f16_to_f32((uint16_t)((b & 0x80) << 8 | (b & 0x7F) << 7));
}

/* Round to nearest even, of |f| <= 448; NaN becomes 448. */
static inline uint8_t f32_to_fp8(float f)
{
	uint32_t b = f32_bits(f), sign = b >> 24 & 0x80, mag = b & 0x7FFFFFFF;
	if (mag >= 0x43E00000)
		return (uint8_t)(sign | 0x7E);
	if (mag < 0x3C800000) { /* below 2^-6, in steps of 2^-9: adding 2^14 lets the FPU do the rounding */
		float s = bits_f32(mag) + 0x1p14f;
		return (uint8_t)(sign | (f32_bits(s) - 0x46800000));
	}
	uint32_t odd = mag >> 20 & 1;
	return (uint8_t)(sign | (mag - 0x3C000000 + 0x7FFFF + odd) >> 20);
}

static inline float bf16_to_f32(uint16_t h)
{
	return bits_f32((uint32_t)h << 16);
}

static inline uint16_t f32_to_bf16(float f)
{
	uint32_t b = f32_bits(f);
	if ((b & 0x7FFFFFFF) > 0x7F800000) /* a NaN stays one */
		return (uint16_t)(b >> 16 | 0x40);
	return (uint16_t)((b + 0x7FFF + (b >> 16 & 1)) >> 16);
}

#endif
