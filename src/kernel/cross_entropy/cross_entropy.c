/*
 * cross_entropy. With e = label smoothing, w = class weights, y = the target and t = the target
 * probabilities, of which class indices have only t_y = 1:
 *
 *   t' = (1-e) t + e/C,  b = w t',  A = sum_c b_c
 *   loss = sum_c b_c nll_c,  grad_c = p_c A - b_c
 *
 * nll_c = (m - x_c) + log1p(R) (rows.h), so the loss is sum_c b_c (m - x_c) + A log1p(R): two sums
 * of terms that are not negative for non-negative weights. Without smoothing the gradient at an
 * index is -w_y (1 - p_y), of which 1 - p_y comes from the residual. Meaning:
 * torch.nn.functional.cross_entropy.
 *
 * gamma makes of plain rows focal ones (focal.c). z_loss adds z lse^2 to the loss and 2 z lse p_c
 * to the gradient. All of this is about the transformed logits (transform.h); their slope is the
 * last factor of the gradient.
 *
 * A row's contribution to the total is one double, z_loss included.
 */
#include <string.h>

#include "../kernels.h"
#include "../outputs.h"
#include "../prediction.h"
#include "focal.h"
#include "forms.h"
#include "one_row.h"
#include "plain.h"
#include "smooth.h"

/* Whether there is nothing to do but the rows' losses. */
static bool wants_losses_only(const struct loss_plan *plan)
{
	size_t of_losses =
		(size_t)plan->wanted[OUTPUT_LOSS] + (size_t)plan->wanted[OUTPUT_LOSS_QUANTILES];
	return ce_is_plain(plan) && !ce_has_z_loss(plan) && !ce_is_focal(plan) && !plan->judges &&
	       plan->n_outputs == of_losses;
}

/* Whether a row beside probabilities counts. */
static bool counts(const struct loss_plan *plan, size_t r)
{
	return !plan_is_last(plan, r) && !plan_is_masked(plan, r);
}

/* Which rows count, as class indices or 0 beside probabilities. */
static const int64_t *counted(const struct rows *rows, int64_t *y)
{
	if (rows->plan->target_kind == TARGETS_INDICES)
		return rows->targets.y;
	for (size_t lane = 0; lane < LANES; lane++)
		y[lane] = lane < rows->n && counts(rows->plan, rows->first + lane) ? 0
										   : TARGET_IGNORED;
	return y;
}

/* The gradients of lanes that are left, and the losses of those that are not regular: the others
 * have theirs, the same whether or not a gradient is asked for. */
static void evaluate_left(const struct rows *rows, unsigned lanes, const int64_t *y, double *loss,
			  double *z_loss)
{
	const struct loss_plan *plan = rows->plan;
	bool indices = plan->target_kind == TARGETS_INDICES;
	for (; lanes != 0; lanes &= lanes - 1) {
		size_t lane = (size_t)__builtin_ctz(lanes), r = rows->first + lane;
		double own = 0.0, own_z = 0.0;
		if (y[lane] >= 0)
			own = 0.0 + ce_evaluate_row(plan, r, indices ? (size_t)y[lane] : SIZE_MAX,
						    &own_z); /* never -0 */
		else if (plan->wanted[OUTPUT_GRAD])
			ce_clear_grad(plan, r);
		if (row_is_regular(rows->sums, lane))
			continue;
		loss[lane] = own;
		z_loss[lane] = own_z;
	}
}

static void make_z_losses(const struct rows *rows, const int64_t *y, double *z_loss)
{
	const struct row_sums *sums = rows->sums;
	for (size_t lane = 0; lane < rows->n; lane++) {
		struct sum lse = rows_lse(rows, lane), total;
		z_loss[lane] = 0.0;
		if (y[lane] < 0)
			continue;
		if (rows_are_wide(rows) && fabs(lse.high) < sums->log1p_residual[lane]) {
			total.high = two_sum(1.0, sums->residual[lane], &total.low);
			total.low += sums->residual_low[lane];
			lse = ce_exact_lse(sums->max[lane], total);
		}
		z_loss[lane] = ce_z_loss(rows->plan, lse);
	}
}

static void keep_losses(const struct rows *rows, const double *loss)
{
	if (rows->plan->keeps_rows)
		plan_keep_losses(rows->plan, rows->first, rows->n, loss);
}

static void put_z_losses(const struct rows *rows, const double *z_loss)
{
	const struct loss_plan *plan = rows->plan;
	if (plan->wanted[OUTPUT_Z_LOSS] && plan->reduction == REDUCTION_NONE)
		for (size_t lane = 0; lane < rows->n; lane++)
			tensor_put(&plan->outputs[OUTPUT_Z_LOSS], rows->first + lane, z_loss[lane]);
}

