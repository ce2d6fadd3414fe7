/*
 * What stands between the logits given and the logits u that everything is computed from:
 *
 *   u = s tanh(x / s) / T, rounded once, to float32 unless the logits are F64
 *
 * with s = softcap and T = temperature. The gradient with respect to x is that with respect to u
 * times du/dx = sech(x / s)^2 / T.
 */
#ifndef LOSS_KERNEL_TRANSFORM_H
#define LOSS_KERNEL_TRANSFORM_H

#include "../plan.h"
#include "elementary.h"

/* value / T; infinite where that is too large. */
static inline struct sum transform_cool(const struct logits_transform *transform, struct sum value)
{
	struct sum cooled = quotient(value.high, transform->temperature, 0.0);
	cooled.low += value.low / transform->temperature;
	return cooled;
}

/* u; x may be infinite (softcap makes s of that) or NaN. */
static inline double transform_logit(const struct logits_transform *transform, double x)
{
	struct sum u = {x, 0.0};
	/* Nearer to 0 the cap changes no digit, while x / s might be subnormal. */
	if (transform->softcap > 0.0 && !(fabs(x) < 0x1p-28 * transform->softcap)) {
		struct sum a = quotient(x, transform->softcap, 0.0);
		u = product((struct sum){transform->softcap, 0.0}, tanh_parts(a.high, a.low));
	}
	u = transform_cool(transform, u);
	double value = u.high + u.low;
	value = value == value ? value : u.high;
	return transform->narrow ? (double)(float)value : value;
}

/* du/dx */
static inline struct sum transform_slope(const struct logits_transform *transform, double x)
{
	struct sum slope = {1.0, 0.0};
	if (transform->softcap > 0.0) {
		struct sum a = quotient(x, transform->softcap, 0.0);
		slope = sech_squared_parts(a.high, a.low);
	}
	return transform_cool(transform, slope);
}

#endif
