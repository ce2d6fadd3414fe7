/*
 * Totals in a fixed order. A sum carries what rounding took from it (Neumaier's variant of Kahan's
 * summation): its error does not grow with the number of terms. The order of additions is the
 * caller's, and always the index order.
 */
#ifndef LOSS_REDUCE_H
#define LOSS_REDUCE_H

#include <stdint.h>
#include <string.h>

struct sum {
	double high;
	double low;
};

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

#endif
