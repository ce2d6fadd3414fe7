/*
 * Binary cross entropy of logits, element by element:
 *
 *   loss = w [(1-t) softplus(x) + q t softplus(-x)],  grad = w [(1-t) sigmoid(x) - q t sigmoid(-x)]
 *
 * with q = pos_weight and softplus(x) = max(x, 0) + log1p(exp(-|x|)): what torch.nn.functional's
 * binary_cross_entropy_with_logits means, in a form where nothing cancels for 0 <= t <= 1.
 */
#include "../kernels.h"
#include "../row.h"

/* Where element i of the input finds its factor in a tensor that broadcasts to the input's shape.
 */
static size_t broadcast_index(const struct loss_tensor *small, const struct loss_tensor *input,
			      size_t i)
{
	if (small->count == input->count)
		return i;
	size_t index = 0;
	size_t stride = 1;
	for (int k = 1; k <= small->rank; k++) {
		size_t n = small->shape[small->rank - k];
		size_t at = i % input->shape[input->rank - k];
		i /= input->shape[input->rank - k];
		index += n == 1 ? 0 : at * stride;
		stride *= n;
	}
	return index;
}

static double factor(const struct loss_plan *plan, loss_role role, size_t i)
{
	if (!plan->present[role])
		return 1.0;
	const struct loss_tensor *tensor = &plan->tensors[role];
	return tensor_number(tensor, broadcast_index(tensor, &plan->tensors[LOSS_ROLE_INPUT], i));
}

struct element {
	double softplus, softplus_minus; /* of x and -x */
	double sigmoid, sigmoid_minus;
};

static struct element element_of(double x)
{
	double e = exp_double(-fabs(x));
	double log1p_e = log1p_parts(e, 0.0);
	double near = 1.0 / (1.0 + e);
	double far = e / (1.0 + e);
	struct element at = {
		.softplus = (x > 0.0 ? x : 0.0) + log1p_e,
		.softplus_minus = (x < 0.0 ? -x : 0.0) + log1p_e,
		.sigmoid = x < 0.0 ? far : near,
		.sigmoid_minus = x < 0.0 ? near : far,
	};
	return at;
}

static double evaluate(const struct loss_plan *plan, size_t i)
{
	double x = tensor_number(&plan->tensors[LOSS_ROLE_INPUT], i);
	double t = tensor_number(&plan->tensors[LOSS_ROLE_TARGETS], i);
	double w = factor(plan, LOSS_ROLE_WEIGHT, i);
	double qt = factor(plan, LOSS_ROLE_POS_WEIGHT, i) * t;
	struct element at = element_of(x);
	if (plan->wanted[OUTPUT_GRAD]) {
		double g = w * ((1.0 - t) * at.sigmoid - qt * at.sigmoid_minus);
		tensor_put(&plan->outputs[OUTPUT_GRAD], i, times(g, plan_scale(plan, i)));
	}
	return weigh(w, weigh(1.0 - t, at.softplus) + weigh(qt, at.softplus_minus));
}

void binary_cross_entropy_with_logits_rows(const struct loss_plan *plan, size_t first, size_t n,
					   struct partial *partial)
{
	for (size_t i = first; i < first + n; i++) {
		double loss = evaluate(plan, i);
		sum_add(&partial->loss, loss);
		if (plan->wanted[OUTPUT_LOSS] && plan->reduction == REDUCTION_NONE)
			tensor_put(&plan->outputs[OUTPUT_LOSS], i, loss);
	}
}
