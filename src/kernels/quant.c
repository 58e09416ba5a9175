/* quant.c: f32 -> stored blocks, with the roundings of ggml's reference quantisers. Any thread. */
#include <assert.h>
#include <math.h>

#include "kernels/dequant.h"
#include "kernels/half.h"

static void put_half(uint8_t *p, float f)
{
	uint16_t h = f32_to_f16(f);
	memcpy(p, &h, sizeof h);
}

/* scale: largest magnitude / 127; codes rounded half away from zero. */
static void q8_0_block(const float *x, uint8_t *p)
{
	float max = 0;
	for (int i = 0; i < 32; i++)
		max = fmaxf(max, fabsf(x[i]));
	float d = max / 127, inverse = d == 0 ? 0 : 1 / d;
	put_half(p, d);
	for (int i = 0; i < 32; i++)
		p[2 + i] = (uint8_t)(int8_t)roundf(x[i] * inverse);
}

static uint8_t q4_0_code(float x, float inverse)
{
	float code = truncf(x * inverse + 8.5f);
	return (uint8_t)(code > 15 ? 15 : code < 0 ? 0 : code);
}

/* The element of largest magnitude becomes -8. */
static void q4_0_block(const float *x, uint8_t *p)
{
	float max = x[0];
	for (int i = 1; i < 32; i++)
		if (fabsf(x[i]) > fabsf(max))
			max = x[i];
	float d = max / -8, inverse = d == 0 ? 0 : 1 / d;
	put_half(p, d);
	for (int i = 0; i < 16; i++)
		p[2 + i] = (uint8_t)(q4_0_code(x[i], inverse) | q4_0_code(x[i + 16], inverse) << 4);
}

static void quant_block(enum wtype to, const float *x, uint8_t *p)
{
	uint16_t h;
	switch (to) {
	case WTYPE_Q8_0: q8_0_block(x, p); return;
	case WTYPE_Q4_0: q4_0_block(x, p); return;
	case WTYPE_F16: put_half(p, *x); return;
	case WTYPE_BF16:
		h = f32_to_bf16(*x);
		memcpy(p, &h, sizeof h);
		return;
	default: assert(0 && "a type that kvik does not quantise to");
	}
}

void quant_row(enum wtype to, const float *src, uint64_t n, uint8_t *out)
{
	uint32_t elems = wtype_block_elems(to), bytes = wtype_block_bytes(to);
	assert(n % elems == 0);
	for (uint64_t i = 0; i < n; i += elems, out += bytes)
		quant_block(to, src + i, out);
}
