/* How rows are read, once for every plan. */
#include "layout.h"

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

/* What kernels take for an element and for a row, on a processor that is neither fast nor slow. */
static double estimate(const struct loss_plan *plan)
{
	bool wide = plan->tensors[LOSS_ROLE_INPUT].dtype == LOSS_F64;
	double elements = (double)plan->tensors[LOSS_ROLE_INPUT].count, rows = (double)plan->rows;
	double each = plan->layout == LAYOUT_ELEMENTS ? 2.0 : wide ? 1.0 : 0.3;
	if (plan->transform.on)
		each += 1.0;
	if (plan->layout == LAYOUT_TARGETS)
		each = plan->wanted[OUTPUT_GRAD] ? 0.2 : 0.0;
	double more = (double)plan->n_outputs - (double)plan->wanted[OUTPUT_LOSS];
	return elements * each * (1.0 + more) + (plan->loss->info.element_wise ? 0.0 : 5.0 * rows);
}

void layout_settle(struct loss_plan *plan)
{
	loss_dtype dtype = plan->tensors[LOSS_ROLE_INPUT].dtype;
	const struct loss_args *args = &plan->args;
	/* it begins as no transform, which is all that most plans need of it */
	if (transform_changes(args->logit_scale, args->softcap, args->temperature))
		plan->transform = transform_of(args->logit_scale, args->softcap, args->temperature,
					       dtype == LOSS_F64);
	plan->layout = layout_of(plan);
	plan->nanoseconds = estimate(plan);
	plan->divisible = plan->layout == LAYOUT_MANY && row_parts(plan->classes) > 1;
	plan->in_place = !plan->transform.on && dtype != LOSS_F8_E4M3 && dtype != LOSS_F8_E5M2;
}
