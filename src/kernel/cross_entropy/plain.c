/* Sixteen rows of class indices without smoothing. */
#include <math.h>

#include "../operate.h"
#include "cross_entropy.h"

/* p_c pull scale, and what the targets' have beside it. Of a row that does not count all is 0. */
static unsigned write_grad(struct rows *rows)
{
	const struct loss_plan *plan = rows->plan;
	struct ce_gradient gradient;
	struct work work;
	unsigned left = 0;
	work_start(&work, rows, NULL);
	struct sum scale = ce_scale(plan, rows->first);
	for (size_t lane = 0; lane < rows->n; lane++) {
		if (rows->targets.y[lane] < 0)
			continue;
		if (plan->present[LOSS_ROLE_GRAD_OUTPUT])
			scale = ce_scale(plan, rows->first + lane);
		struct sum weight = sum_from(rows_weight(rows, lane)), pull = weight;
		gradient.own[lane] = weight;
		gradient.rest[lane] = ce_z_pull(rows, lane);
		if (plan->args.z_loss > 0.0)
			pull = plus(weight, gradient.rest[lane]);
		struct sum factor = rows_product(rows, pull, scale);
		gradient.own_base[lane] = sum_from(0.0);
		gradient.scale[lane] = scale;
		if (work_scales(factor.high / (1.0 + rows->sums->residual[lane])))
			work_set_factor(&work, lane, work_factor(rows, lane, factor));
		else
			left |= 1u << lane;
	}
	/* what is added is 0 */
	work_write(&work, ce_is_exact(rows) ? WRITE_COMBINED : WRITE_SCALED,
		   &plan->outputs[OUTPUT_GRAD], ce_is_sloped(plan));
	ce_put_target_grads(rows, &gradient);
	return left;
}

unsigned ce_evaluate_plain(struct rows *rows, double *loss)
{
	rows->plan->kernels->losses(rows->sums, &rows->targets, loss, NULL);
	unsigned left = rows_irregular(rows);
	if (rows->plan->wanted[OUTPUT_GRAD])
		left |= write_grad(rows);
	return left;
}
