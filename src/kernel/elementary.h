/*
 * exp, log, log1p and tanh in double, made of operations only that IEEE 754 defines to the last
 * bit: additions, multiplications, divisions, fma and rint. They are the same bits from every
 * compiler and on every machine, which the C library's do not promise. They also give or take the
 * low part that a double cannot hold, for callers that must stay within a few ulp of exact.
 */
#ifndef LOSS_KERNEL_ELEMENTARY_H
#define LOSS_KERNEL_ELEMENTARY_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "../reduce.h"

/* ln 2 in two parts; the high one has 32 significant bits, so that k * LN2_HIGH is exact for |k| <
 * 2^21. */
#define LN2_HIGH 0x1.62e42fee00000p-1
#define LN2_LOW 0x1.a39ef35793c76p-33
#define LOG2_E 0x1.71547652b82fep+0
#define SQRT_2 0x1.6a09e667f3bcdp+0

/* 2^k for -1022 <= k <= 1023. */
static inline double power_of_two(int64_t k)
{
	uint64_t bits = (uint64_t)(k + 1023) << 52;
	double value;
	memcpy(&value, &bits, sizeof value);
	return value;
}

/* value * 2^k for any k that exp produces; rounds once, also into the subnormals. */
static inline double scale_by_power(double value, int64_t k)
{
	if (k > 1023)
		return value * power_of_two(1023) * power_of_two(k - 1023);
	if (k < -1022)
		return value * power_of_two(k + 1022 + 54) * power_of_two(-1022 - 54 + 1022) *
		       power_of_two(-1022);
	return value * power_of_two(k);
}

/* The terms of exp(r) from r^2 / 2 on, |r| <= ln(2) / 2: Taylor's series to r^13, cut 2^-57 of 1
 * below. */
static inline double exp_tail(double r)
{
	static const double inverse_factorial[] = {
		1.0 / 6227020800.0, 1.0 / 479001600.0, 1.0 / 39916800.0, 1.0 / 3628800.0,
		1.0 / 362880.0,     1.0 / 40320.0,     1.0 / 5040.0,     1.0 / 720.0,
		1.0 / 120.0,        1.0 / 24.0,        1.0 / 6.0,
	};
	double p = inverse_factorial[0];
	for (int i = 1; i < 11; i++)
		p = p * r + inverse_factorial[i];
	double r2 = r * r;
	return 0.5 * r2 + r2 * r * p;
}

/*
 * exp(x + x_low) 2^shift as the result plus *low, |x_low| <= ulp(x). The result is within 0.76 ulp,
 * with *low within 0.27. Below -746 both are 0, above 710 the result is infinite; NaN in, NaN out.
 *
 * x = k ln2 + r with |r| <= ln(2)/2. k LN2_HIGH is exact and so is x - k LN2_HIGH (Sterbenz), hence
 * r is known to twice the precision: r + r_low. Then exp(r) = 1 + r + tail, of which 1 + r is
 * summed without error, and exp(r + r_low) = exp(r) (1 + r_low) to first order.
 */
static inline double exp_parts(double x, double x_low, int64_t shift, double *low)
{
	*low = 0.0;
	double lowest = -746.0 - 0.6875 * (double)shift;
	if (!(x > lowest && x < 710.0))
		return x >= 710.0 ? HUGE_VAL : x <= lowest ? 0.0 : x;
	double k = rint(x * LOG2_E);
	double high = x - k * LN2_HIGH;
	double correction = k * LN2_LOW;
	double r = high - correction;
	double r_low = ((high - r) - correction) + x_low;
	double sum = 1.0 + r;
	double sum_low = (1.0 - sum) + r; /* exact, since 1 >= |r| */
	double tail = exp_tail(r);
	double rest = sum_low + (tail + r_low * (sum + tail));
	double result = sum + rest;
	*low = scale_by_power(rest - (result - sum), (int64_t)k + shift);
	return scale_by_power(result, (int64_t)k + shift);
}

static inline double exp_double(double x)
{
	double low;
	return exp_parts(x, 0.0, 0, &low);
}

/*
 * k ln2 + log(1 + f + c) for 1 + f in [sqrt(1/2), sqrt 2) and c below an ulp of 1 + f. With s = f /
 * (2 + f): log(1 + f) = 2 atanh(s) = f - s (f - q), q = 2 (s^2/3 + s^4/5 + ...), in the form f -
 * (f^2/2 - s (f^2/2 + q)) whose largest term f is exact; c is first order in the logarithm.
 */
static inline double log_reduced(double k, double f, double c)
{
	double s = f / (2.0 + f);
	double z = s * s;
	double q = 2.0 / 25.0;
	for (int n = 23; n >= 3; n -= 2)
		q = q * z + 2.0 / (double)n;
	q *= z;
	double half_square = 0.5 * f * f;
	double tail = half_square - s * (half_square + q);
	c /= 1.0 + f;
	return k * LN2_HIGH + (f - (tail - (k * LN2_LOW + c)));
}

/*
 * log(1 + x + x_low) for 0 <= x < 2^1022, infinity and NaN; |x_low| <= ulp(x); within 1 ulp.
 *
 * 1 + x = 2^k (1 + f) with 1 + f in [sqrt(1/2), sqrt 2); what rounding 1 + x lost is c.
 */
