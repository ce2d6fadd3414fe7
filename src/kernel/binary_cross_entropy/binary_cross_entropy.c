/*
 * Binary cross entropy of probabilities x, element by element, as torch.nn.functional has it:
 *
 *   loss = -w [t log x + (1-t) log(1-x)], logs at least -100
 *   grad = w (x - t) / max(x (1-x), 1e-12)
 *
 * What 1 - x rounds away is handed to the logarithm, so that log(1-x) keeps its digits next to x =
 * 0.
 */
#include "../element.h"
#include "../elementary.h"
#include "../kernels.h"
#include "../row.h"

#define LEAST_LOG (-100.0)
#define LEAST_SLOPE 1e-12

/* -log of a probability x + x_low, at most 100, never -0. */
static double surprise(double x, double x_low)
{
	double log = log_double(x, x_low);
	return 0.0 - (log > LEAST_LOG ? log : LEAST_LOG);
}

static double evaluate(const struct loss_plan *plan, size_t i)
{
	double x = tensor_number(&plan->tensors[LOSS_ROLE_INPUT], i);
	double t = tensor_number(&plan->tensors[LOSS_ROLE_TARGETS], i);
	double w = element_factor(plan, LOSS_ROLE_WEIGHT, i);
	double lost;
	double other = two_sum(1.0, -x, &lost);
	if (plan->wanted[OUTPUT_GRAD]) {
		double slope = x * other;
		double g = w * ((x - t) / (slope > LEAST_SLOPE ? slope : LEAST_SLOPE));
		tensor_put(&plan->outputs[OUTPUT_GRAD], i, times(g, plan_scale(plan, i)));
	}
	return w * (t * surprise(x, 0.0) + (1.0 - t) * surprise(other, lost));
}

static double positive(double x)
{
	return x;
}

void binary_cross_entropy_rows(const struct loss_plan *plan, size_t first, size_t n,
			       struct partial *partial)
{
	static const struct element_loss loss = {
		.kernel = ELEMENT_BCE, .one = evaluate, .positive = positive, .even = 0.5};
	element_rows(plan, first, n, partial, &loss);
}
