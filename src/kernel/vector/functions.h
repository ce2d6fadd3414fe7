/*
 * Functions of native vectors of doubles, nearly as exact as a double is: exp, log, log1p and what
 * caps logits. Like elementary.h's they are made of operations only that IEEE 754 defines to the
 * last bit, so every build of them gives the same bits; unlike those they have no branch that
 * depends on a value, and each says which values it takes. Nothing is fused but the errors of
 * products: what runs once a logit has none of them.
 */
#ifndef LOSS_KERNEL_FUNCTIONS_H
#define LOSS_KERNEL_FUNCTIONS_H

#include "../elementary.h"
#include "../softcap.h"
#include "pairs.h"

#define WD_EXP_MAGIC 0x1.8p52

/* ---------------------------------------------------------------- exp */

/* c[0] + c[1] x + c[2] x^2 + c[3] x^3. */
__attribute__((always_inline)) static inline wd wd_cubic(wd x, wd x2, const double *c)
{
	wd low = wd_set(c[1]) * x + wd_set(c[0]);
	wd high = wd_set(c[3]) * x + wd_set(c[2]);
	return high * x2 + low;
}

/* 2^k for the k in the low bits of z. */
__attribute__((always_inline)) static inline wd wd_power_of(wd z)
{
	return (wd)(((wu)z << 52) + (wu)wd_set(1.0));
}

/* value 2^k likewise, where both are normal numbers; NaN where value is: bits of a NaN, added to an
 * exponent, would make a number of it. */
__attribute__((always_inline)) static inline wd wd_scale(wd value, wd z)
{
#if defined(__AVX512F__)
	wd k = z - wd_set(WD_EXP_MAGIC);
	return (wd)_mm512_scalef_pd((__m512d)value, (__m512d)k);
#else
	return value * wd_power_of(z);
#endif
}

/*
 * exp(x) = 2^k exp(r), |r| <= ln(2)/2, as 1 + high + rest. magic is WD_EXP_MAGIC + shift: the last
 * bits of z hold k + shift. k LN2_HIGH is exact, and so is the difference from x.
 */
struct exp_reduced {
	wd z;
	wd r;          /* high - correction, rounded */
	wd high;       /* x - k LN2_HIGH */
	wd correction; /* k LN2_LOW */
};

__attribute__((always_inline)) static inline struct exp_reduced wd_exp_reduce(wd x, wd magic)
{
	struct exp_reduced at;
	at.z = x * wd_set(LOG2_E) + magic;
	wd k = at.z - magic;
	at.high = x - k * wd_set(LN2_HIGH);
	at.correction = k * wd_set(LN2_LOW);
	at.r = at.high - at.correction;
	return at;
}

/* The polynomials are those through the Chebyshev nodes of (exp(r) - 1 - r) / r^2. */

/*
 * exp(x) 2^shift, magic = WD_EXP_MAGIC + shift, for |x| <= 2^20 + 800 and results that are normal
 * numbers. Within 0.8 ulp.
 */
__attribute__((always_inline)) static inline wd wd_exp_at(wd x, wd magic)
{
	static const double c[] = {0x1.0000000000007p-1,  0x1.555555555549dp-3,
				   0x1.5555555551483p-5,  0x1.1111111140eb7p-7,
				   0x1.6c16c181d63fep-10, 0x1.a01a009b00fefp-13,
				   0x1.a0199fc346858p-16, 0x1.71e070f498b45p-19,
				   0x1.28a898bad9811p-22, 0x1.ab64b765138f5p-26};
	struct exp_reduced at = wd_exp_reduce(x, magic);
	wd r = at.r, r2 = r * r, r4 = r2 * r2;
	wd high = wd_set(c[9]) * r + wd_set(c[8]);
	wd p = (high * r4 + wd_cubic(r, r2, c + 4)) * r4 + wd_cubic(r, r2, c);
	wd sum = wd_set(1.0) + at.high;
	wd rest = (at.high - (sum - wd_set(1.0))) + (r2 * p - at.correction);
	return wd_scale(sum + rest, at.z);
}

/*
 * The same as the result, within 0.54 ulp, plus *low, to 2^-57 of itself; for results below 2^1022.
 * *low loses digits where it is subnormal. 1 + r + r^2/2 is summed without error, and what is left
 * of it is below 2^-6.
 */
