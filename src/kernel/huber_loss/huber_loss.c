/*
 * A square where the distance is small, linear where it is large, element by element: with
 * d = x - t and delta > 0,
 *
 *   loss = w d^2 / 2,                     grad = w d                 where |d| <= delta
 *   loss = w delta (|d| - delta / 2),     grad = w delta sign(d)     elsewhere
 *
 * Meaning: torch.nn.functional.huber_loss.
 */
#include "../gap.h"
#include "../kernels.h"

static double evaluate(const struct loss_plan *plan, size_t i)
{
	double delta = plan->args.delta, w = element_factor(plan, LOSS_ROLE_WEIGHT, i);
	struct scaled gap = element_gap(plan, i), weight = element_weight(plan, i);
	double d = scaled_value(gap), size = fabs(d);
	if (size < delta) {
		element_put_grad(plan, i, w * d);
		gap.e--;
		return scaled_value(scaled_product(scaled_product(weight, gap), scaled_from(d)));
	}
	element_put_grad(plan, i, w * (d == d ? delta * sign_of(d) : d));
	/* by halves, for twice these may be beyond the largest double */
	gap.m = 0.5 * fabs(gap.m);
	struct scaled beyond = scaled_from(scaled_value(gap) - 0.25 * delta);
	beyond.e++;
	return scaled_value(scaled_product(scaled_product(weight, scaled_from(delta)), beyond));
}

void huber_loss_rows(const struct loss_plan *plan, size_t first, size_t n, struct partial *partial)
{
	const struct element_loss loss = {
		.kernel = ELEMENT_HUBER, .one = evaluate, .parameter = plan->args.delta};
	element_rows(plan, first, n, partial, &loss);
}
