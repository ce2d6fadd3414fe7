/* What a row of policy_gradient comes to, given the log-probability of its target. */
#ifndef LOSS_KERNEL_PG_OBJECTIVES_H
#define LOSS_KERNEL_PG_OBJECTIVES_H

#include "../../plan.h"

/* Zeros are those of a row that does not count. */
struct policy_row {
	double loss;       /* without the row's weight; never -0 */
	struct sum factor; /* of p - e_y in the gradient: the derivative by the log-probability,
			      negative */
	double log_prob, ratio;
	double kl; /* ratio - 1 - log(ratio) */
	bool clipped;
};

/* Of row r, which counts. log_prob is -infinity of an excluded class, and NaN of a row that has
 * none. */
struct policy_row policy_row_of(const struct loss_plan *plan, size_t r, struct sum log_prob);

#endif