static inline double log1p_parts(double x, double x_low)
{
	if (!(x >= 0x1p-54))
		return x + x_low;
	if (!(x < HUGE_VAL))
		return x;
	double u = 1.0 + x;
	double lost = (x < 1.0 ? x - (u - 1.0) : 1.0 - (u - x)) + x_low;
	double k = 0.0;
	double f = x;
	double c = x_low;
	if (u >= SQRT_2) {
		uint64_t bits;
		memcpy(&bits, &u, sizeof bits);
		int64_t exponent = (int64_t)(bits >> 52) - 1023;
		if (u * power_of_two(-exponent) >= SQRT_2)
			exponent++;
		k = (double)exponent;
		f = u * power_of_two(-exponent) - 1.0;
		c = lost * power_of_two(-exponent);
	}
	return log_reduced(k, f, c);
}

/* x + x_low = 2^k (1 + f + c) with 1 + f in [sqrt(1/2), sqrt 2), f exact; x > 0, finite. */
static inline void log_split(double x, double x_low, double *k, double *f, double *c)
{
	int64_t exponent = -1023;
	if (x < 0x1p-1022) {
		x *= 0x1p54;
		x_low *= 0x1p54;
		exponent -= 54;
	}
	uint64_t bits;
	memcpy(&bits, &x, sizeof bits);
	int64_t biased = (int64_t)(bits >> 52);
	uint64_t mantissa = (bits & 0x000fffffffffffffu) | 0x3ff0000000000000u;
	double m;
	memcpy(&m, &mantissa, sizeof m);
	if (m >= SQRT_2) {
		m *= 0.5;
		biased++;
	}
	*k = (double)(biased + exponent);
	*f = m - 1.0;
	*c = scale_by_power(x_low, 1023 - biased);
}

/* Where log needs no arithmetic: NaN and what is negative, 0, infinity. */
static inline bool log_is_special(double x, double *result)
{
	*result = x > 0.0 ? x : x == 0.0 ? -HUGE_VAL : (double)NAN;
	return !(x > 0.0 && x < HUGE_VAL);
}

/* log(x + x_low), |x_low| <= ulp(x), within 1 ulp; also for x next to 1, and x_low beside x = 1. */
static inline double log_double(double x, double x_low)
{
	double k, f, c, special;
	if (log_is_special(x, &special))
		return special;
	log_split(x, x_low, &k, &f, &c);
	return log_reduced(k, f, c);
}

/*
 * log(x.high + x.low), |x.low| <= ulp(x.high), to some 2^-61 of itself: for exponents, in which an
 * error counts as many times as they are large.
 *
 * As in log_reduced, log(1 + f) = 2 s + (2/3) s^3 + (2/5) s^5 + ..., here with s and the first two
 * terms to twice the precision; the rest is below 2^-12 of them.
 */
static inline struct sum log_parts(struct sum x)
{
	double k, f, c, special;
	if (log_is_special(x.high, &special))
		return (struct sum){special, 0.0};
	log_split(x.high, x.low, &k, &f, &c);
	struct sum top, bottom;
	top.high = two_sum(f, c, &top.low);
	bottom = plus((struct sum){2.0, 0.0}, top);
	struct sum s = quotient(top.high, bottom.high, bottom.low);
	s.low += top.low / bottom.high;
	struct sum square = product(s, s);
	struct sum third =
		product(product(square, s), (struct sum){2.0 / 3.0, 0x1.5555555555555p-55});
	double z = square.high;
	double q = 2.0 / 25.0;
	for (int n = 23; n >= 5; n -= 2)
		q = q * z + 2.0 / (double)n;
	struct sum rest = {s.high * z * z * q, 0.0};
	struct sum whole = {k * LN2_HIGH, k * LN2_LOW};
	struct sum log =
		plus(plus(whole, (struct sum){2.0 * s.high, 2.0 * s.low}), plus(third, rest));
	log.high = two_sum(log.high, log.low, &log.low);
	return log;
}

/* n / d, both to twice the precision. */
static inline struct sum ratio(struct sum n, struct sum d)
{
	struct sum q = quotient(n.high, d.high, d.low);
	q.low += n.low / d.high;
	return q;
}

/* exp(-2 |a + a_low|). */
static inline struct sum exp_minus_twice(double a, double a_low)
{
	struct sum e;
	e.high = exp_parts(-2.0 * fabs(a), a < 0.0 ? 2.0 * a_low : -2.0 * a_low, 0, &e.low);
	return e;
}

/*
 * tanh(a + a_low), |a_low| <= ulp(a), to some 2^-54 of itself.
 *
 * With e = exp(-2 |a|) it is (1 - e) / (1 + e). Where that would cancel, it is d / (2 + d) with d =
 * exp(2 |a|) - 1 = r + (the terms of exp from r^2 / 2 on), r = 2 |a|.
 */
static inline struct sum tanh_parts(double a, double a_low)
{
	const struct sum one = {1.0, 0.0}, two = {2.0, 0.0};
	double sign = a < 0.0 ? -1.0 : 1.0;
	double r = 2.0 * fabs(a);
	struct sum t;
	if (r < 0.34) {
		double tail = exp_tail(r);
		struct sum d = {r, tail + 2.0 * sign * a_low * (1.0 + (r + tail))};
		d.high = two_sum(d.high, d.low, &d.low);
		t = ratio(d, plus(two, d));
	} else {
		struct sum e = exp_minus_twice(a, a_low);
		t = ratio(plus(one, (struct sum){-e.high, -e.low}), plus(one, e));
	}
	return (struct sum){sign * t.high, sign * t.low};
}

/* sech(a + a_low)^2 = 4 e / (1 + e)^2, the derivative of tanh; 1 - tanh^2 would cancel. */
static inline struct sum sech_squared_parts(double a, double a_low)
{
	const struct sum one = {1.0, 0.0};
	struct sum e = exp_minus_twice(a, a_low);
	struct sum below = plus(one, e);
	struct sum s = product(ratio(e, below), ratio(one, below));
	return (struct sum){4.0 * s.high, 4.0 * s.low};
}

#endif
