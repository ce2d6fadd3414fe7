/*
 * Two rows of logits that are floats, or narrower, and not transformed: read once, side by side,
 * for the divergence of one from the other, and what sides.h says of each.
 *
 * d = log p - log q needs both log-sum-exps, which are known in the end. So it is taken with a
 * guess of how far these are apart, by the first classes: the sum is then too large by psi of what
 * the guess was off by, since sum p (exp(-d) - 1) = 0 for the right one. Where that is not small
 * beside the sum the row is read once more, with what is known then.
 */
#ifndef LOSS_KERNEL_DIVERGENCE_TWINS_H
#define LOSS_KERNEL_DIVERGENCE_TWINS_H

#include "sides.h"

/* Whether the rows of a plan are such, and long enough. */
bool twins_suit(const struct loss_plan *plan);

/* Makes the sums of row r's sides, whose plan is set, and the divergence of y from x: KL(p, q) with
 * x's p. False where one is not regular, or they are too far apart for floats. */
bool twins_read(struct side *x, const struct loss_tensor *of_x, struct side *y,
		const struct loss_tensor *of_y, size_t r, double *divergence);

/* (q - p) factor into the row's places of a tensor; false, and nothing written, where a factor is
 * out of range for floats. */
bool twins_put(const struct side *x, const struct side *y, double factor,
	       const struct loss_tensor *out);

#endif
