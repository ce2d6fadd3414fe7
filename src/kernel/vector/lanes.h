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

#if defined(__AVX512F__) || (defined(__AVX2__) && defined(__FMA__))
#include <immintrin.h>
#elif defined(__ARM_NEON) && defined(__aarch64__)
#include <arm_neon.h>
#endif

#define LANES 16

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

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

typedef float vf __attribute__((vector_size(NATIVE * 4)));
typedef int32_t vi __attribute__((vector_size(NATIVE * 4)));
typedef uint32_t vu __attribute__((vector_size(NATIVE * 4)));
typedef double vd __attribute__((vector_size(NATIVE * 8)));

static inline vf vf_load(const float *p)
{
	vf v;
	memcpy(&v, p, sizeof v);
	return v;
}

static inline void vf_store(float *p, vf v)
{
	memcpy(p, &v, sizeof v);
}

static inline vf vf_set(float x)
{
	return x - (vf){0};
}

/* Where mask is all ones a, where it is 0 b. */
static inline vf vf_select(vi mask, vf a, vf b)
{
	return (vf)((mask & (vi)a) | (~mask & (vi)b));
}

/* The larger of each; b where either is NaN. */
static inline vf vf_max(vf a, vf b)
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
static inline vf vf_min(vf a, vf b)
{
#if defined(__AVX512F__)
	return (vf)_mm512_min_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__) && defined(__FMA__)
	return (vf)_mm256_min_ps((__m256)a, (__m256)b);
#else
	return vf_select(a < b, a, b);
#endif
}

/* Whether a lane of the mask is not 0. */
static inline bool vf_any(vi mask)
{
#if defined(__AVX512F__)
	return _mm512_test_epi32_mask((__m512i)mask, (__m512i)mask) != 0;
#elif defined(__AVX2__) && defined(__FMA__)
	return _mm256_movemask_ps((__m256)mask) != 0;
#else
	return (mask[0] | mask[1] | mask[2] | mask[3]) != 0;
#endif
}

/* a * b + c, rounded once. */
static inline vf vf_fma(vf a, vf b, vf c)
{
#if defined(__AVX512F__)
	return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX2__) && defined(__FMA__)
	return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__ARM_NEON) && defined(__aarch64__)
	return (vf)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
	/*
	 * The product is exact in double. The sum is rounded to odd (where inexact, the last bit is
	 * made 1), so that the second rounding, to float, sees on which side of every tie the exact
	 * sum lies.
	 */
	typedef int64_t vl __attribute__((vector_size(NATIVE * 8)));
	vd x = __builtin_convertvector(a, vd) * __builtin_convertvector(b, vd);
	vd y = __builtin_convertvector(c, vd);
	vd s = x + y;
	vd bb = s - x;
	vd error = (x - (s - bb)) + (y - bb);
	/* An error that is no number goes with a sum that is not finite. */
	vl even_inexact = (error != 0) & (error == error) & (((vl)s & 1) == 0);
	vl toward = -1 - 2 * ((error > 0) == (s > 0)); /* a comparison gives -1 where true */
	s = (vd)((vl)s + (even_inexact & toward));
	return __builtin_convertvector(s, vf);
#endif
}

/* Exactly; the processor's own conversion gives the same bits as half.h's, NaNs made quiet
 * included. */
typedef uint16_t vh __attribute__((vector_size(NATIVE * 2)));
static inline vf vf_from_f16(vh codes)
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
static inline void vf_stream(float *p, vf v)
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
