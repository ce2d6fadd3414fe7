/* The shapes of a problem's tensors, as the table of losses says them, and of its outputs. */
#ifndef LOSS_SHAPES_H
#define LOSS_SHAPES_H

#include "plan.h"

/* Fills the plan's geometry, target_kind and extra; fails for all tensors whose shapes do not
 * follow from the input's, or for that alone. The arguments are settled. */
loss_status shapes_check(struct loss_plan *plan, struct errors errors);

/* Whether a tensor that may have an entry for each row or for each group has the latter. */
bool shapes_are_by_group(const struct loss_plan *plan, const struct loss_tensor_info *info);

/* Fails unless such a tensor has `n` entries: one for each group, once it is known how many there
 * are. */
loss_status shapes_check_groups(const struct loss_plan *plan, const struct loss_tensor_info *info,
				size_t n, struct loss_error *err);

/* Whether a tensor has an axis more than the rows. */
bool shapes_have_extra(const struct loss_plan *plan, const struct loss_tensor_info *info);

/* Rank, shape and count of an output. */
void shapes_of_output(const struct loss_plan *plan, const struct loss_output_info *output,
		      struct loss_tensor *shape);

#endif
