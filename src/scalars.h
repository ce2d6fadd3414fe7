/* For formats that have no scalars of their own. */
#ifndef LOSS_SCALARS_H
#define LOSS_SCALARS_H

#include "plan.h"

/* Gives tensors of shape (1) the shape () where the loss needs a scalar. The reduction is settled,
 * the input is there. */
void scalars_shrink(struct loss_plan *plan);

#endif
