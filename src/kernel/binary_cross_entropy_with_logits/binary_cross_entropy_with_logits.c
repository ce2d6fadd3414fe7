/*
 * Binary cross entropy of logits, element by element:
 *
 *   loss = w [(1-t) softplus(x) + q t softplus(-x)],  grad = w [(1-t) sigmoid(x) - q t sigmoid(-x)]
 *
 * with q = pos_weight and softplus(x) = max(x, 0) + log1p(exp(-|x|)): what torch.nn.functional's
 * binary_cross_entropy_with_logits means, in a form where nothing cancels for 0 <= t <= 1. Factors
 * and sigmoids are held to twice a double's precision: seven roundings in a row would be too many.
 */
#include "../element.h"
#include "../kernels.h"
#include "../row.h"

/* An element and what weighs its two halves. */
struct element {
	double x;
	struct sum negative; /* 1 - t: the factor of softplus(x) */
	struct sum positive; /* q t: the factor of softplus(-x) */
};

static double element_loss(const struct element *at, double w)
{
	double distance = fabs(at->x);
	bool above = at->x > 0.0;
	struct sum large = above ? at->negative : at->positive; /* the factor of softplus(|x|) */
	struct sum small = above ? at->positive : at->negative; /* of softplus(-|x|) */
	double low;
	/* Only exp(-|x|) is left, which may be subnormal where its product with w is not. */
	if (distance > 600.0 && large.high == 0.0)
		return w * (small.high * exp_parts(-distance, 0.0, 256, &low)) * 0x1p-256;
	double e = exp_parts(-distance, 0.0, 0, &low);
	double log1p_e = log1p_parts(e, low);
	struct sum softplus;
	softplus.high = two_sum(distance, log1p_e, &softplus.low);
	struct sum loss = weigh_parts(large, softplus);
	struct sum rest = weigh_parts(small, sum_from(log1p_e));
	sum_merge(&loss, &rest);
	return weigh(w, sum_value(&loss));
}

/* The gradient but for w. */
static double element_grad(const struct element *at)
{
	double low;
	double e = exp_parts(-fabs(at->x), 0.0, 0, &low);
	double total_low;
	double total = two_sum(1.0, e, &total_low);
	total_low += low;
	struct sum near = quotient(1.0, total, total_low);
	struct sum far = quotient(e, total, total_low);
	far.low += low / total;
	struct sum sigmoid = at->x < 0.0 ? far : near;
	struct sum sigmoid_minus = at->x < 0.0 ? near : far;
	return difference(product(at->negative, sigmoid), product(at->positive, sigmoid_minus));
}

static double evaluate(const struct loss_plan *plan, size_t i)
{
	double t = tensor_number(&plan->tensors[LOSS_ROLE_TARGETS], i);
	double w = element_factor(plan, LOSS_ROLE_WEIGHT, i);
	struct element at = {.x = tensor_number(&plan->tensors[LOSS_ROLE_INPUT], i)};
	at.negative.high = two_sum(1.0, -t, &at.negative.low);
	at.positive = product(sum_from(element_factor(plan, LOSS_ROLE_POS_WEIGHT, i)), sum_from(t));
	if (plan->wanted[OUTPUT_GRAD])
		tensor_put(&plan->outputs[OUTPUT_GRAD], i,
			   times(w * element_grad(&at), plan_scale(plan, i)));
	return element_loss(&at, w);
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
