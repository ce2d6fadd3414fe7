/* What softcap's tanh needs of s and T, made once: vector/functions.h has what is done with it. */
#ifndef LOSS_KERNEL_SOFTCAP_H
#define LOSS_KERNEL_SOFTCAP_H

#include <float.h>
#include <stdbool.h>

#include "../reduce.h"

/* Constants for logits that are floats. Beyond these bounds of s every float is small or large
 * beside it, and remains so. */
struct softcap {
	double two_over_s, s_over_t, four_over_t;
};

/* 0 times an infinity is not what a factor of it would be. */
static inline double softcap_finite(double factor)
{
	return factor < DBL_MAX ? factor : DBL_MAX;
}

static inline struct softcap softcap_of(double s, double t)
{
	double most = s < 0x1p200 ? s : 0x1p200;
	return (struct softcap){
		.two_over_s = 2.0 / (most > 0x1p-200 ? most : 0x1p-200),
		.s_over_t = softcap_finite(most / t),
		.four_over_t = softcap_finite(4.0 / t),
	};
}

/* The same for logits that are doubles, where s and T are in [2^-500, 2^500]. */
struct softcap_wide {
	double t, most;                      /* T, and beyond which logit u no longer changes */
	double two_over_s, two_over_s_low;   /* in two parts */
	double s_over_t, s_over_t_low;       /* the same */
	double four_over_t, four_over_t_low; /* the same, the low part relative to the other */
};

static inline bool softcap_is_wide(double s, double t)
{
	return s >= 0x1p-500 && s <= 0x1p500 && t >= 0x1p-500 && t <= 0x1p500;
}

static inline struct softcap_wide softcap_wide_of(struct sum s, struct sum t)
{
	struct sum inverse = quotient(2.0, s.high, s.low), most = quotient(s.high, t.high, t.low);
	struct sum slope = quotient(4.0, t.high, t.low);
	return (struct softcap_wide){
		.t = t.high,
		.most = 350.0 * s.high,
		.two_over_s = inverse.high,
		.two_over_s_low = inverse.low,
		.s_over_t = most.high,
		.s_over_t_low = most.low + s.low / t.high,
		.four_over_t = slope.high,
		.four_over_t_low = slope.low / slope.high,
	};
}

#endif