__attribute__((always_inline)) static inline wd wd_exp_parts(wd x, wd magic, wd *low)
{
	static const double c[] = {
		0x1.5555555555555p-3,  0x1.5555555555557p-5,  0x1.1111111111111p-7,
		0x1.6c16c16c15a6cp-10, 0x1.a01a01a0196aep-13, 0x1.a01a01a9e80fep-16,
		0x1.71de3a5aa6edbp-19, 0x1.27e4d41d6f52cp-22, 0x1.ae642c8730328p-26,
		0x1.1f7f2000f95cdp-29, 0x1.61bfa22dd81e8p-33};
	struct exp_reduced at = wd_exp_reduce(x, magic);
	wd r = at.r, r_low = (at.high - r) - at.correction;
	struct pair square = wd_product(r, r);
	wd r2 = square.high, r4 = r2 * r2;
	wd high = wd_set(c[10]) * r2 + (wd_set(c[9]) * r + wd_set(c[8]));
	wd p = (high * r4 + wd_cubic(r, r2, c + 4)) * r4 + wd_cubic(r, r2, c);
	struct pair first = wd_sum_ordered(wd_set(1.0), r);
	struct pair sum = wd_sum_ordered(first.high, wd_set(0.5) * r2);
	wd rest = (sum.low + first.low) + (wd_set(0.5) * square.low + r_low * sum.high);
	struct pair e = wd_sum_ordered(sum.high, (r2 * r) * p + rest);
	wd power = wd_power_of(at.z);
	*low = e.low * power;
	return e.high * power;
}

/* ---------------------------------------------------------------- log */

/* 2^k (1 + f + c), f exact, 1 + f in [sqrt(1/2), sqrt(2)), c below an ulp of it. */
struct log_split {
	wd k, f, c;
};

/* x + x_low, 2^-1022 <= x < 2^1023. The bits of k become a double under the exponent of
 * 2^52. */
__attribute__((always_inline)) static inline struct log_split wd_log_split(wd x, wd x_low)
{
	wu exponent = ((wu)x - wu_set(0x3fe6a09e667f3bcd)) & wu_set(0xfff0000000000000);
	wu biased = (exponent + wu_set(UINT64_C(1024) << 52)) >> 52;
	struct log_split at;
	at.k = (wd)(biased + wu_set(0x4330000000000000)) - wd_set(0x1p52 + 1024.0);
	at.f = (wd)((wu)x - exponent) - wd_set(1.0);
	at.c = x_low * (wd)((wu)wd_set(1.0) - exponent);
	return at;
}

/*
 * k ln2 + log(1 + f + c), as elementary.h's log_reduced. With s = f / (2 + f), 1 / (1 + f) = 1 - 2s
 * + 2s^2 - ...: that is
 * all the correction c takes, and its square where there is nothing else.
 */
__attribute__((always_inline)) static inline wd wd_log_finish(const struct log_split *at,
							      bool corrected)
{
	static const double c[] = {0x1.5555555555558p-1, 0x1.99999999952e2p-2, 0x1.2492492df148dp-2,
				   0x1.c71c62e580091p-3, 0x1.7462b4ab2f3bfp-3, 0x1.39fe606539dedp-3,
				   0x1.2b584aaee7d80p-3};
	wd f = at->f, s = f / (f + wd_set(2.0));
	wd z = s * s, z2 = z * z;
	wd high = wd_set(c[6]) * z2 + (wd_set(c[5]) * z + wd_set(c[4]));
	wd q = z * (high * (z2 * z2) + wd_cubic(z, z2, c));
	wd half_square = wd_set(0.5) * f * f;
	wd tail = half_square - s * (half_square + q);
	wd low = at->k * wd_set(LN2_LOW);
	if (corrected)
		low += at->c + at->c * (wd_set(2.0) * (z - s) - wd_set(0.5) * at->c);
	return at->k * wd_set(LN2_HIGH) + (f - (tail - low));
}

/* log(x), 2^-1022 <= x < 2^1024; within 1 ulp. */
__attribute__((always_inline)) static inline wd wd_log(wd x)
{
	struct log_split at = wd_log_split(x, wd_set(0.0));
	return wd_log_finish(&at, false);
}

/* log(x + x_low), |x_low| <= ulp(x), 2^-1022 <= x < 2^1023; within 1 ulp. */
__attribute__((always_inline)) static inline wd wd_log_sum(wd x, wd x_low)
{
	struct log_split at = wd_log_split(x, x_low);
	return wd_log_finish(&at, true);
}

/*
 * log(x.high + x.low), 2^-1022 <= x < 2^1023, to 2^-60 of itself: for exponents, in which an error
 * counts as many times as they are large. log(1 + f) = 2 s + (2/3) s^3 + (2/5) s^5 + ..., of which
 * s and the first two terms are pairs.
 */
