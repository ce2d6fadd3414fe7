/*
 * Vectors of the instruction set that the including file is compiled for. A kernel is written over
 * LANES = 16 virtual lanes of float; a native vector holds NATIVE of them, and the kernel visits
 * the PIECES = LANES / NATIVE parts of a group in turn. What happens in a lane is the same sequence
 * of IEEE 754 operations everywhere, so results are the same bits.
 *
 * GCC's and clang's vector extensions do all but the fused multiply-add, which they cannot express,
 * and the store that bypasses the cache.
 */
#ifndef LOSS_KERNEL_LANES_H
#define LOSS_KERNEL_LANES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "half.h"
#include "lane_count.h"

#if defined(__AVX512F__) || (defined(__AVX2__) && defined(__FMA__))
#include <immintrin.h>
#elif defined(__ARM_NEON) && defined(__aarch64__)
#include <arm_neon.h>
#endif

#if defined(__AVX512F__)
#define NATIVE 16
#define ISA(name) name##_avx512
#define ISA_NAME "avx512"
#elif defined(__AVX2__) && defined(__FMA__)
#define NATIVE 8
#define ISA(name) name##_avx2
#define ISA_NAME "avx2"
#elif defined(__ARM_NEON) && defined(__aarch64__)
#define NATIVE 4
#define ISA(name) name##_neon
#define ISA_NAME "neon"
#else
#define NATIVE 4
#define ISA(name) name##_base
#define ISA_NAME "base"
#endif
#define PIECES (LANES / NATIVE)
_Static_assert(LANES % NATIVE == 0, "whole native vectors hold the lanes");

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

typedef float vf __attribute__((vector_size(NATIVE * 4)));
typedef int32_t vi __attribute__((vector_size(NATIVE * 4)));
typedef uint32_t vu __attribute__((vector_size(NATIVE * 4)));
typedef double vd __attribute__((vector_size(NATIVE * 8)));

__attribute__((always_inline)) static inline vf vf_load(const float *p)
{
	vf v;
	memcpy(&v, p, sizeof v);
	return v;
}

__attribute__((always_inline)) static inline void vf_store(float *p, vf v)
{
	memcpy(p, &v, sizeof v);
}

__attribute__((always_inline)) static inline vf vf_set(float x)
{
	return x - (vf){0};
}

/* Where mask is all ones a, where it is 0 b. */
__attribute__((always_inline)) static inline vf vf_select(vi mask, vf a, vf b)
{
	return (vf)((mask & (vi)a) | (~mask & (vi)b));
}

/* The larger of each; b where either is NaN. */
__attribute__((always_inline)) static inline vf vf_max(vf a, vf b)
{
#if defined(__AVX512F__)
	return (vf)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__) && defined(__FMA__)
	return (vf)_mm256_max_ps((__m256)a, (__m256)b);
#else
	return vf_select(a > b, a, b);
#endif
}

/* The smaller of each; b where either is NaN. */
__attribute__((always_inline)) static inline vf vf_min(vf a, vf b)
{
#if defined(__AVX512F__)
	return (vf)_mm512_min_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__) && defined(__FMA__)
	return (vf)_mm256_min_ps((__m256)a, (__m256)b);
#else
	return vf_select(a < b, a, b);
#endif
}

/* Bit i: whether lane i of the mask is set. */
__attribute__((always_inline)) static inline unsigned vf_bits(vi mask)
{
#if defined(__AVX512F__)
	return _mm512_test_epi32_mask((__m512i)mask, (__m512i)mask);
#elif defined(__AVX2__) && defined(__FMA__)
	return (unsigned)_mm256_movemask_ps((__m256)mask);
#else
	vi bits = mask & (vi){1, 2, 4, 8};
	return (unsigned)(bits[0] | bits[1] | bits[2] | bits[3]);
#endif
}

__attribute__((always_inline)) static inline vi vi_set(int x)
{
	return x - (vi){0};
}

/* first, first + 1, ... */
__attribute__((always_inline)) static inline vi vi_lanes(int first)
{
	static const int32_t all[LANES] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
	vi v;
	memcpy(&v, all, sizeof v);
	return v + vi_set(first);
}

/* The largest lane. No lane is NaN. */
__attribute__((always_inline)) static inline float vf_largest(vf v)
{
#if defined(__AVX512F__)
	return _mm512_reduce_max_ps((__m512)v);
#elif defined(__AVX2__) && defined(__FMA__)
	__m128 q =
		_mm_max_ps(_mm256_castps256_ps128((__m256)v), _mm256_extractf128_ps((__m256)v, 1));
	q = _mm_max_ps(q, _mm_movehl_ps(q, q));
	return _mm_cvtss_f32(_mm_max_ss(q, _mm_movehdup_ps(q)));
#else
	vf pair = vf_max(v, __builtin_shufflevector(v, v, 2, 3, 0, 1));
	return pair[0] > pair[1] ? pair[0] : pair[1];
#endif
}

