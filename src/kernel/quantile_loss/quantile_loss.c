/*
 * The pinball loss, whose mean is least where predictions are the quantile q of the targets,
 * element by element: with d = x - t,
 *
 *   loss = max(-q d, (1 - q) d),   grad = -q, 1/2 - q or 1 - q where d is below, at or above 0
 *
 * The factor 0 makes 0 of an infinite distance.
 */
#include "../gap.h"
#include "../kernels.h"

static double evaluate(const struct loss_plan *plan, size_t i)
{
	double q = plan->args.quantile;
	struct scaled d = element_gap(plan, i);
	double factor = d.m < 0.0 ? q : 1.0 - q, slope = d.m < 0.0 ? -q : 1.0 - q;
	if (d.m == 0.0)
		slope = 0.5 - q;
	element_put_grad(plan, i, d.m == d.m ? slope : d.m);
	if (factor == 0.0 && d.m == d.m)
		return 0.0;
	d.m = fabs(d.m);
	return scaled_value(scaled_product(scaled_from(factor), d));
}

void quantile_loss_rows(const struct loss_plan *plan, size_t first, size_t n,
			struct partial *partial)
{
	const struct element_loss loss = {
		.kernel = ELEMENT_QUANTILE, .one = evaluate, .parameter = plan->args.quantile};
	element_rows(plan, first, n, partial, &loss);
}
