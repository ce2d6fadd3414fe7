/*
 * policy_gradient: cross entropy's rows of class indices with another function of the target's
 * log-probability behind them (objectives.c). That is x_y - m - log1p(R) (rows.h), never rounded on
 * the way; the gradient is a factor of each row times p - e_y, as cross entropy's is.
 *
 * A row's contribution to the total is one double.
 */
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

struct policy_rows {
	struct policy_row of[LANES];
	struct lane_sums factor;
};

static void set_row(struct policy_rows *all, size_t lane, struct policy_row row)
{
	all->of[lane] = row;
	lane_sums_set(&all->factor, lane, row.factor);
}

static void evaluate_regular(const struct rows *rows, struct policy_rows *all)
{
	for (size_t lane = 0; lane < LANES; lane++) {
		bool counts = lane < rows->n && rows->targets.y[lane] >= 0;
		struct policy_row row = {0};
		if (counts && row_is_regular(rows->sums, lane))
			row = policy_row_of(rows->plan, rows->first + lane,
					    lane_log_prob(rows, lane));
		set_row(all, lane, row);
	}
}

/* The gradients of lanes that are left, and all else of those that are not regular. */
static void evaluate_left(const struct rows *rows, unsigned lanes, struct policy_rows *all)
{
	const struct loss_plan *plan = rows->plan;
	bool grad = plan->wanted[OUTPUT_GRAD];
	for (; lanes != 0; lanes &= lanes - 1) {
		size_t lane = (size_t)__builtin_ctz(lanes), r = rows->first + lane;
		int64_t y = rows->targets.y[lane];
		struct row row;
		if (y < 0) {
			if (grad)
				ce_clear_grad(plan, r);
			continue;
		}
		row_read(&row, plan, r);
		if (!row_is_regular(rows->sums, lane))
			set_row(all, lane, policy_row_of(plan, r, row_log_prob(&row, (size_t)y)));
		if (grad)
			ce_write_row_grad(plan, &row, r, (size_t)y, all->of[lane].factor);
	}
}

/* A bit for every lane whose gradient is left. */
static unsigned write_grad(struct rows *rows, const struct policy_rows *all)
{
	if (!rows->plan->wanted[OUTPUT_GRAD])
		return 0;
	if (rows->plan->transform.steep)
		return (1u << rows->n) - 1;
	return ce_write_plain_grad(rows, &all->factor);
}

/* ---------------------------------------------------------------- what is made of them */

static void put_rows(const struct rows *rows, const struct policy_rows *all)
{
	const struct loss_plan *plan = rows->plan;
	for (size_t lane = 0; plan->wanted[OUTPUT_LOG_PROB] && lane < rows->n; lane++)
		tensor_put(&plan->outputs[OUTPUT_LOG_PROB], rows->first + lane,
			   all->of[lane].log_prob);
	for (size_t lane = 0; plan->wanted[OUTPUT_RATIO] && lane < rows->n; lane++)
		tensor_put(&plan->outputs[OUTPUT_RATIO], rows->first + lane, all->of[lane].ratio);
}

static void add_rows(const struct rows *rows, const struct policy_rows *all,
		     struct partial *partial)
{
	const struct loss_plan *plan = rows->plan;
	double *loss = exact_feed_room(&partial->loss, plan->kernels);
	for (size_t lane = 0; lane < rows->n; lane++) {
		bool counts = rows->targets.y[lane] >= 0;
		double weight = counts ? plan_row_weight(plan, rows->first + lane) : 0.0;
		loss[lane] = counts ? weigh(weight, all->of[lane].loss) : 0.0;
		partial->clipped += all->of[lane].clipped;
		if (partial->kl)
			exact_feed_add(partial->kl, plan->kernels, all->of[lane].kl);
	}
	if (plan->keeps_rows)
		plan_keep_losses(plan, rows->first, rows->n, loss);
	exact_feed_take(&partial->loss, rows->n);
}

static void evaluate(struct rows *rows, void *partial)
{
	struct policy_rows all;
	evaluate_regular(rows, &all);
	evaluate_left(rows, rows_irregular(rows) | write_grad(rows, &all), &all);
	put_rows(rows, &all);
	add_rows(rows, &all, partial);
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
