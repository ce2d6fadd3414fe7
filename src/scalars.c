#include "scalars.h"

static bool is_one(const struct loss_plan *plan, loss_role role)
{
	const struct loss_tensor *tensor = &plan->tensors[role];
	return plan->present[role] && tensor->rank == 1 && tensor->shape[0] == 1;
}

/* Whether the loss has one row and no axis for it. */
static bool is_single(const struct loss_plan *plan)
{
	int rank = plan->tensors[LOSS_ROLE_INPUT].rank;
	return plan->loss->element_wise ? rank == 0 : rank == 1;
}

/* Floats of shape (1) beside logits of that shape are probabilities. */
static bool may_be_probability(const struct loss_plan *plan, loss_role role)
{
	return !plan->loss->element_wise && role == LOSS_ROLE_TARGETS &&
	       loss_dtype_info(plan->tensors[role].dtype)->class == LOSS_CLASS_FLOAT;
}

static bool is_scalar(const struct loss_plan *plan, loss_role role)
{
	switch (role) {
	case LOSS_ROLE_TARGETS:
		return is_single(plan) && !may_be_probability(plan, role);
	case LOSS_ROLE_WEIGHT:
	case LOSS_ROLE_POS_WEIGHT:
		return plan->loss->element_wise && is_single(plan);
	case LOSS_ROLE_GRAD_OUTPUT:
		return !plan->loss->output_per_class &&
		       (plan->reduction != REDUCTION_NONE || is_single(plan));
	default:
		return false;
	}
}

void scalars_shrink(struct loss_plan *plan)
{
	for (int role = 0; role < LOSS_N_ROLES; role++)
		if (is_one(plan, (loss_role)role) && is_scalar(plan, (loss_role)role))
			plan->tensors[role].rank = 0;
}
