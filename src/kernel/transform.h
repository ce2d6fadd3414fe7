/*
 * What stands between the logits given and the logits u that everything is computed from:
 *
 *   u = s tanh(k x / s) / T, rounded once, to float32 unless the logits are F64
 *
 * with k = logit_scale, s = softcap and T = temperature. The gradient with respect to x is that
 * with respect to u times du/dx = sech(k x / s)^2 k / T. Both know k only by s / k and T / k, for u
 * is s/k tanh(x / (s/k)) / (T/k).
 *
 * vector/tiles_template.h has the operations for many, vector/one_logit.c the same for one.
 */
#ifndef LOSS_KERNEL_TRANSFORM_H
#define LOSS_KERNEL_TRANSFORM_H

#include "elementary.h"
#include "softcap.h"

/* From the logits given to those that everything is computed from. Made by transform_of. */
struct logits_transform {
	bool on;
	bool wide;      /* the logits are F64 */
	bool extreme;   /* arguments that only transform_exactly takes */
	bool steep;     /* a slope may make much of a gradient that before it was a subnormal
			   float, of few digits */
	double softcap; /* 0: none */
	double temperature;
	struct sum cap_at, cooling; /* s / k and T / k, in two parts */
	/* k / T in two floats, or doubles, both above 0: for infinities' sake */
	float inverse, inverse_low;
	double wide_inverse, wide_inverse_low;
	struct softcap cap;
	struct softcap_wide wide_cap;
};

/* value / b; infinite where that is too large. */
static inline struct sum transform_divide(struct sum value, struct sum b)
{
	struct sum divided = quotient(value.high, b.high, b.low);
	divided.low += value.low / b.high;
	return divided;
}

/* value k / T */
static inline struct sum transform_cool(const struct logits_transform *transform, struct sum value)
{
	return transform_divide(value, transform->cooling);
}

/* u for any arguments. */
static inline double transform_exactly(const struct logits_transform *transform, double x)
{
	struct sum u = {x, 0.0}, at = transform->cap_at;
	bool infinite = fabs(x) == HUGE_VAL;
	if (x == 0.0 || (infinite && transform->softcap == 0.0))
		return x; /* T / k may be 0 or infinite as well */
	/* Nearer to 0 the cap changes no digit, while x / s might be subnormal. */
	if (transform->softcap > 0.0 && !(fabs(x) < 0x1p-28 * at.high)) {
		struct sum a = infinite ? u : quotient(x, at.high, at.low);
		u = product(sum_from(transform->softcap), tanh_parts(a.high, a.low));
		u = transform_divide(u, sum_from(transform->temperature));
	} else {
		u = transform_cool(transform, u);
	}
	double value = u.high + u.low;
	value = value == value ? value : u.high;
	return transform->wide ? value : (double)(float)value;
}

/* u; x may be infinite (softcap makes s of that) or NaN. The same bits as of many. */
double transform_logit(const struct logits_transform *transform, double x);

/* du/dx */
static inline struct sum transform_slope(const struct logits_transform *transform, double x)
{
	struct sum slope = {1.0, 0.0};
	if (transform->softcap > 0.0) {
		struct sum a = quotient(x, transform->cap_at.high, transform->cap_at.low);
		slope = sech_squared_parts(a.high, a.low);
	}
	return transform_cool(transform, slope);
}

static inline bool transform_changes(double scale, double softcap, double temperature)
{
	return softcap > 0.0 || temperature != 1.0 || scale != 1.0;
}

static inline struct logits_transform transform_of(double scale, double softcap, double temperature,
						   bool wide)
{
	double inverse = scale / temperature;
	bool moderate = inverse >= 0x1p-60 && inverse <= 0x1p60;
	struct logits_transform transform = {
		.on = transform_changes(scale, softcap, temperature),
		.wide = wide,
		.softcap = softcap,
		.temperature = temperature,
	};
	if (!transform.on)
		return transform;
	transform.cap_at = quotient(softcap, scale, 0.0);
	transform.cooling = quotient(temperature, scale, 0.0);
	transform.extreme = !moderate;
	if (softcap > 0.0)
		transform.extreme |=
			!softcap_is_wide(transform.cap_at.high, transform.cooling.high);
	transform.steep = softcap > 0.0 && !wide && inverse > 0x1p20;
	if (transform.extreme)
		return transform;
	transform.inverse = (float)(inverse * (1.0 - 0x1p-24));
	transform.inverse_low = (float)(inverse - (double)transform.inverse);
	transform.wide_inverse = inverse * (1.0 - 0x1p-52);
	transform.wide_inverse_low = fma(-transform.wide_inverse, temperature, scale) / temperature;
	if (softcap > 0.0 && wide)
		transform.wide_cap = softcap_wide_of(transform.cap_at, transform.cooling);
	else if (softcap > 0.0)
		transform.cap = softcap_of(transform.cap_at.high, transform.cooling.high);
	return transform;
}

#endif
