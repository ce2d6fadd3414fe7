/* Inside of expect.h: the output loss_quantiles, of the losses of all counted rows. */
#ifndef TESTS_SUPPORT_EXPECT_QUANTILES_H
#define TESTS_SUPPORT_EXPECT_QUANTILES_H

#include "expect_rows.h"

/* What the losses may be at least, and at most: where every one of them is within its bounds, so is
 * the i-th of those in order. */
struct expect_quantiles {
	long double *low, *high;
	size_t n;
	bool nan, doubt; /* a loss is, or may be, NaN */
};

void expect_quantiles_start(const struct expect_problem *problem,
			    struct expect_quantiles *quantiles);
void expect_quantiles_add(struct expect_quantiles *quantiles, const struct expect_row *row);
/* Fills LOSS_N_QUANTILES numbers. */
void expect_quantiles_put(struct expect_quantiles *quantiles, struct expect_number *numbers);

#endif
