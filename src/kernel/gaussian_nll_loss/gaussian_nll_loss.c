/*
 * Negative log-likelihood of targets t under normal distributions of mean x, element by element:
 * with d = x - t and v = max(var, eps),
 *
 *   loss = (log v + d^2 / v) / 2, and with `full` log(2 pi) / 2 more,   grad = d / v
 *
 * Meaning: torch.nn.functional.gaussian_nll_loss.
 */
#include "../elementary.h"
#include "../gap.h"
#include "../kernels.h"

#define LOG_2_PI 0x1.d67f1c864beb5p+0

/* d^2 / v, rounded three times. */
static double square_over(struct scaled d, double v)
{
	struct scaled divisor = scaled_from(v), square = scaled_product(d, d);
	return scaled_value((struct scaled){square.m / divisor.m, square.e - divisor.e});
}

static double evaluate(const struct loss_plan *plan, size_t i)
{
	double v = element_factor(plan, LOSS_ROLE_OWN_1, i);
	struct scaled d = element_gap(plan, i);
	if (v < plan->args.eps)
		v = plan->args.eps;
	struct scaled divisor = scaled_from(v);
	element_put_grad(plan, i, scaled_value((struct scaled){d.m / divisor.m, d.e - divisor.e}));
	struct sum sum = plus(sum_from(log_double(v, 0.0)), sum_from(square_over(d, v)));
	if (plan->args.full)
		sum = plus(sum, sum_from(LOG_2_PI));
	return 0.5 * sum_value(&sum);
}

void gaussian_nll_loss_rows(const struct loss_plan *plan, size_t first, size_t n,
			    struct partial *partial)
{
	const struct element_loss loss = {
		.kernel = ELEMENT_GAUSSIAN, .one = evaluate, .parameter = plan->args.eps};
	element_rows(plan, first, n, partial, &loss);
}
