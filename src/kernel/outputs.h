/* The outputs that do not look at targets: log_probs, probs, lse, entropy, predicted. */
#ifndef LOSS_KERNEL_OUTPUTS_H
#define LOSS_KERNEL_OUTPUTS_H

#include "rows.h"

/* Writes what is wanted of them. */
void outputs_write(struct rows *rows);

/* A lane's log-sum-exp: the sum may cancel. */
static inline struct sum rows_lse(const struct rows *rows, size_t lane)
{
	struct sum lse;
	lse.high = two_sum(rows->sums->max[lane], rows->sums->log1p_residual[lane], &lse.low);
	return lse;
}

#endif
