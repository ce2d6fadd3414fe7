/* Sixteen rows of class indices without smoothing. */
#include "plain.h"

#include "forms.h"
#include "gradient.h"

/* The factor of a lane's gradient: its weight, and its own. */
static struct sum factor_of(const struct rows *rows, const struct lane_sums *factor, size_t lane)
{
	struct sum weight = sum_from(rows->targets.y[lane] < 0 ? 0.0 : rows_weight(rows, lane));
	if (!factor || weight.high == 0.0)
		return weight;
	struct sum own = {factor->high[lane], factor->low[lane]};
	return rows->targets.weight ? product(weight, own) : own;
}

/* p_c pull scale, and what the targets' have beside it. Of a row that does not count all is 0. */
unsigned ce_write_plain_grad(struct rows *rows, const struct lane_sums *factor)
{
	const struct loss_plan *plan = rows->plan;
	const struct number_kernels *numbers = rows->numbers;
	struct target_gradients gradients = {.base = {{0}, {0}}};
	struct lane_sums pull;
	struct work work;
	unsigned left = 0;
	work_start(&work, rows, NULL);
	ce_set_scales(rows, &gradients.scale);
	ce_set_z_pulls(rows, rows->targets.y, &gradients.rest);
	for (size_t lane = 0; lane < LANES; lane++)
		lane_sums_set(&gradients.own, lane, factor_of(rows, factor, lane));
	pull = gradients.own;
	if (plan->args.z_loss > 0.0)
		lane_sums_plus(&pull, &gradients.rest);
	numbers->products(&pull, &gradients.scale, &pull);
	work_set_factors(&work, &pull);
	for (size_t lane = 0; lane < rows->n; lane++)
		left |= (unsigned)!work_scales(&work, lane) << lane;
	/* what is added is 0 */
	work_write(&work, ce_is_exact(rows) ? WRITE_COMBINED : WRITE_SCALED,
		   &plan->outputs[OUTPUT_GRAD], ce_is_sloped(plan));
	ce_put_target_grads(&work, &gradients);
	return left;
}
