/*
 * The gap between a prediction and its target, and products of it, for losses of numbers one by
 * one: where vectors would leave a double's range on the way, these do not.
 */
#ifndef LOSS_KERNEL_GAP_H
#define LOSS_KERNEL_GAP_H

#include <math.h>

#include "element.h"

/* m 2^e, with 1/2 <= |m| < 1 at first: products of a few stay far from a double's ends. */
struct scaled {
	double m;
	int e;
};

static inline struct scaled scaled_from(double x)
{
	struct scaled s = {x, 0};
	if (fabs(x) < HUGE_VAL) /* of infinities and NaN there is no exponent */
		s.m = frexp(x, &s.e);
	return s;
}

static inline struct scaled scaled_product(struct scaled a, struct scaled b)
{
	return (struct scaled){a.m * b.m, a.e + b.e};
}

/* Rounded once more only where it is subnormal. */
static inline double scaled_value(struct scaled s)
{
	return ldexp(s.m, s.e);
}

/* x - t, rounded once, also where it is beyond the largest double. */
static inline struct scaled gap_of(double x, double t)
{
	double d = x - t;
	struct scaled gap = scaled_from(d);
	if (fabs(d) == HUGE_VAL && fabs(x) < HUGE_VAL && fabs(t) < HUGE_VAL) {
		gap = scaled_from(0.5 * x - 0.5 * t);
		gap.e++;
	}
	return gap;
}

/* That of element i. */
static inline struct scaled element_gap(const struct loss_plan *plan, size_t i)
{
	return gap_of(tensor_number(&plan->tensors[LOSS_ROLE_INPUT], i),
		      element_factor(plan, LOSS_ROLE_TARGETS, i));
}

/* Its weight, 1 without. */
static inline struct scaled element_weight(const struct loss_plan *plan, size_t i)
{
	return scaled_from(element_factor(plan, LOSS_ROLE_WEIGHT, i));
}

/* -1, 0 or 1; 0 of NaN. */
static inline double sign_of(double x)
{
	return (double)((x > 0.0) - (x < 0.0));
}

#endif
