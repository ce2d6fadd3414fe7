/*
 * Binary cross entropy of logits, element by element:
 *
 *   loss = w [(1-t) softplus(x) + q t softplus(-x)],  grad = w [(1-t) sigmoid(x) - q t sigmoid(-x)]
 *
 * with q = pos_weight and softplus(x) = max(x, 0) + log1p(exp(-|x|)): what torch.nn.functional's
 * binary_cross_entropy_with_logits means, in a form where nothing cancels for 0 <= t <= 1.
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
	at.positive = product(sum_from(element_factor(plan, LOSS_ROLE_POS_WEIGHT, i)), sum_from(t));
	if (plan->wanted[OUTPUT_GRAD])
		tensor_put(&plan->outputs[OUTPUT_GRAD], i,
			   times(w * logistic_grad(&at), plan_scale(plan, i)));
	return logistic_loss(&at, w);
}

/* sigmoid(x) */
static double positive(double x)
{
	double e = exp_double(-fabs(x));
	return (x < 0.0 ? e : 1.0) / (1.0 + e);
}

void binary_cross_entropy_with_logits_rows(const struct loss_plan *plan, size_t first, size_t n,
					   struct partial *partial)
{
	static const struct element_loss loss = {.kernel = ELEMENT_BCE_WITH_LOGITS,
						 .one = evaluate,
						 .positive = positive,
						 .even = 0.0};
	element_rows(plan, first, n, partial, &loss);
}
