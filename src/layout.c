/* How rows are read, once for every plan. */
#include "layout.h"

#include "cost.h"
#include "kernel/row_parts.h"

static enum layout layout_of(const struct loss_plan *plan)
{
	if (plan->loss->info.element_wise)
		return LAYOUT_ELEMENTS;
	if (plan->loss->reads_targets_only)
		return LAYOUT_TARGETS;
	if (plan->classes <= FEW_CLASSES)
		return plan->inner == 1 ? LAYOUT_FEW : LAYOUT_FEW_APART;
	return plan->inner == 1 ? LAYOUT_MANY : LAYOUT_MANY_APART;
}

void layout_settle(struct loss_plan *plan)
{
	loss_dtype dtype = plan->tensors[LOSS_ROLE_INPUT].dtype;
	const struct loss_args *args = &plan->args;
	/* it begins as no transform, which is all that most plans need of it */
	if (transform_changes(args->logit_scale, args->softcap, args->temperature))
		plan->transform = transform_of(args->logit_scale, args->softcap, args->temperature,
					       dtype == LOSS_F64 || plan->loss->wide);
	plan->layout = layout_of(plan);
	plan->nanoseconds = cost_of(plan);
	plan->divisible = plan->layout == LAYOUT_MANY && row_parts(plan->classes) > 1;
	plan->in_place = !plan->transform.on && dtype != LOSS_F8_E4M3 && dtype != LOSS_F8_E5M2;
}
