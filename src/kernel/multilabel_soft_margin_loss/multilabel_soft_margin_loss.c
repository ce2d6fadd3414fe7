/*
 * The mean over a row's labels of their binary cross entropies (logistic.h):
 *
 *   loss = 1/C sum_c w_c [(1-t_c) softplus(x_c) + t_c softplus(-x_c)]
 *
 * Meaning: torch.nn.functional.multilabel_soft_margin_loss. The elements are those of
 * binary_cross_entropy_with_logits, and go through its kernel.
 */
#include "../element.h"
#include "../kernels.h"
#include "../logistic.h"

static double evaluate(const struct loss_plan *plan, size_t i)
{
	double t = tensor_number(&plan->tensors[LOSS_ROLE_TARGETS], i);
	double w = element_factor(plan, LOSS_ROLE_WEIGHT, i);
	struct logistic at = {.x = tensor_number(&plan->tensors[LOSS_ROLE_INPUT], i)};
	at.negative.high = two_sum(1.0, -t, &at.negative.low);
	at.positive = sum_from(t);
	if (plan->wanted[OUTPUT_GRAD]) {
		struct sum scale = plan_scale(plan, i / plan->classes);
		scale = ratio(scale, sum_from((double)plan->classes));
		tensor_put(&plan->outputs[OUTPUT_GRAD], i, times(w * logistic_grad(&at), scale));
	}
	return logistic_loss(&at, w);
}

void multilabel_soft_margin_loss_rows(const struct loss_plan *plan, size_t first, size_t n,
				      struct partial *partial)
{
	static const struct element_loss loss = {
		.kernel = ELEMENT_BCE_WITH_LOGITS, .one = evaluate, .by_row = true};
	element_rows(plan, first, n, partial, &loss);
}
