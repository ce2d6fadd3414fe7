#include "scalars.h"

/* Whether the loss has one row and no axis for it. */
static bool is_single(const struct loss_plan *plan)
{
	int rank = plan->tensors[LOSS_ROLE_INPUT].rank;
	return plan->loss->info.element_wise ? rank == 0 : rank == 1;
}

/* Whether the shape that a tensor must have is (). Floats of shape (1) beside logits of that shape
 * are probabilities. */
static bool must_be_scalar(const struct loss_plan *plan, const struct loss_tensor_info *info)
{
	loss_dtype dtype = plan->tensors[info->role].dtype;
	switch (info->extent) {
	case LOSS_EXTENT_TARGETS:
		return is_single(plan) && loss_dtype_info(dtype)->dtype_class != LOSS_CLASS_FLOAT;
	case LOSS_EXTENT_ROWS:
	case LOSS_EXTENT_ROWS_OR_GROUPS:
		return is_single(plan);
	case LOSS_EXTENT_INPUT:
	case LOSS_EXTENT_BROADCAST:
	case LOSS_EXTENT_BROADCAST_ROWS:
		return plan->loss->info.element_wise && is_single(plan);
	case LOSS_EXTENT_LOSS:
		return plan->reduction != REDUCTION_NONE || is_single(plan);
	case LOSS_EXTENT_SCALAR:
		return true;
	case LOSS_EXTENT_CLASSES:
	case LOSS_EXTENT_GROUPS:
	case LOSS_EXTENT_QUANTILES:
	case LOSS_EXTENT_LISTED:
		break;
	}
	return false;
}

void scalars_shrink(struct loss_plan *plan)
{
	const struct loss_info *loss = &plan->loss->info;
	for (size_t i = 1; i < loss->n_tensors; i++) {
		const struct loss_tensor_info *info = &loss->tensors[i];
		struct loss_tensor *tensor = &plan->tensors[info->role];
		bool one = plan->present[info->role] && tensor->rank == 1 && tensor->shape[0] == 1;
		if (one && !info->extra_axis && must_be_scalar(plan, info))
			tensor->rank = 0;
	}
}
