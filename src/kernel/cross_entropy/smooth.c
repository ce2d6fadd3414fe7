/* Sixteen rows of which every class has a coefficient: smoothed indices, or probabilities. */
#include "../../targets.h"
#include "../dense.h"
#include "cross_entropy.h"

/* b_c of every class: of smoothed indices, of which y is negative where a row does not count, or of
 * probabilities. */
static struct dense_operand operand_of(const struct loss_plan *plan, const int64_t *y)
{
	double smoothing = plan->args.label_smoothing;
	struct dense_operand operand = {.scale = 1.0 - smoothing,
					.shift = smoothing / (double)plan->classes};
	if (plan->target_kind == TARGETS_PROBABILITIES)
		operand.tensor = &plan->tensors[LOSS_ROLE_TARGETS];
	if (plan->shift_rows)
		operand.ahead = plan->classes;
	if (plan->present[LOSS_ROLE_WEIGHT])
		operand.weight = &plan->tensors[LOSS_ROLE_WEIGHT];
	for (size_t lane = 0; lane < GROUP_ROWS; lane++)
		operand.y[lane] = y[lane] < 0 ? SIZE_MAX : (size_t)y[lane];
	return operand;
}

/* The gradient is e factor + b term. */
static void set_factors(struct dense_work *work)
{
	const struct group *group = work->group;
	const struct loss_plan *plan = group->plan;
	struct sum scale = plan_scale(plan, group->first);
	for (size_t lane = 0; lane < group->n; lane++) {
		if (plan->present[LOSS_ROLE_GRAD_OUTPUT])
			scale = plan_scale(plan, group->first + lane);
		double all = work->lanes.sum[1][lane];
		if (plan->args.z_loss > 0.0)
			all += 2.0 * plan->args.z_loss *
			       ((double)group->sums.max[lane] + group->sums.log1p_residual[lane]);
		double factor = sum_value(&scale);
		work->on[lane] = work->on[lane] && dense_takes(all * factor) && dense_takes(factor);
		work->lanes.factor[lane] = all * factor * dense_unit(group, lane);
		work->lanes.term[lane] = 0.0 - factor;
	}
}

/* A lane that the vector kernels have left: its loss, without z_loss, and its gradient. */
static double evaluate_lane(const struct group *group, size_t lane, int64_t y)
{
	const struct loss_plan *plan = group->plan;
	struct row row;
	if (y < 0 && !plan->wanted[OUTPUT_GRAD])
		return 0.0;
	group_row(group, lane, &row);
	if (y >= 0) {
		size_t class = plan->target_kind == TARGETS_INDICES ? (size_t)y : SIZE_MAX;
		struct coefficients k = ce_coefficients(plan, &row, class);
		return ce_evaluate(&k, group->first + lane);
	}
	ce_fill_grad(&row, &plan->outputs[OUTPUT_GRAD], 0.0);
	return 0.0;
}

/* The losses of a group whose sums are made and whose gradient is written. */
static void put_smooth_losses(const struct dense_work *work, const int64_t *y,
			      struct partial *partial)
{
	const struct group *group = work->group;
	const struct loss_plan *plan = group->plan;
	for (size_t lane = 0; lane < group->n; lane++) {
		size_t r = group->first + lane;
		double loss, z_loss = 0.0;
		if (work->on[lane])
			loss = work->lanes.sum[0][lane] +
			       weigh(work->lanes.sum[1][lane], group->sums.log1p_residual[lane]);
		else
			loss = evaluate_lane(group, lane, y[lane]);
		if (ce_has_z_loss(plan) && y[lane] >= 0) {
			struct row row;
			group_row(group, lane, &row);
			z_loss = ce_z_loss(plan, &row);
		}
		plan_put_loss(plan, r, loss + z_loss, partial);
		ce_note_z_loss(plan, r, z_loss, partial);
	}
}

/* Rows that count have a y that is not negative, 0 beside probabilities. */
static void read_counted(const struct group *group, int64_t *y)
{
	const struct loss_plan *plan = group->plan;
	for (size_t lane = 0; lane < GROUP_ROWS; lane++)
		y[lane] = lane < group->n && !plan_is_last(plan, group->first + lane)
				  ? 0
				  : TARGET_IGNORED;
	if (plan->target_kind == TARGETS_INDICES)
		targets_read(plan, group->first, group->n, y);
}

void ce_evaluate_smooth(const struct group *group, struct partial *partial)
{
	const struct loss_plan *plan = group->plan;
	int64_t y[GROUP_ROWS];
	struct dense_work work;
	read_counted(group, y);
	struct dense_operand operand = operand_of(plan, y);
	dense_start(&work, group, &operand);
	for (size_t lane = 0; lane < group->n; lane++)
		work.on[lane] &= y[lane] >= 0;
	dense_sum(&work, plan->kernels->gap_sums);
	set_factors(&work);
	if (plan->wanted[OUTPUT_GRAD])
		dense_write(&work, plan->kernels->combine, &plan->outputs[OUTPUT_GRAD]);
	put_smooth_losses(&work, y, partial);
	if (ce_wants_rows(plan))
		ce_write_other_outputs(group, y, partial);
}
