/*
 * policy_gradient: cross entropy's rows of class indices with another function of the target's
 * log-probability behind them (objectives.c). That is x_y - m - log1p(R) (rows.h), never rounded on
 * the way; the gradient is a factor of each row times p - e_y, as cross entropy's is.
 *
 * A row's contribution to the total is one double.
 */
#include <string.h>

#include "../cross_entropy/one_row.h"
#include "../cross_entropy/plain.h"
#include "../kernels.h"
#include "../outputs.h"
#include "objectives.h"

/* x_y - m, exactly. */
static struct sum gap_of(double logit, double max)
{
	struct sum gap;
	gap.high = two_sum(logit, -max, &gap.low);
	if (!(fabs(gap.high) < HUGE_VAL))
		gap.low = 0.0;
	return gap;
}

/* log1p(R). From 1 on a double of it is too coarse beside what it may cancel with. */
static struct sum tail_of(struct sum residual, double log1p_residual, bool wide)
{
	if (!wide || !(residual.high >= 1.0 && residual.high < HUGE_VAL))
		return sum_from(log1p_residual);
	return log_parts(plus(sum_from(1.0), residual));
}

static struct sum lane_log_prob(const struct rows *rows, size_t lane)
{
	const struct row_sums *sums = rows->sums;
	struct sum residual = {sums->residual[lane], sums->residual_low[lane]};
	struct sum tail = tail_of(residual, sums->log1p_residual[lane], rows_are_wide(rows));
	return plus(gap_of(rows->targets.logit[lane], sums->max[lane]), negative(tail));
}

static struct sum row_log_prob(const struct row *row, size_t y)
{
	if (row->invalid)
		return sum_from((double)NAN);
	struct sum tail = tail_of(row->residual, row->log1p_residual, true);
	return plus(gap_of(row_logit(row, y), row->max), negative(tail));
}

/* ---------------------------------------------------------------- sixteen rows */

/* How many lanes there are up to the last one that counts: what is beside others may not be there.
 */
static size_t lanes_to_read(const struct rows *rows)
{
	size_t n = rows->n;
	while (n > 0 && rows->targets.y[n - 1] < 0)
		n--;
	return n;
}

/* What a tensor has for the rows: it shifts as targets do. */
static void read_entries(const struct rows *rows, loss_role role, size_t n, double *to)
{
	const struct loss_plan *plan = rows->plan;
	const struct loss_tensor *tensor = &plan->tensors[role];
	if (n > 0)
		plan->kernels->widen(tensor->dtype,
				     tensor_at(tensor, plan_target_row(plan, rows->first)), to, n);
	for (size_t lane = n; lane < LANES; lane++)
		to[lane] = 0.0;
}

static void start(const struct rows *rows, struct policy_lanes *lanes)
{
	const struct loss_plan *plan = rows->plan;
	const struct loss_args *args = &plan->args;
	size_t n = lanes_to_read(rows);
	lanes->objective = args->objective;
	lanes->clip_low = args->clip_low;
	lanes->clip_high = args->clip_high;
	lanes->beta = args->beta;
	lanes->kl_weight = args->kl_weight;
	lanes->samples = plan->present[LOSS_ROLE_OWN_1];
	lanes->log_probs = plan->wanted[OUTPUT_LOG_PROB];
	lanes->ratios = plan->wanted[OUTPUT_RATIO];
	lanes->kls = plan->wanted[OUTPUT_KL];
	read_entries(rows, LOSS_ROLE_OWN_2, n, lanes->advantage);
	if (lanes->samples)
		read_entries(rows, LOSS_ROLE_OWN_1, n, lanes->sampled);
	if (args->kl_weight > 0.0)
		read_entries(rows, LOSS_ROLE_OWN_3, n, lanes->reference);
}

static void set_lane(struct policy_lanes *lanes, size_t lane, const struct policy_row *row)
{
	lanes->loss[lane] = row->loss;
	lanes->log_prob[lane] = row->log_prob;
	lanes->ratio[lane] = row->ratio;
	lanes->kl[lane] = row->kl;
	lane_sums_set(&lanes->factor, lane, row->factor);
	lanes->clipped = (lanes->clipped & ~(1u << lane)) | (unsigned)row->clipped << lane;
}

