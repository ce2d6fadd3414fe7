/*
 * The square of the distance, element by element: with d = x - t,
 *
 *   loss = w d^2,   grad = 2 w d
 *
 * Meaning: torch.nn.functional.mse_loss.
 */
#include "../gap.h"
#include "../kernels.h"

static double evaluate(const struct loss_plan *plan, size_t i)
{
	struct scaled d = element_gap(plan, i);
	struct scaled weighted = scaled_product(element_weight(plan, i), d);
	element_put_grad(plan, i, 2.0 * scaled_value(weighted));
	return scaled_value(scaled_product(weighted, d));
}

void mse_loss_rows(const struct loss_plan *plan, size_t first, size_t n, struct partial *partial)
{
	static const struct element_loss loss = {.kernel = ELEMENT_MSE, .one = evaluate};
	element_rows(plan, first, n, partial, &loss);
}
