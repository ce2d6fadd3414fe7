/*
 * nll_loss: -w_y log_probs_y, gradient -w_y at the target and 0 elsewhere. Nothing of a row but its
 * target element is read.
 */
#include "../kernels.h"
#include "../row.h"

static void evaluate_row(const struct loss_plan *plan, size_t r, struct partial *partial)
{
	const struct loss_tensor *grad = &plan->outputs[OUTPUT_GRAD];
	size_t base = plan_row_base(plan, r);
	size_t y = 0;
	double loss = 0.0;
	double slope = 0.0;
	bool counts = plan_target(plan, r, &y);
	if (counts) {
		double weight = plan_class_weight(plan, y);
		loss = weigh(weight, 0.0 - tensor_number(&plan->tensors[LOSS_ROLE_INPUT],
							 base + y * plan->inner));
		slope = 0.0 - times(weight, plan_scale(plan, r));
	}
	for (size_t c = 0; plan->wanted[OUTPUT_GRAD] && c < plan->classes; c++)
		tensor_put(grad, base + c * plan->inner, counts && c == y ? slope : 0.0);
	plan_put_loss(plan, r, loss, partial);
}

void nll_loss_rows(const struct loss_plan *plan, size_t first, size_t n, struct partial *partial)
{
	for (size_t r = first; r < first + n; r++)
		evaluate_row(plan, r, partial);
}