__attribute__((always_inline)) static inline struct pair pair_log(struct pair x)
{
	static const double c[] = {0x1.999999999999ep-2, 0x1.249249248e53bp-2, 0x1.c71c71d7e5cbbp-3,
				   0x1.745d09f1d2dfap-3, 0x1.3b18b888c5b70p-3, 0x1.1018bb6aef78bp-3,
				   0x1.0877e9071acb9p-3};
	const struct pair third = {wd_set(2.0 / 3.0), wd_set(0x1.5555555555555p-55)};
	const struct pair two = {wd_set(2.0), wd_set(0.0)};
	struct log_split at = wd_log_split(x.high, x.low);
	struct pair top = wd_sum(at.f, at.c), bottom = pair_sum(two, top);
	struct pair s = pair_ratio(top, bottom, wd_set(1.0) / bottom.high);
	struct pair cube = pair_product(pair_product(s, s), s);
	wd z = s.high * s.high, z2 = z * z;
	wd high = wd_set(c[6]) * z2 + (wd_set(c[5]) * z + wd_set(c[4]));
	wd rest = (s.high * z2) * (high * (z2 * z2) + wd_cubic(z, z2, c));
	struct pair whole = {at.k * wd_set(LN2_HIGH), at.k * wd_set(LN2_LOW)};
	struct pair twice = {s.high + s.high, s.low + s.low};
	cube = pair_product(cube, third);
	cube.low += rest;
	struct pair log = pair_sum(pair_sum(whole, twice), cube);
	return wd_sum_ordered(log.high, log.low);
}

/* log(1 + x + x_low), |x_low| <= ulp(x), 0 <= x < 2^1000; within 1 ulp. */
__attribute__((always_inline)) static inline wd wd_log1p_parts(wd x, wd x_low)
{
	wd one = wd_set(1.0), u = x + one;
	wd added = u - x;
	wd lost = (x - (u - added)) + (one - added);
	return wd_log_sum(u, lost + x_low);
}

/* log(1 + x), 0 <= x <= 1, within 1 ulp; the high part alone is within 1.4. The same series,
 * without taking a power of 2 out of 1 + x: s is up to 1/3 then. */
__attribute__((always_inline)) static inline struct pair wd_log1p_unit(wd x)
{
	static const double c[] = {0x1.5555555555555p-1, 0x1.999999999a3ddp-2, 0x1.24924923d44c6p-2,
				   0x1.c71c727143319p-3, 0x1.745cf0b0e037ep-3, 0x1.3b18b294bf2e4p-3,
				   0x1.10ac75dc59139p-3, 0x1.eb905e85fbf69p-4, 0x1.687a6e79e3a6cp-4,
				   0x1.4b0a26c8cdd7dp-3};
	wd s = x / (x + wd_set(2.0)), z = s * s, z2 = z * z, z4 = z2 * z2;
	wd high = wd_set(c[9]) * z + wd_set(c[8]);
	wd q = z * ((high * z4 + wd_cubic(z, z2, c + 4)) * z4 + wd_cubic(z, z2, c));
	wd half_square = wd_set(0.5) * x * x;
	return wd_sum_ordered(x, s * (half_square + q) - half_square);
}

/* ---------------------------------------------------------------- capped logits */

/*
 * u = s tanh(x/s) / T and its slope sech^2(x/s) / T. With 2 x/s = k ln2 + r, P = 2^k, A = P - 1, B
 * = P + 1 and t = tanh(r/2),
 *
 *     tanh(x/s) = (A + t B) / (B + t A),   sech^2(x/s) = 4 P (1 - t^2) / (B + t A)^2,
 *
 * where for k = 0, A = 0: nothing cancels, and small logits keep their digits. The denominator of a
 * positive k is 2^k that of -k.
 */
struct capped {
	wd value, slope;
};

/* u to 2^-36 of itself, for any x that is a float; an infinity's is +-s/T, a NaN's is NaN. Its
 * slope as exactly, but never below some 2^-1000 / T. */
