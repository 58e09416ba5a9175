/* synthetic.c: random weights. An integer block is random bytes with its scales set to fixed numbers
 * (synthetic_tables.h). A float is the sum of four random bytes less its mean, times 2^-13: near enough to a normal
 * distribution, and a whole number of at most ten bits, so that it fits F16 exactly. */
#include "format/synthetic.h"

#include <string.h>

#include "base/hash.h"
#include "format/synthetic_tables.h"

/* xorshift64* (Vigna, arXiv 1402.6246) */
static uint64_t next(uint64_t *state)
{
	uint64_t x = *state;
	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * 0x2545F4914F6CDD1D;
}

/* One step of splitmix64: neighbouring seeds give unrelated streams; never 0. */
static uint64_t start(uint64_t seed)
{
	return hash_mix(seed + HASH_STEP) | 1;
}

/* ---- Floats ------------------------------------------------------------------------------------------------------ */

static float value_of(uint32_t bits)
{
	int sum = (int)((bits & 255) + (bits >> 8 & 255) + (bits >> 16 & 255) + (bits >> 24));
	return (float)(sum - 510) * 0x1p-13f;
}

/* Exact for the numbers of value_of: 0 or 2^-13 and more, in steps of 2^-13. */
static uint16_t half_of(float f)
{
	uint32_t b;
	memcpy(&b, &f, sizeof b);
	uint32_t magnitude = b & 0x7FFFFFFF;
	return magnitude ? (uint16_t)((b >> 16 & 0x8000) | (magnitude - 0x38000000) >> 13) : 0;
}

/* size: bytes of an element; put: writes one. Inlined, so that the loop knows both. */
typedef void put_fn(uint8_t *out, float f);

static inline void put_f32(uint8_t *out, float f)
{
	memcpy(out, &f, sizeof f);
}

static inline void put_f16(uint8_t *out, float f)
{
	uint16_t h = half_of(f);
	memcpy(out, &h, sizeof h);
}

static inline void put_bf16(uint8_t *out, float f)
{
	memcpy(out, (const uint8_t *)&f + 2, 2); /* the upper half of an F32 */
}

__attribute__((always_inline)) static inline void put_all(put_fn *put, size_t size, uint8_t *out, uint64_t elems,
							  uint64_t seed)
{
	uint64_t state = start(seed), i = 0;
	for (; i + 2 <= elems; i += 2) {
		uint64_t r = next(&state);
		put(out + size * i, value_of((uint32_t)r));
		put(out + size * (i + 1), value_of((uint32_t)(r >> 32)));
	}
	if (i < elems)
		put(out + size * i, value_of((uint32_t)next(&state)));
}

static void fill_floats(enum wtype type, uint8_t *out, uint64_t elems, uint64_t seed)
{
	if (type == WTYPE_F32)
		put_all(put_f32, 4, out, elems, seed);
	else if (type == WTYPE_F16)
		put_all(put_f16, 2, out, elems, seed);
	else
		put_all(put_bf16, 2, out, elems, seed);
}

void synthetic_fill_norm(float *out, uint64_t n, uint64_t seed)
{
	fill_floats(WTYPE_F32, (uint8_t *)out, n, seed);
	for (uint64_t i = 0; i < n; i++)
		out[i] += 1;
}

/* ---- Blocks ------------------------------------------------------------------------------------------------------ */

struct stamp {
	uint8_t scale_at;
	uint16_t scale;
	uint8_t min_at;
	uint16_t min;
};

static const struct stamp stamps[WTYPE_COUNT] = {
#define STAMP_ROW(type, scale_at, scale, min_at, min) [WTYPE_##type] = {scale_at, scale, min_at, min},
	SYNTHETIC_BLOCKS(STAMP_ROW)
#undef STAMP_ROW
};

enum { MXFP4_EXPONENT = 120 }; /* values -12..12 times 2^-8, halved */

static void stamp_block(enum wtype type, const struct stamp *s, uint8_t *p)
{
	if (type == WTYPE_MXFP4) {
		p[0] = MXFP4_EXPONENT;
		return;
	}
	memcpy(p + s->scale_at, &s->scale, 2);
	if (s->min)
		memcpy(p + s->min_at, &s->min, 2);
	if (type == WTYPE_Q2_K)
		for (int i = 0; i < 16; i++)
			p[i] = (uint8_t)((p[i] & 15) * 0x11);
	if (type == WTYPE_Q4_K || type == WTYPE_Q5_K) { /* six-bit pairs of scale and min in 12 bytes */
		memcpy(p + 8, p + 4, 4);
		for (int i = 12; i < 16; i++)
			p[i] = (uint8_t)((p[i] & 15) * 0x11);
	}
}

static void fill_random(uint8_t *out, uint64_t bytes, uint64_t seed)
{
	uint64_t state = start(seed), i = 0;
	for (; i + 8 <= bytes; i += 8) {
		uint64_t r = next(&state);
		memcpy(out + i, &r, 8);
	}
	for (; i < bytes; i++)
		out[i] = (uint8_t)(next(&state) >> 32);
}

void synthetic_fill(enum wtype type, uint8_t *out, uint64_t elems, uint64_t seed)
{
	if (wtype_block_elems(type) == 1) {
		fill_floats(type, out, elems, seed);
		return;
	}
	uint64_t block = wtype_block_bytes(type), bytes = elems / wtype_block_elems(type) * block;
	fill_random(out, bytes, seed);
	for (uint64_t at = 0; at < bytes; at += block)
		stamp_block(type, &stamps[type], out + at);
}
