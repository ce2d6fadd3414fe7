/* Focal rows: sixteen of them, and one. */
#ifndef LOSS_KERNEL_CE_FOCAL_H
#define LOSS_KERNEL_CE_FOCAL_H

#include "../rows.h"

/* Losses and factors of sixteen rows; a bit for every lane that it leaves, which then is not
 * regular any more. */
unsigned ce_evaluate_focal(struct rows *rows, struct focal_lanes *focal);

/* A row's loss without weights, and the factor of its gradient: both from its target's logit less
 * the maximum, and the sum R over all classes but the maximum. */
struct focal_row {
	struct sum loss, factor;
};
struct focal_row ce_focal_row(struct sum gap, struct sum others, double gamma);

#endif
