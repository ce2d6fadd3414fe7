/*
 * exp(x) in lanes of double, as bare as exponential.h is in float: reduced by ln 2 in two fused
 * steps, a polynomial of degree 11 whose relative error is 2^-55, the exponent added as an integer.
 * Where there is no fused multiply-add, a multiplication and an addition stand for it.
 */
#ifndef BENCH_PROBE_F64_H
#define BENCH_PROBE_F64_H

#include "kernel/vector/lanes.h"

#define PROBE_DOUBLES (NATIVE / 2)
typedef double pd __attribute__((vector_size(PROBE_DOUBLES * 8)));
typedef uint64_t pu __attribute__((vector_size(PROBE_DOUBLES * 8)));

__attribute__((always_inline)) static inline pd pd_set(double x)
{
	return x - (pd){0};
}

__attribute__((always_inline)) static inline pd pd_load(const void *p)
{
	pd v;
	memcpy(&v, p, sizeof v);
	return v;
}

__attribute__((always_inline)) static inline pd pd_fma(pd a, pd b, pd c)
{
#if defined(__AVX512F__)
	return (pd)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif defined(__AVX2__) && defined(__FMA__)
	return (pd)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#elif defined(__ARM_NEON) && defined(__aarch64__)
	return (pd)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
#else
	return a * b + c;
#endif
}

__attribute__((always_inline)) static inline pd pd_exp(pd x)
{
	static const double coefficients[] = {
		0x1.af389ecfc4b9cp-26, 0x1.28917c89a43a7p-22, 0x1.71de0db2f6b19p-19,
		0x1.a019b9149a41cp-16, 0x1.a01a01a7c2efep-13, 0x1.6c16c17889ef1p-10,
		0x1.11111111109b5p-7,  0x1.5555555553d68p-5,  0x1.5555555555556p-3,
		0x1.0000000000001p-1,  0x1.0000000000000p+0,  0x1.0000000000000p+0,
	};
	const pd magic = pd_set(0x1.8p52);
	pd z = pd_fma(x, pd_set(0x1.71547652b82fep+0), magic);
	pd n = z - magic;
	pd r = pd_fma(n, pd_set(-0x1.62e42fee00000p-1), x);
	r = pd_fma(n, pd_set(-0x1.a39ef35793c76p-33), r);
	pd p = pd_set(coefficients[0]);
	UNROLL
	for (size_t i = 1; i < sizeof coefficients / sizeof coefficients[0]; i++)
		p = pd_fma(p, r, pd_set(coefficients[i]));
	return (pd)((pu)p + ((pu)z << 52));
}

#endif