/* All but rows that are not regular. What the kernel does not take is evaluated by itself. */
static void evaluate_regular(const struct rows *rows, struct policy_lanes *lanes)
{
	start(rows, lanes);
	rows->numbers->policy(rows->sums, &rows->targets, lanes);
	unsigned left = rows_regular(rows) & ~lanes->taken;
	for (; left != 0; left &= left - 1) {
		size_t lane = (size_t)__builtin_ctz(left);
		if (rows->targets.y[lane] < 0)
			continue;
		struct policy_row row =
			policy_row_of(rows->plan, rows->first + lane, lane_log_prob(rows, lane));
		set_lane(lanes, lane, &row);
	}
}

/* The gradients of lanes that are left, and all else of those that are not regular. */
static void evaluate_left(const struct rows *rows, unsigned left, struct policy_lanes *lanes)
{
	const struct loss_plan *plan = rows->plan;
	bool grad = plan->wanted[OUTPUT_GRAD];
	for (; left != 0; left &= left - 1) {
		size_t lane = (size_t)__builtin_ctz(left), r = rows->first + lane;
		int64_t y = rows->targets.y[lane];
		struct row row;
		if (y < 0) {
			if (grad)
				ce_clear_grad(plan, r);
			continue;
		}
		row_read(&row, plan, r);
		if (!row_is_regular(rows->sums, lane)) {
			struct policy_row alone =
				policy_row_of(plan, r, row_log_prob(&row, (size_t)y));
			set_lane(lanes, lane, &alone);
		}
		if (grad)
			ce_write_row_grad(
				plan, &row, r, (size_t)y,
				(struct sum){lanes->factor.high[lane], lanes->factor.low[lane]});
	}
}

/* A bit for every lane whose gradient is left. */
static unsigned write_grad(struct rows *rows, const struct policy_lanes *lanes)
{
	if (!rows->plan->wanted[OUTPUT_GRAD])
		return 0;
	if (rows->plan->transform.steep)
		return (1u << rows->n) - 1;
	return ce_write_plain_grad(rows, &lanes->factor);
}

/* ---------------------------------------------------------------- what is made of them */

static void put_rows(const struct rows *rows, const struct policy_lanes *lanes)
{
	const struct loss_plan *plan = rows->plan;
	for (size_t lane = 0; plan->wanted[OUTPUT_LOG_PROB] && lane < rows->n; lane++)
		tensor_put(&plan->outputs[OUTPUT_LOG_PROB], rows->first + lane,
			   lanes->log_prob[lane]);
	for (size_t lane = 0; plan->wanted[OUTPUT_RATIO] && lane < rows->n; lane++)
		tensor_put(&plan->outputs[OUTPUT_RATIO], rows->first + lane, lanes->ratio[lane]);
}

static void add_rows(const struct rows *rows, const struct policy_lanes *lanes,
		     struct partial *partial)
{
	const struct loss_plan *plan = rows->plan;
	double *loss = exact_feed_room(&partial->loss, plan->kernels);
	memcpy(loss, lanes->loss, sizeof lanes->loss);
	rows_weigh(rows, loss);
	for (unsigned left = lanes->clipped & ((1u << rows->n) - 1); left != 0; left &= left - 1)
		partial->clipped++;
	for (size_t lane = 0; partial->kl && lane < rows->n; lane++)
		exact_feed_add(partial->kl, plan->kernels, lanes->kl[lane]);
	rows_keep_losses(rows, loss);
	exact_feed_take(&partial->loss, rows->n);
}

static void evaluate(struct rows *rows, void *partial)
{
	struct policy_lanes lanes;
	evaluate_regular(rows, &lanes);
	evaluate_left(rows, rows_irregular(rows) | write_grad(rows, &lanes), &lanes);
	put_rows(rows, &lanes);
	add_rows(rows, &lanes, partial);
	outputs_write(rows);
}

/* Whether something is computed of every logit once the sums are made. */
static bool operates(const struct loss_plan *plan)
{
	return plan->wanted[OUTPUT_GRAD] || plan->wanted[OUTPUT_ENTROPY] ||
	       plan->wanted[OUTPUT_PREDICTED];
}

void policy_gradient_rows(const struct loss_plan *plan, size_t first, size_t n,
			  struct partial *partial)
{
	if (operates(plan))
		rows_read_to_operate(plan, first, n, evaluate, partial);
	else
		rows_read(plan, first, n, evaluate, partial);
}
