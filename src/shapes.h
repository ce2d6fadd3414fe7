/* The shapes of a problem's tensors, as the table of losses says them, and of its outputs. */
#ifndef LOSS_SHAPES_H
#define LOSS_SHAPES_H

#include "plan.h"

/* Fills the plan's geometry, target_kind and extra; fails for all tensors whose shapes do not
 * follow from the input's, or for that alone. The arguments are settled. */
loss_status shapes_check(struct loss_plan *plan, struct errors errors);

/* Rank, shape and count of an output. */
void shapes_of_output(const struct loss_plan *plan, const struct loss_output_info *output,
		      struct loss_tensor *shape);

#endif