__attribute__((always_inline)) static inline struct capped wd_softcap(wd x,
								      const struct softcap *cap)
{
	static const double c[] = {0x1.ffffffffff193p-2, -0x1.5555554999d48p-5,
				   0x1.1110f89dadf79p-8, -0x1.b9f7e84758ff0p-12,
				   0x1.5b9ed1a218e79p-15};
	wd one = wd_set(1.0), most = wd_set(700.0), magic = wd_set(WD_EXP_MAGIC);
	wd y = wd_max(-most, wd_min(most, x * wd_set(cap->two_over_s)));
	wd z = y * wd_set(LOG2_E) + magic;
	wd r = y - (z - magic) * wd_set(0x1.62e42fefa39efp-1);
	wd w = r * r, w2 = w * w;
	wd t = r * (wd_set(c[4]) * (w2 * w2) + wd_cubic(w, w2, c));
	wd p = wd_power_of(z), a = p - one, b = p + one;
	wd inverse = one / (b + t * a);
	return (struct capped){
		.value = ((a + t * b) * inverse) * wd_set(cap->s_over_t),
		.slope = (p * inverse) * ((one - t * t) * inverse) * wd_set(cap->four_over_t),
	};
}

/* t = tanh(r/2) of r = 2 |x| / s - k ln2, and P = 2^-k: then A = 1 - P and B = 1 + P. */
struct capped_parts {
	struct pair t;
	wd p;
	wd y; /* 2 |x| / s */
};

__attribute__((always_inline)) static inline struct capped_parts
wd_softcap_reduce(wd size, const struct softcap_wide *cap)
{
	static const double c[] = {-0x1.555555555554cp-5,  0x1.1111111106773p-8,
				   -0x1.ba1ba179b2486p-12, 0x1.664f00e165d00p-15,
				   -0x1.224a249402aadp-18, 0x1.c605cb30f8f1ep-22};
	struct pair y = wd_product(size, wd_set(cap->two_over_s));
	y.low += size * wd_set(cap->two_over_s_low);
	/* of -y, so that the power is that of -k */
	struct exp_reduced at = wd_exp_reduce(-y.high, wd_set(WD_EXP_MAGIC));
	wd correction = at.correction + y.low;
	wd r = at.high - correction, w = r * r, w2 = w * w;
	wd r_low = (at.high - r) - correction;
	wd high = wd_set(c[5]) * w + wd_set(c[4]);
	wd bend = (r * w) * (high * (w2 * w2) + wd_cubic(w, w2, c));
	struct pair t = wd_sum_ordered(wd_set(0.5) * r, bend + wd_set(0.5) * r_low);
	return (struct capped_parts){.t = pair_minus(t), .p = wd_power_of(at.z), .y = y.high};
}

/* sech^2(x/s) / T, 0 below 2^-1000 of it, with d = B + t A; inverse is that of d.high. What all
 * factors lost is made up for at the end. */
__attribute__((always_inline)) static inline wd wd_softcap_slope(const struct capped_parts *at,
								 struct pair d, wd inverse,
								 const struct softcap_wide *cap)
{
	wd one = wd_set(1.0);
	wd lost = wd_fma(-d.high, inverse, one) - d.low * inverse;
	wd square = at->t.high * at->t.high, rest = one - square;
	struct pair s = wd_product(rest, inverse);
	struct pair slope = wd_product(s.high, inverse);
	lost += lost + ((one - rest) - square) + wd_set(cap->four_over_t_low);
	slope.low += s.low * inverse + slope.high * lost;
	wd value = pair_value(slope) * wd_set(cap->four_over_t) * at->p;
	return wd_select_below(at->y, wd_set(699.0), value, value * wd_set(0.0));
}

/* u within 0.7 ulp, for any x; its slope within 2 ulp. */
__attribute__((always_inline)) static inline struct capped
wd_softcap_wide(wd x, const struct softcap_wide *cap)
{
	wd one = wd_set(1.0), size = wd_min(wd_set(cap->most), wd_abs(x));
	struct capped_parts at = wd_softcap_reduce(size, cap);
	struct pair a = wd_sum_ordered(one, -at.p), b = wd_sum_ordered(one, at.p);
	struct pair n = pair_sum(a, pair_product(at.t, b));
	struct pair d = pair_sum(b, pair_product(at.t, a));
	wd inverse = one / d.high;
	struct pair s_over_t = {wd_set(cap->s_over_t), wd_set(cap->s_over_t_low)};
	wd u = pair_value(pair_product(pair_ratio(n, d, inverse), s_over_t));
	/* Products of the smallest logits would lose digits, and tanh nothing. */
	wu sign = (wu)x & wu_set(UINT64_C(1) << 63);
	return (struct capped){
		.value = wd_select_below(at.y, wd_set(0x1p-28), x / wd_set(cap->t),
					 (wd)((wu)u ^ sign)),
		.slope = wd_softcap_slope(&at, d, inverse, cap),
	};
}

#endif
