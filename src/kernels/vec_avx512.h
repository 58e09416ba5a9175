/* vec_avx512.h: vec_scalar.h with AVX-512 (F, BW, DQ, VL, VNNI): a vector is one register. */
#ifndef KVIK_KERNELS_VEC_H
#define KVIK_KERNELS_VEC_H

#include <immintrin.h>
#include <math.h>
#include <stdbool.h>

#include "kernels/half.h"

typedef __m512 vf;
typedef __m512i vi;
typedef __m512i vw;

enum { VEC_TILES = 2, VEC_WIDE = 4, VEC_TOKENS = 8, VEC_ROWS = 4, VEC_DIMS = 4 };

static inline vf vf_set1(float x)
{
	return _mm512_set1_ps(x);
}

static inline vf vf_load(const float *p)
{
	return _mm512_loadu_ps(p);
}

static inline void vf_store(float *p, vf x)
{
	_mm512_storeu_ps(p, x);
}

static inline __mmask16 first_lanes(uint32_t n)
{
	return (__mmask16)((1u << n) - 1);
}

static inline vf vf_load_part(const float *p, uint32_t n)
{
	return _mm512_maskz_loadu_ps(first_lanes(n), p);
}

static inline void vf_store_part(float *p, vf x, uint32_t n)
{
	_mm512_mask_storeu_ps(p, first_lanes(n), x);
}

static inline vf vf_add(vf x, vf y)
{
	return _mm512_add_ps(x, y);
}

static inline vf vf_sub(vf x, vf y)
{
	return _mm512_sub_ps(x, y);
}

static inline vf vf_mul(vf x, vf y)
{
	return _mm512_mul_ps(x, y);
}

static inline vf vf_div(vf x, vf y)
{
	return _mm512_div_ps(x, y);
}

static inline vf vf_fma(vf x, vf y, vf z)
{
	return _mm512_fmadd_ps(x, y, z);
}

static inline vf vf_max(vf x, vf y)
{
	return _mm512_max_ps(x, y);
}

static inline vf vf_abs(vf x)
{
	return _mm512_abs_ps(x);
}

static inline vf vf_select_lt(vf x, vf y, vf yes, vf no)
{
	return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, y, _CMP_LT_OQ), no, yes);
}

static inline vf vf_select_mask(uint32_t mask, vf yes, vf no)
{
	return _mm512_mask_blend_ps((__mmask16)mask, no, yes);
}

static inline vf vf_ldexp(vf x, vf n)
{
	return _mm512_scalef_ps(x, n);
}

static inline float vf_tree_sum(vf x)
{
	__m256 a = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
	__m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
	b = _mm_add_ps(b, _mm_movehl_ps(b, b));
	return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}

static inline float vf_tree_max(vf x)
{
	__m256 a = _mm256_max_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
	__m128 b = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
	b = _mm_max_ps(b, _mm_movehl_ps(b, b));
	return _mm_cvtss_f32(_mm_max_ss(b, _mm_movehdup_ps(b)));
}

static inline vf vf_load_f16(const uint16_t *p)
{
	return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}

static inline vf vf_load_bf16(const uint16_t *p)
{
	__m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
	return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}

static inline vf vf_load_i8(const int8_t *p)
{
	return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p)));
}

static inline vf vf_load_u8(const uint8_t *p)
{
	return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p)));
}

static inline vf vf_load_half_e8m0(const uint8_t *p)
{
	__m512i e = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p));
	__m512i normal = _mm512_slli_epi32(_mm512_sub_epi32(e, _mm512_set1_epi32(1)), 23);
	__mmask16 small = _mm512_cmplt_epu32_mask(e, _mm512_set1_epi32(2));
	return _mm512_castsi512_ps(_mm512_mask_sllv_epi32(normal, small, _mm512_set1_epi32(0x00200000), e));
}

static inline vf vf_load_fp8(const uint8_t *p)
{
	__m256i h = _mm256_slli_epi16(_mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)p)), 7);
	return _mm512_cvtph_ps(_mm256_and_si256(h, _mm256_set1_epi16((short)0xBFFF))); /* the sign came in twice */
}

static inline vf vf_load_low4(const uint8_t *p)
{
	__m128i b = _mm_and_si128(_mm_loadu_si128((const __m128i *)p), _mm_set1_epi8(15));
	return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(b));
}

static inline vf vf_load_high4(const uint8_t *p)
{
	__m512i b = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p));
	return _mm512_cvtepi32_ps(_mm512_srli_epi32(b, 4));
}

static inline void vf_store_f16(uint16_t *p, vf x)
{
	_mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}

static inline void vf_store_i8(int8_t *p, vf x)
{
	_mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(x)));
}

static inline vi vi_set1(int32_t x)
{
	return _mm512_set1_epi32(x);
}

static inline vi vi_add(vi x, vi y)
{
	return _mm512_add_epi32(x, y);
}

static inline vf vf_from_vi(vi x)
{
	return _mm512_cvtepi32_ps(x);
}

static inline vw vw_load(const uint8_t *p)
{
	return _mm512_loadu_si512(p);
}

static inline vw vw_low4(vw w)
{
	return _mm512_and_si512(w, _mm512_set1_epi8(15));
}

static inline vw vw_high4(vw w)
{
	return _mm512_and_si512(_mm512_srli_epi16(w, 4), _mm512_set1_epi8(15));
}

static inline __attribute__((always_inline)) vw vw_low2(vw w, const int shift)
{
	return _mm512_and_si512(_mm512_srli_epi32(w, (unsigned)shift), _mm512_set1_epi8(3));
}

static inline vw vw_lookup(vw w, const uint8_t table[16])
{
	return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)table)), w);
}

static inline __attribute__((always_inline)) vw vw_or_high(vw w, vw h, const int shift, unsigned mask)
{
	h = shift < 4 ? _mm512_slli_epi32(h, (unsigned)(4 - shift)) : _mm512_srli_epi32(h, (unsigned)(shift - 4));
	return _mm512_or_si512(w, _mm512_and_si512(h, _mm512_set1_epi8((char)(mask << 4))));
}

static inline vi vi_dot4(vi acc, vw w, const int8_t *a, bool small)
{
	int32_t four;
	(void)small;
	memcpy(&four, a, sizeof four);
	return _mm512_dpbusd_epi32(acc, w, _mm512_set1_epi32(four));
}

#endif
