/*
 * exp(x) 2^shift in float lanes, for any x whose result is a normal number.
 *
 * z = x log2(e) + magic rounds to an integer n in the low bits of z: magic is 1.5 * 2^23 + shift,
 * so those bits hold n + shift, which makes a power of two of them. It is multiplied with: added to
 * the exponent, bits of a NaN would make a number of it.
 * r = x - n ln2 in two fused steps, of which the first is exact: for |x| >= ln(2)/2 both x and n
 * LN2_HIGH are multiples of 2^-25, and so is their difference, below 1/2. Valid for |x| <= 2^20 +
 * 128: there the error of the split ln2 is still below 2^-29. The polynomial is the minimax one of
 * degree 6 with the coefficients of 1 and r fixed at 1; its relative error is 2^-28. Largest error
 * of the whole: 0.87 ulp.
 */
#ifndef LOSS_KERNEL_EXPONENTIAL_H
#define LOSS_KERNEL_EXPONENTIAL_H

#include "lanes.h"

#define EXPONENTIAL_MAGIC 0x1.8p23f

/* (exp(r) - 1) / r of the reduced r. */
__attribute__((always_inline)) static inline vf vf_exponential_slope(vf x, vf magic, vf *reduced,
								     vf *mantissa_bits)
{
	vf z = vf_fma(x, vf_set(0x1.715476p+0f), magic);
	vf n = z - magic;
	vf r = vf_fma(n, vf_set(-0x1.62e430p-1f), x);
	r = vf_fma(n, vf_set(0x1.05c610p-29f), r);
	vf p = vf_fma(vf_set(0x1.6a2254p-10f), r, vf_set(0x1.123b02p-7f));
	p = vf_fma(p, r, vf_set(0x1.5558f8p-5f));
	p = vf_fma(p, r, vf_set(0x1.555490p-3f));
	p = vf_fma(p, r, vf_set(0x1.fffffcp-2f));
	*reduced = r;
	*mantissa_bits = z;
	return vf_fma(p, r, vf_set(1.0f));
}

__attribute__((always_inline)) static inline vf vf_exponential(vf x, vf magic, vf *mantissa_bits)
{
	vf r;
	vf p = vf_exponential_slope(x, magic, &r, mantissa_bits);
	return vf_fma(p, r, vf_set(1.0f));
}

/* value 2^k with k in the low bits of z, where both are normal numbers; NaN where value is. */
__attribute__((always_inline)) static inline vf vf_scale(vf value, vf z)
{
#if defined(__AVX512F__)
	vf k = z - vf_set(EXPONENTIAL_MAGIC);
	return (vf)_mm512_scalef_ps((__m512)value, (__m512)k);
#else
	return value * (vf)((vu)vf_set(1.0f) + ((vu)z << 23));
#endif
}

__attribute__((always_inline)) static inline vf vf_exp(vf x, vf magic)
{
	vf z;
	vf p = vf_exponential(x, magic, &z);
	return vf_scale(p, z);
}

#endif