/* Times what the rows weigh themselves. */
static void weigh_rows(const struct rows *rows, const int64_t *y, double *loss, double *z_loss)
{
	for (size_t lane = 0; lane < rows->n; lane++) {
		if (y[lane] < 0)
			continue;
		double weight = plan_row_weight(rows->plan, rows->first + lane);
		loss[lane] = weigh(weight, loss[lane]);
		z_loss[lane] = weigh(weight, z_loss[lane]);
	}
}

static void finish_losses(const struct rows *rows, const int64_t *y, double *loss, double *z_loss,
			  struct partial *partial)
{
	const struct loss_plan *plan = rows->plan;
	for (size_t lane = 0; ce_has_z_loss(plan) && lane < rows->n; lane++)
		loss[lane] += z_loss[lane];
	plan_keep_plain(plan, rows->first, rows->n, loss);
	if (plan->present[LOSS_ROLE_ROW_WEIGHT])
		weigh_rows(rows, y, loss, z_loss);
	for (size_t lane = 0; ce_has_z_loss(plan) && lane < rows->n; lane++)
		exact_feed_add(partial->z_loss, plan->kernels, z_loss[lane]);
	keep_losses(rows, loss);
	put_z_losses(rows, z_loss);
}

/* Rows that the vector kernels leave: all, where their gradients are not for floats. */
static unsigned left_of(const struct rows *rows)
{
	const struct loss_plan *plan = rows->plan;
	bool steep = plan->wanted[OUTPUT_GRAD] && plan->transform.steep;
	return steep ? (1u << rows->n) - 1 : rows_irregular(rows);
}

/* Whether the rows' losses are what the kernel makes of them. */
static bool are_made_at_once(const struct loss_plan *plan, unsigned left)
{
	return left == 0 && !ce_has_z_loss(plan) && !ce_is_focal(plan) &&
	       !plan->present[LOSS_ROLE_ROW_WEIGHT];
}

static void evaluate_plain(struct rows *rows, double *loss, struct partial *partial)
{
	const struct loss_plan *plan = rows->plan;
	double z_loss[LANES] = {0};
	struct focal_lanes focal;
	unsigned left = left_of(rows);
	if (ce_is_focal(plan))
		left |= ce_evaluate_focal(rows, &focal);
	if (plan->wanted[OUTPUT_GRAD] && !plan->transform.steep)
		left |= ce_write_plain_grad(rows, ce_is_focal(plan) ? &focal.factor : NULL);
	if (ce_is_focal(plan))
		memcpy(loss, focal.loss, sizeof focal.loss);
	else
		plan->kernels->losses(rows->sums, &rows->targets, loss);
	if (are_made_at_once(plan, left)) {
		plan_keep_plain(plan, rows->first, rows->n, loss);
		keep_losses(rows, loss);
		return;
	}
	if (ce_has_z_loss(plan))
		make_z_losses(rows, rows->targets.y, z_loss);
	evaluate_left(rows, left, rows->targets.y, loss, z_loss);
	finish_losses(rows, rows->targets.y, loss, z_loss, partial);
}

static void evaluate_smooth(struct rows *rows, double *loss, struct partial *partial)
{
	double z_loss[LANES] = {0};
	int64_t own[LANES];
	const int64_t *y = counted(rows, own);
	unsigned left = left_of(rows) | ce_evaluate_smooth(rows, y, loss);
	if (ce_has_z_loss(rows->plan))
		make_z_losses(rows, y, z_loss);
	evaluate_left(rows, left, y, loss, z_loss);
	finish_losses(rows, y, loss, z_loss, partial);
}

static void evaluate(struct rows *rows, void *data)
{
	const struct loss_plan *plan = rows->plan;
	struct partial *partial = data;
	double *loss = exact_feed_room(&partial->loss, plan->kernels);
	if (ce_is_plain(plan))
		evaluate_plain(rows, loss, partial);
	else
		evaluate_smooth(rows, loss, partial);
	exact_feed_take(&partial->loss, rows->n);
	if (wants_losses_only(plan))
		return;
	outputs_write(rows);
	if (plan->judges)
		predictions_write(rows, partial);
}

void cross_entropy_rows(const struct loss_plan *plan, size_t first, size_t n,
			struct partial *partial)
{
	if (wants_losses_only(plan))
		rows_read(plan, first, n, evaluate, partial);
	else
		rows_read_to_operate(plan, first, n, evaluate, partial);
}
