/* Distances in units in the last place, and the table of the worst ones. */
#ifndef TESTS_SUPPORT_ULP_H
#define TESTS_SUPPORT_ULP_H

#include "loss.h"

/*
 * The spacing of F32 or F64 in the binade of `magnitude`, never below the smallest subnormal;
 * infinity where the magnitude is not finite or too large for the type.
 */
long double ulp_of(loss_dtype dtype, long double magnitude);

/*
 * |got - exact| in ulps of the exact value. 0 where both are NaN, or `got` is the infinity that the
 * exact value is or rounds to; infinity where one is NaN or infinite and the other is not.
 */
long double ulp_error(loss_dtype dtype, double got, long double exact);

/* The same in ulps of `scale` (a magnitude >= |exact|): for sums that may cancel. */
long double ulp_error_scaled(loss_dtype dtype, double got, long double exact, long double scale);

/*
 * Gradients and probabilities: as ulp_error_scaled, except that a scale below 1e-30 asks only for
 * an absolute error of at most 1e-36, in which case the result is 0 (or infinity).
 */
long double ulp_error_floored(loss_dtype dtype, double got, long double exact, long double scale);

/* Notes an error under a name (kept by reference) for ulp_report. */
void ulp_note(const char *quantity, loss_dtype dtype, const char *distribution, long double error);
/* Prints the worst error of every name when LOSSD_ACCURACY=1 is set, and forgets them. */
void ulp_report(const char *title);

#endif
