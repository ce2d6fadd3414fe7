/*
 * A square where the distance is small, the distance itself where it is large, element by element:
 * with d = x - t and beta > 0,
 *
 *   loss = d^2 / (2 beta),   grad = d / beta     where |d| < beta
 *   loss = |d| - beta / 2,   grad = sign(d)      elsewhere
 *
 * With beta = 0 it is l1_loss. Meaning: torch.nn.functional.smooth_l1_loss.
 */
#include "../gap.h"
#include "../kernels.h"

static double evaluate(const struct loss_plan *plan, size_t i)
{
	double beta = plan->args.beta;
	struct scaled gap = element_gap(plan, i);
	double d = scaled_value(gap), size = fabs(d);
	if (size < beta) {
		element_put_grad(plan, i, d / beta);
		return 0.5 * (d * (d / beta));
	}
	element_put_grad(plan, i, d == d ? sign_of(d) : d);
	/* by halves, for twice these may be beyond the largest double */
	gap.m = 0.5 * fabs(gap.m);
	return 2.0 * (scaled_value(gap) - 0.25 * beta);
}

void smooth_l1_loss_rows(const struct loss_plan *plan, size_t first, size_t n,
			 struct partial *partial)
{
	const struct element_loss loss = {
		.kernel = ELEMENT_SMOOTH_L1, .one = evaluate, .parameter = plan->args.beta};
	if (plan->args.beta == 0.0)
		l1_loss_rows(plan, first, n, partial);
	else
		element_rows(plan, first, n, partial, &loss);
}
