/*
 * Native vectors of doubles of twice the precision: a high and a low part, the low one a few ulp of
 * the other at most. What they round away is some 2^-100 of themselves.
 */
#ifndef LOSS_KERNEL_PAIRS_H
#define LOSS_KERNEL_PAIRS_H

#include <math.h>

#include "doubles.h"

/* a b + c, rounded once. Where there is no such instruction it is C's, a lane at a time, and slow:
 * not for what every operation of a loop would be. */
__attribute__((always_inline)) static inline wd wd_fma(wd a, wd b, wd c)
{
#if defined(__AVX512F__)
	return (wd)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif defined(__AVX2__) && defined(__FMA__)
	return (wd)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#elif defined(__ARM_NEON) && defined(__aarch64__)
	return (wd)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
#else
	return (wd){fma(a[0], b[0], c[0]), fma(a[1], b[1], c[1])};
#endif
}

struct pair {
	wd high, low;
};

/* a b, exactly, where that is no subnormal. */
__attribute__((always_inline)) static inline struct pair wd_product(wd a, wd b)
{
	wd high = a * b;
	return (struct pair){high, wd_fma(a, b, -high)};
}

/* a + b, exactly (Knuth). */
__attribute__((always_inline)) static inline struct pair wd_sum(wd a, wd b)
{
	wd high = a + b, added = high - a;
	return (struct pair){high, (a - (high - added)) + (b - added)};
}

/* The same where |a| >= |b| (Dekker). */
__attribute__((always_inline)) static inline struct pair wd_sum_ordered(wd a, wd b)
{
	wd high = a + b;
	return (struct pair){high, b - (high - a)};
}

__attribute__((always_inline)) static inline struct pair pair_product(struct pair a, struct pair b)
{
	struct pair p = wd_product(a.high, b.high);
	p.low += a.high * b.low + a.low * b.high;
	return p;
}

__attribute__((always_inline)) static inline struct pair pair_times(wd a, struct pair b)
{
	struct pair p = wd_product(a, b.high);
	p.low += a * b.low;
	return p;
}

/* But for what cancels. */
__attribute__((always_inline)) static inline struct pair pair_sum(struct pair a, struct pair b)
{
	struct pair s = wd_sum(a.high, b.high);
	s.low += a.low + b.low;
	return s;
}

__attribute__((always_inline)) static inline struct pair pair_minus(struct pair a)
{
	return (struct pair){-a.high, -a.low};
}

/* Rounded to a double. */
__attribute__((always_inline)) static inline wd pair_value(struct pair a)
{
	return a.high + a.low;
}

/* n / d; inverse is that of d.high, rounded. */
__attribute__((always_inline)) static inline struct pair pair_ratio(struct pair n, struct pair d,
								    wd inverse)
{
	wd q = n.high * inverse;
	wd rest = wd_fma(-q, d.high, n.high) + (n.low - q * d.low);
	return (struct pair){q, rest * inverse};
}

#endif
