/* vec_avx2.h: vec_scalar.h with AVX2, FMA and F16C: a vector is two registers of 8 lanes. */
#ifndef KVIK_KERNELS_VEC_H
#define KVIK_KERNELS_VEC_H

#include <immintrin.h>
#include <math.h>
#include <stdbool.h>

#include "kernels/half.h"

typedef struct {
	__m256 a, b;
} vf;
typedef struct {
	__m256i a, b;
} vi;
typedef struct {
	__m256i a, b;
} vw;

enum { VEC_TILES = 1, VEC_WIDE = 1, VEC_TOKENS = 4, VEC_ROWS = 2, VEC_DIMS = 2 };

static inline vf vf_set1(float x)
{
	return (vf){_mm256_set1_ps(x), _mm256_set1_ps(x)};
}

static inline vf vf_load(const float *p)
{
	return (vf){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}

static inline void vf_store(float *p, vf x)
{
	_mm256_storeu_ps(p, x.a);
	_mm256_storeu_ps(p + 8, x.b);
}

static inline vf vf_load_part(const float *p, uint32_t n)
{
	float whole[16] = {0};
	memcpy(whole, p, n * sizeof *p);
	return vf_load(whole);
}

static inline void vf_store_part(float *p, vf x, uint32_t n)
{
	float whole[16];
	vf_store(whole, x);
	memcpy(p, whole, n * sizeof *p);
}

static inline vf vf_add(vf x, vf y)
{
	return (vf){_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)};
}

static inline vf vf_sub(vf x, vf y)
{
	return (vf){_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)};
}

static inline vf vf_mul(vf x, vf y)
{
	return (vf){_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)};
}

static inline vf vf_div(vf x, vf y)
{
	return (vf){_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)};
}

static inline vf vf_fma(vf x, vf y, vf z)
{
	return (vf){_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
}

static inline vf vf_max(vf x, vf y)
{
	return (vf){_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)};
}

static inline vf vf_abs(vf x)
{
	__m256 sign = _mm256_set1_ps(-0.0f);
	return (vf){_mm256_andnot_ps(sign, x.a), _mm256_andnot_ps(sign, x.b)};
}

static inline vf vf_select_lt(vf x, vf y, vf yes, vf no)
{
	return (vf){_mm256_blendv_ps(no.a, yes.a, _mm256_cmp_ps(x.a, y.a, _CMP_LT_OQ)),
		    _mm256_blendv_ps(no.b, yes.b, _mm256_cmp_ps(x.b, y.b, _CMP_LT_OQ))};
}

static inline vf vf_select_mask(uint32_t mask, vf yes, vf no)
{
	__m256i bits = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
	__m256i a = _mm256_and_si256(_mm256_set1_epi32((int)(mask & 255)), bits);
	__m256i b = _mm256_and_si256(_mm256_set1_epi32((int)(mask >> 8)), bits);
	return (vf){_mm256_blendv_ps(no.a, yes.a, _mm256_castsi256_ps(_mm256_cmpeq_epi32(a, bits))),
		    _mm256_blendv_ps(no.b, yes.b, _mm256_castsi256_ps(_mm256_cmpeq_epi32(b, bits)))};
}

static inline __m256 pow2_half(__m256 n)
{
	__m256i e = _mm256_add_epi32(_mm256_cvttps_epi32(n), _mm256_set1_epi32(127));
	return _mm256_castsi256_ps(_mm256_slli_epi32(e, 23));
}

static inline vf vf_ldexp(vf x, vf n)
{
	return (vf){_mm256_mul_ps(x.a, pow2_half(n.a)), _mm256_mul_ps(x.b, pow2_half(n.b))};
}

static inline float vf_tree_sum(vf x)
{
	__m256 a = _mm256_add_ps(x.a, x.b);
	__m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
	b = _mm_add_ps(b, _mm_movehl_ps(b, b));
	return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}

static inline float vf_tree_max(vf x)
{
	__m256 a = _mm256_max_ps(x.a, x.b);
	__m128 b = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
	b = _mm_max_ps(b, _mm_movehl_ps(b, b));
	return _mm_cvtss_f32(_mm_max_ss(b, _mm_movehdup_ps(b)));
}

static inline vf vf_load_f16(const uint16_t *p)
{
	return (vf){_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)),
		    _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(p + 8)))};
}

static inline __m256 bf16_half(const uint16_t *p)
{
	__m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
	return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}

static inline vf vf_load_bf16(const uint16_t *p)
{
	return (vf){bf16_half(p), bf16_half(p + 8)};
}

static inline vf vf_load_i8(const int8_t *p)
{
	return (vf){_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p))),
		    _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(p + 8))))};
}

static inline vf vf_load_u8(const uint8_t *p)
{
	return (vf){_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p))),
		    _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(p + 8))))};
}

static inline __m256 half_e8m0_half(const uint8_t *p)
{
	__m256i e = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p));
	__m256i normal = _mm256_slli_epi32(_mm256_sub_epi32(e, _mm256_set1_epi32(1)), 23);
	__m256i small = _mm256_sllv_epi32(_mm256_set1_epi32(0x00200000), e);
	__m256i is_small = _mm256_cmpgt_epi32(_mm256_set1_epi32(2), e);
	return _mm256_castsi256_ps(_mm256_blendv_epi8(normal, small, is_small));
}

static inline vf vf_load_half_e8m0(const uint8_t *p)
{
	return (vf){half_e8m0_half(p), half_e8m0_half(p + 8)};
}

