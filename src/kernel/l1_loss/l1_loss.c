/*
 * The distance, element by element: with d = x - t,
 *
 *   loss = w |d|,   grad = w sign(d), 0 where d is 0 or NaN
 *
 * Meaning: torch.nn.functional.l1_loss.
 */
#include "../gap.h"
#include "../kernels.h"

static double evaluate(const struct loss_plan *plan, size_t i)
{
	struct scaled d = element_gap(plan, i), weight = element_weight(plan, i);
	element_put_grad(plan, i, sign_of(d.m) * element_factor(plan, LOSS_ROLE_WEIGHT, i));
	d.m = fabs(d.m);
	return scaled_value(scaled_product(weight, d));
}

void l1_loss_rows(const struct loss_plan *plan, size_t first, size_t n, struct partial *partial)
{
	static const struct element_loss loss = {.kernel = ELEMENT_L1, .one = evaluate};
	element_rows(plan, first, n, partial, &loss);
}
