/* Native vectors of doubles: see lanes.h. */
#ifndef LOSS_KERNEL_DOUBLES_H
#define LOSS_KERNEL_DOUBLES_H

#include <math.h>

#include "lanes.h"

/*
 * Native vectors of doubles, and of as many floats. There is no fused multiply-add among their
 * operations, which would have to be emulated where there is none.
 */
#define DOUBLES (NATIVE / 2)
typedef float hf __attribute__((vector_size(DOUBLES * 4)));
typedef double wd __attribute__((vector_size(DOUBLES * 8)));
typedef int64_t wl __attribute__((vector_size(DOUBLES * 8)));
typedef uint64_t wu __attribute__((vector_size(DOUBLES * 8)));

__attribute__((always_inline)) static inline wd wd_load(const double *p)
{
	wd v;
	memcpy(&v, p, sizeof v);
	return v;
}

__attribute__((always_inline)) static inline void wd_store(double *p, wd v)
{
	memcpy(p, &v, sizeof v);
}

__attribute__((always_inline)) static inline wd wd_set(double x)
{
	return x - (wd){0};
}

/* The intrinsic is one instruction where gcc makes four of the conversion. */
__attribute__((always_inline)) static inline wd wd_of(hf v)
{
#if defined(__AVX512F__)
	return (wd)_mm512_cvtps_pd((__m256)v);
#else
	return __builtin_convertvector(v, wd);
#endif
}

/* Rounded to floats; the same of the intrinsic. */
__attribute__((always_inline)) static inline hf hf_of(wd v)
{
#if defined(__AVX512F__)
	return (hf)_mm512_cvtpd_ps((__m512d)v);
#else
	return __builtin_convertvector(v, hf);
#endif
}

__attribute__((always_inline)) static inline wd wd_widen(const float *p)
{
	hf v;
	memcpy(&v, p, sizeof v);
	return wd_of(v);
}

/* Where mask is all ones a, where it is 0 b. */
__attribute__((always_inline)) static inline wd wd_select(wl mask, wd a, wd b)
{
	return (wd)((mask & (wl)a) | (~mask & (wl)b));
}

/* Where x < y a, else b. */
__attribute__((always_inline)) static inline wd wd_select_below(wd x, wd y, wd a, wd b)
{
#if defined(__AVX512F__)
	__mmask8 below = _mm512_cmp_pd_mask((__m512d)x, (__m512d)y, _CMP_LT_OQ);
	return (wd)_mm512_mask_blend_pd(below, (__m512d)b, (__m512d)a);
#else
	return wd_select(x < y, a, b);
#endif
}

__attribute__((always_inline)) static inline wl wl_load(const int64_t *p)
{
	wl v;
	memcpy(&v, p, sizeof v);
	return v;
}

/* All ones where x is no NaN. */
__attribute__((always_inline)) static inline wl wd_is_number(wd x)
{
	return x <= wd_set(HUGE_VAL);
}

/* Stores past the cache where the machine can; p must be aligned to the vector's size. */
__attribute__((always_inline)) static inline void wd_stream(double *p, wd v)
{
#if defined(__AVX512F__)
	_mm512_stream_pd(p, (__m512d)v);
#elif defined(__AVX2__) && defined(__FMA__)
	_mm256_stream_pd(p, (__m256d)v);
#else
	wd_store(p, v);
#endif
}

__attribute__((always_inline)) static inline wu wu_set(uint64_t x)
{
	return x - (wu){0};
}

__attribute__((always_inline)) static inline wd wd_abs(wd x)
{
	return (wd)((wu)x & wu_set(INT64_MAX));
}

/* 1 where x < 0, else 0. */
__attribute__((always_inline)) static inline wd wd_is_negative(wd x)
{
	return (wd)((wl)(x < wd_set(0.0)) & (wl)wd_set(1.0));
}

/* The larger of each; b where either is NaN. */
__attribute__((always_inline)) static inline wd wd_max(wd a, wd b)
{
#if defined(__AVX512F__)
	return (wd)_mm512_max_pd((__m512d)a, (__m512d)b);
#elif defined(__AVX2__) && defined(__FMA__)
	return (wd)_mm256_max_pd((__m256d)a, (__m256d)b);
#else
	return wd_select(a > b, a, b);
#endif
}

/* The smaller of each; b where either is NaN. */
__attribute__((always_inline)) static inline wd wd_min(wd a, wd b)
{
#if defined(__AVX512F__)
	return (wd)_mm512_min_pd((__m512d)a, (__m512d)b);
#elif defined(__AVX2__) && defined(__FMA__)
	return (wd)_mm256_min_pd((__m256d)a, (__m256d)b);
#else
	return wd_select(a < b, a, b);
#endif
}

#endif