static inline vf vf_load_fp8(const uint8_t *p)
{
	__m256i h = _mm256_slli_epi16(_mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)p)), 7);
	h = _mm256_and_si256(h, _mm256_set1_epi16((short)0xBFFF)); /* the sign came in twice */
	return (vf){_mm256_cvtph_ps(_mm256_castsi256_si128(h)), _mm256_cvtph_ps(_mm256_extracti128_si256(h, 1))};
}

static inline vf bytes_to_vf(__m128i b)
{
	return (vf){_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(b)),
		    _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_srli_si128(b, 8)))};
}

static inline vf vf_load_low4(const uint8_t *p)
{
	return bytes_to_vf(_mm_and_si128(_mm_loadu_si128((const __m128i *)p), _mm_set1_epi8(15)));
}

static inline vf vf_load_high4(const uint8_t *p)
{
	__m128i b = _mm_srli_epi16(_mm_loadu_si128((const __m128i *)p), 4);
	return bytes_to_vf(_mm_and_si128(b, _mm_set1_epi8(15)));
}

static inline void vf_store_f16(uint16_t *p, vf x)
{
	_mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(x.a, _MM_FROUND_TO_NEAREST_INT));
	_mm_storeu_si128((__m128i *)(p + 8), _mm256_cvtps_ph(x.b, _MM_FROUND_TO_NEAREST_INT));
}

static inline void vf_store_i8(int8_t *p, vf x)
{
	__m256i words = _mm256_packs_epi32(_mm256_cvtps_epi32(x.a), _mm256_cvtps_epi32(x.b));
	words = _mm256_permute4x64_epi64(words, 0xD8);
	__m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
	_mm_storeu_si128((__m128i *)p, bytes);
}

static inline vi vi_set1(int32_t x)
{
	return (vi){_mm256_set1_epi32(x), _mm256_set1_epi32(x)};
}

static inline vi vi_add(vi x, vi y)
{
	return (vi){_mm256_add_epi32(x.a, y.a), _mm256_add_epi32(x.b, y.b)};
}

static inline vf vf_from_vi(vi x)
{
	return (vf){_mm256_cvtepi32_ps(x.a), _mm256_cvtepi32_ps(x.b)};
}

static inline vw vw_load(const uint8_t *p)
{
	return (vw){_mm256_loadu_si256((const __m256i *)p), _mm256_loadu_si256((const __m256i *)(p + 32))};
}

static inline vw vw_low4(vw w)
{
	__m256i mask = _mm256_set1_epi8(15);
	return (vw){_mm256_and_si256(w.a, mask), _mm256_and_si256(w.b, mask)};
}

static inline vw vw_high4(vw w)
{
	return vw_low4((vw){_mm256_srli_epi16(w.a, 4), _mm256_srli_epi16(w.b, 4)});
}

static inline __attribute__((always_inline)) vw vw_low2(vw w, const int shift)
{
	__m256i mask = _mm256_set1_epi8(3);
	return (vw){_mm256_and_si256(_mm256_srli_epi16(w.a, shift), mask),
		    _mm256_and_si256(_mm256_srli_epi16(w.b, shift), mask)};
}

static inline vw vw_lookup(vw w, const uint8_t table[16])
{
	__m256i t = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)table));
	return (vw){_mm256_shuffle_epi8(t, w.a), _mm256_shuffle_epi8(t, w.b)};
}

static inline __attribute__((always_inline)) __m256i or_high_half(__m256i w, __m256i h, const int shift, unsigned mask)
{
	h = shift < 4 ? _mm256_slli_epi16(h, 4 - shift) : _mm256_srli_epi16(h, shift - 4);
	return _mm256_or_si256(w, _mm256_and_si256(h, _mm256_set1_epi8((char)(mask << 4))));
}

static inline __attribute__((always_inline)) vw vw_or_high(vw w, vw h, const int shift, unsigned mask)
{
	return (vw){or_high_half(w.a, h.a, shift, mask), or_high_half(w.b, h.b, shift, mask)};
}

/* Products of small codes fit 16 bits in pairs: 2 * 63 * 127. */
static inline __m256i dot4_small_half(__m256i acc, __m256i w, __m256i a)
{
	return _mm256_add_epi32(acc, _mm256_madd_epi16(_mm256_maddubs_epi16(w, a), _mm256_set1_epi16(1)));
}

/* Those of 8 bits do not: even and odd bytes as 16-bit factors. */
static inline __m256i dot4_half(__m256i acc, __m256i w, __m256i a_even, __m256i a_odd)
{
	__m256i even = _mm256_madd_epi16(_mm256_and_si256(w, _mm256_set1_epi16(255)), a_even);
	__m256i odd = _mm256_madd_epi16(_mm256_srli_epi16(w, 8), a_odd);
	return _mm256_add_epi32(acc, _mm256_add_epi32(even, odd));
}

static inline __attribute__((always_inline)) vi vi_dot4(vi acc, vw w, const int8_t *a, const bool small)
{
	int32_t four;
	memcpy(&four, a, sizeof four);
	__m256i all = _mm256_set1_epi32(four);
	if (small)
		return (vi){dot4_small_half(acc.a, w.a, all), dot4_small_half(acc.b, w.b, all)};
	__m256i even = _mm256_srai_epi16(_mm256_slli_epi16(all, 8), 8), odd = _mm256_srai_epi16(all, 8);
	return (vi){dot4_half(acc.a, w.a, even, odd), dot4_half(acc.b, w.b, even, odd)};
}

#endif
