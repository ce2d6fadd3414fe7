/*
 * Sums within a row, and single values, of twice a double's precision. A sum carries what rounding
 * took from it (Neumaier's variant of Kahan's summation): its error does not grow with the number
 * of terms. The order of additions is the caller's, and always the index order. Sums over rows are
 * exact ones: exact_sum.h.
 *
 * fma is the one operation of <math.h> here that IEEE 754 defines to the last bit, as it does + and
 * *: libm rounds it exactly whether or not the machine has an instruction for it. The compiler
 * fuses nothing by itself (-ffp-contract=off).
 */
#ifndef LOSS_REDUCE_H
#define LOSS_REDUCE_H

#include <math.h>

/* The value is high + low. */
struct sum {
	double high;
	double low;
};

static inline struct sum sum_from(double value)
{
	return (struct sum){value, 0.0};
}

/* a + b = *error + the result, exactly, for finite a and b (Knuth's TwoSum). */
static inline double two_sum(double a, double b, double *error)
{
	double s = a + b;
	double bb = s - a;
	*error = (a - (s - bb)) + (b - bb);
	return s;
}

static inline void sum_add(struct sum *sum, double value)
{
	double error;
	sum->high = two_sum(sum->high, value, &error);
	sum->low += error;
}

static inline void sum_merge(struct sum *sum, const struct sum *other)
{
	sum_add(sum, other->high);
	sum->low += other->low;
}

/* Once a sum is infinite its errors are NaN: then the plain sum is the value. */
static inline double sum_value(const struct sum *sum)
{
	double value = sum->high + sum->low;
	return value == value ? value : sum->high;
}

/* What sum_value leaves out. */
static inline double sum_rest(const struct sum *sum)
{
	double rest = (sum->high - sum_value(sum)) + sum->low;
	return rest == rest ? rest : 0.0;
}

/* a / (b + b_low) to twice the precision. */
static inline struct sum quotient(double a, double b, double b_low)
{
	double high = a / b;
	double low = (fma(-high, b, a) - high * b_low) / b;
	return (struct sum){high, low == low ? low : 0.0};
}

/* value * pair, rounded about once. */
static inline double times(double value, struct sum pair)
{
	double product = fma(value, pair.high, value * pair.low);
	return product == product ? product : value * pair.high;
}

/* A low part is nothing beside a value that is infinite or NaN. */
static inline struct sum with_low(double high, double low)
{
	return (struct sum){high, fabs(low) < HUGE_VAL ? low : 0.0};
}

static inline struct sum negative(struct sum value)
{
	return (struct sum){-value.high, -value.low};
}

/* a b to twice the precision. */
static inline struct sum product(struct sum a, struct sum b)
{
	double high = a.high * b.high;
	double low = fma(a.high, b.high, -high) + (a.low * b.high + a.high * b.low);
	return with_low(high, low);
}

/* a + b to twice the precision, but for what cancels. */
static inline struct sum plus(struct sum a, struct sum b)
{
	double lost;
	double high = two_sum(a.high, b.high, &lost);
	return with_low(high, lost + (a.low + b.low));
}

/* a - b, rounded about once however much cancels. */
static inline double difference(struct sum a, struct sum b)
{
	double lost;
	double high = two_sum(a.high, -b.high, &lost);
	double exact = high + (lost + (a.low - b.low));
	return exact == exact ? exact : high;
}

#endif
