/* Sixteen rows of class indices without smoothing: loss and gradient come from the vector kernels.
 */
#include "../../targets.h"
#include "../dense.h"
#include "cross_entropy.h"
#include "verdict.h"

static double lane_weight(const struct row_targets *targets, size_t lane)
{
	return targets->weighted ? targets->weight[lane] : 1.0;
}

static size_t target_class(const struct row_targets *targets, size_t lane)
{
	return targets->y[lane] < 0 ? 0 : (size_t)targets->y[lane];
}

void ce_read_logits(const struct group *group, struct row_targets *targets)
{
	for (size_t lane = 0; lane < GROUP_ROWS; lane++)
		targets->logit[lane] = (float)group_logit(group, lane, target_class(targets, lane));
}

/* Lanes that the vector kernels can not finish, and their sums. */
static void irregular_losses(const struct group *group, const struct row_targets *targets,
			     double *loss, struct lane_sums *sums)
{
	for (size_t lane = 0; lane < group->n; lane++) {
		struct row row;
		loss[lane] = 0.0;
		if (targets->y[lane] < 0)
			continue;
		group_row(group, lane, &row);
		loss[lane] = row.invalid ? (double)NAN
					 : ce_index_loss(&row, (size_t)targets->y[lane],
							 lane_weight(targets, lane));
		lane_sums_add(sums, lane, loss[lane]);
	}
}

/* At the target the gradient is -(1 - p_y) times factor: the one place where p - 1 would cancel. */
static void write_exact_target_grad(const struct group *group, const struct row_targets *targets,
				    size_t lane, double factor)
{
	const struct loss_plan *plan = group->plan;
	size_t y = (size_t)targets->y[lane];
	struct row row;
	group_row(group, lane, &row);
	bool scales = group_scales(group, lane, factor / row.total);
	if (scales && !(plan->args.z_loss > 0.0)) {
		tensor_put(&plan->outputs[OUTPUT_GRAD], row_index(&row, y),
			   (0.0 - row_other_probs(&row, y)) * factor);
		return;
	}
	struct coefficients k = ce_coefficients(plan, &row, y);
	if (scales)
		tensor_put(&plan->outputs[OUTPUT_GRAD], row_index(&row, y),
			   ce_index_grad(&k, y, plan_scale(plan, group->first + lane)));
	else
		ce_evaluate(&k, group->first + lane);
}

/* Where p_y is the largest, 1 - p_y is the residual's share; else it is at most 1/2, and factor p_y
 * has been written, to more digits than its distance to factor needs. */
static void write_target_grad(const struct group *group, const struct row_targets *targets,
			      size_t lane, double factor)
{
	const struct loss_plan *plan = group->plan;
	const struct loss_tensor *grad = &plan->outputs[OUTPUT_GRAD];
	double residual = group->sums.residual[lane];
	double total = 1.0 + residual;
	if (grad->dtype != LOSS_F32 || plan->args.z_loss > 0.0 ||
	    !group_scales(group, lane, factor / total)) {
		write_exact_target_grad(group, targets, lane, factor);
		return;
	}
	float *at =
		(float *)grad->data + group->base[lane] + (size_t)targets->y[lane] * plan->inner;
	bool largest = targets->logit[lane] == group->sums.max[lane];
	*at = (float)(largest ? (0.0 - residual / total) * factor : (double)*at - factor);
}

/* p_c is multiplied by this, c not the target. */
static double lane_factor(const struct group *group, const struct row_targets *targets, size_t lane)
{
	const struct loss_plan *plan = group->plan;
	struct sum scale = plan_scale(plan, group->first + lane);
	if (!(plan->args.z_loss > 0.0))
		return times(lane_weight(targets, lane), scale);
	struct row row;
	group_row(group, lane, &row);
	struct sum pull = product(sum_from(2.0 * plan->args.z_loss), row_lse(&row));
	return times(plus(sum_from(lane_weight(targets, lane)), pull).high, scale);
}

static void write_plain_grad(const struct group *group, const struct row_targets *targets)
{
	const struct loss_plan *plan = group->plan;
	double factor[GROUP_ROWS] = {0};
	double scale[GROUP_ROWS] = {0};
	for (size_t lane = 0; lane < group->n; lane++) {
		if (targets->y[lane] < 0)
			continue;
		factor[lane] = lane_factor(group, targets, lane);
		scale[lane] = factor[lane] / (1.0 + group->sums.residual[lane]);
	}
	group_scale(group, scale, &plan->outputs[OUTPUT_GRAD]);
	for (size_t lane = 0; lane < group->n; lane++)
		if (targets->y[lane] >= 0)
			write_target_grad(group, targets, lane, factor[lane]);
}

/* What is wanted of the rows beside losses and gradients; y is negative where a row does not count.
 */
void ce_write_other_outputs(const struct group *group, const int64_t *y, struct partial *partial)
{
	const struct loss_plan *plan = group->plan;
	bool judged = plan->target_kind == TARGETS_INDICES && verdict_wanted(plan);
	size_t predicted[GROUP_ROWS], rank[GROUP_ROWS];
	dense_write_outputs(group);
	if (judged && plan->wanted[OUTPUT_RANK])
		dense_rank(group, y, rank);
	else if (judged && verdict_predicts(plan))
		dense_predicted(group, predicted);
	for (size_t lane = 0; judged && lane < group->n; lane++) {
		struct row row;
		group_row(group, lane, &row);
		if (plan->wanted[OUTPUT_RANK])
			row.rank = rank[lane];
		else if (verdict_predicts(plan) && row_group_regular(&group->sums, lane))
			row.predicted = predicted[lane];
		size_t class = y[lane] < 0 ? SIZE_MAX : (size_t)y[lane];
		verdict_row(plan, &row, group->first + lane, class, partial);
	}
}

/* The part that z_loss adds to each lane's loss, and to the sums. */
static void add_z_losses(const struct group *group, const struct row_targets *targets, double *loss,
			 struct lane_sums *lanes, struct partial *partial)
{
	for (size_t lane = 0; lane < group->n; lane++) {
		double z_loss = 0.0;
		if (targets->y[lane] >= 0) {
			struct row row;
			group_row(group, lane, &row);
			z_loss = ce_z_loss(group->plan, &row);
			loss[lane] += z_loss;
			lane_sums_add(lanes, lane, z_loss);
		}
		ce_note_z_loss(group->plan, group->first + lane, z_loss, partial);
	}
}

void ce_put_losses(const struct loss_plan *plan, size_t first, size_t n, const double *loss)
{
	if (plan->wanted[OUTPUT_LOSS] && plan->reduction == REDUCTION_NONE)
		for (size_t i = 0; i < n; i++)
			tensor_put(&plan->outputs[OUTPUT_LOSS], first + i, loss[i]);
}

void ce_evaluate_plain(const struct group *group, const struct row_targets *targets,
		       struct partial *partial, struct lane_sums *lanes)
{
	const struct loss_plan *plan = group->plan;
	double loss[GROUP_ROWS];
	if (group->sums.regular)
		plan->kernels->losses(&group->sums, targets, loss, lanes);
	else
		irregular_losses(group, targets, loss, lanes);
	if (ce_has_z_loss(plan))
		add_z_losses(group, targets, loss, lanes, partial);
	ce_put_losses(plan, group->first, group->n, loss);
	if (plan->wanted[OUTPUT_GRAD])
		write_plain_grad(group, targets);
	if (ce_wants_rows(plan))
		ce_write_other_outputs(group, targets->y, partial);
}