#if !defined(__AVX512F__) && !(defined(__AVX2__) && defined(__FMA__)) && !defined(__ARM_NEON)
/* Two doubles and their bits: registers of 16 bytes are what compilers know best here. */
typedef float f2 __attribute__((vector_size(8)));
typedef double d2 __attribute__((vector_size(16)));
typedef uint64_t u2 __attribute__((vector_size(16)));
typedef int32_t i4 __attribute__((vector_size(16)));

/*
 * x + y rounded to odd (where inexact, the last bit is made 1), so that a second rounding, to
 * float, sees on which side of every tie the exact sum lies. In 0s and 1s, by arithmetic:
 * comparisons of 64-bit lanes are no single instruction everywhere. An exponent of all ones, which
 * is no finite sum, carries into the sign.
 */
__attribute__((noinline)) static d2 sum_to_odd(d2 x, d2 y)
{
	d2 s = x + y;
	d2 bb = s - x;
	d2 error = (x - (s - bb)) + (y - bb);
	u2 magnitude = (u2)error << 1;
	u2 inexact = (magnitude | -magnitude) >> 63;
	u2 finite = (((u2)s & 0x7ff0000000000000u) + 0x0010000000000000u) >> 63 ^ 1;
	u2 step = inexact & finite & ~(u2)s;
	u2 toward_zero = ((u2)s ^ (u2)error) >> 63 & step;
	return (d2)((u2)s + step - (toward_zero << 1));
}

/* What rounds to float wrongly, or may: what looks like a tie, and what becomes subnormal, where
 * ties are elsewhere. Compared in lanes of 32 bits; all ones where so. */
__attribute__((always_inline)) static inline u2 rounds_rarely(d2 s)
{
	i4 rest = (i4)(((u2)s & 0x1fffffff) ^ 0x10000000);
	i4 size = (i4)((u2)s & 0x7fffffff00000000u);
	const u2 normal = {0x3810000000000000u, 0x3810000000000000u};
	return ((u2)(rest == 0) & 0xffffffff) | (u2)(size < (i4)normal);
}

/* The product is exact in double, and its sum with c nearly so. */
__attribute__((always_inline)) static inline vf vf_fma_emulated(vf a, vf b, vf c)
{
	d2 low = __builtin_convertvector(__builtin_shufflevector(a, a, 0, 1), d2) *
		 __builtin_convertvector(__builtin_shufflevector(b, b, 0, 1), d2);
	d2 high = __builtin_convertvector(__builtin_shufflevector(a, a, 2, 3), d2) *
		  __builtin_convertvector(__builtin_shufflevector(b, b, 2, 3), d2);
	d2 c_low = __builtin_convertvector(__builtin_shufflevector(c, c, 0, 1), d2);
	d2 c_high = __builtin_convertvector(__builtin_shufflevector(c, c, 2, 3), d2);
	d2 s_low = low + c_low, s_high = high + c_high;
	u2 rare = rounds_rarely(s_low) | rounds_rarely(s_high);
	if (__builtin_expect((rare[0] | rare[1]) != 0, 0)) {
		s_low = sum_to_odd(low, c_low);
		s_high = sum_to_odd(high, c_high);
	}
	f2 f_low = __builtin_convertvector(s_low, f2), f_high = __builtin_convertvector(s_high, f2);
	return __builtin_shufflevector(f_low, f_high, 0, 1, 2, 3);
}
#endif

/* a * b + c, rounded once. */
__attribute__((always_inline)) static inline vf vf_fma(vf a, vf b, vf c)
{
#if defined(__AVX512F__)
	return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX2__) && defined(__FMA__)
	return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__ARM_NEON) && defined(__aarch64__)
	return (vf)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
	return vf_fma_emulated(a, b, c);
#endif
}

/* Exactly; the processor's own conversion gives the same bits as half.h's, NaNs made quiet
 * included. */
typedef uint16_t vh __attribute__((vector_size(NATIVE * 2)));
__attribute__((always_inline)) static inline vf vf_from_f16(vh codes)
{
#if defined(__AVX512F__)
	return (vf)_mm512_cvtph_ps((__m256i)codes);
#elif defined(__F16C__)
	return (vf)_mm256_cvtph_ps((__m128i)codes);
#else
	float values[NATIVE];
	for (int i = 0; i < NATIVE; i++)
		values[i] = half_widen(HALF_F16, codes[i]);
	return vf_load(values);
#endif
}

/* Stores past the cache where the machine can; p must be aligned to the vector's size. */
__attribute__((always_inline)) static inline void vf_stream(float *p, vf v)
{
#if defined(__AVX512F__)
	_mm512_stream_ps(p, (__m512)v);
#elif defined(__AVX2__) && defined(__FMA__)
	_mm256_stream_ps(p, (__m256)v);
#else
	vf_store(p, v);
#endif
}

#endif
