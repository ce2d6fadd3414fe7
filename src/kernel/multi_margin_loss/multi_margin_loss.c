/*
 * What the target's score lacks of a margin above each other class's: with
 * z_c = max(0, margin - x_y + x_c), and 0 for y itself,
 *
 *   loss = w_y / C sum_c z_c^p,   grad_c = w_y / C p z_c^(p-1) where z_c > 0,   grad_y = -sum
 * grad_c
 *
 * A z_c that is NaN counts 0, as in PyTorch. Meaning: torch.nn.functional.multi_margin_loss.
 *
 * The operations take logits as they are, infinities and NaN too: no row is left to a plain form.
 */
#include <string.h>

#include "../kernels.h"
#include "../operate.h"
#include "../tiles.h"

/* What differs by p. */
struct power {
	enum operation sum, write;
};

static const struct power powers[] = {
	[1] = {SUM_HINGES, WRITE_STEPS},
	[2] = {SUM_HINGES_2, WRITE_HINGES},
};

static const struct power *power_of(const struct loss_plan *plan)
{
	return &powers[plan->args.p];
}

/* A row that does not count is as far from its margin as can be. */
static void start(struct work *work, struct rows *rows)
{
	work_start(work, rows, NULL);
	for (size_t lane = 0; lane < LANES; lane++) {
		bool counted = rows->targets.y[lane] >= 0;
		work->lanes.max[lane] = counted ? rows->targets.logit[lane] : HUGE_VAL;
		work->lanes.b[lane] = rows->plan->args.margin;
	}
	work_leave_out(work, rows->targets.y);
	work_sum(work, power_of(rows->plan)->sum);
}

/* w_y / C of each lane: the same, where there are no weights. */
static void set_shares(const struct rows *rows, struct lane_sums *shares)
{
	double classes = (double)rows->plan->classes;
	struct sum share = quotient(1.0, classes, 0.0);
	for (size_t lane = 0; lane < LANES; lane++) {
		if (rows->targets.weight)
			share = quotient(rows_weight(rows, lane), classes, 0.0);
		lane_sums_set(shares, lane, share);
	}
}

/* A sum of the lanes times factors, where both may be infinite. */
static void multiply(const struct work *work, size_t i, const struct lane_sums *factors,
		     double *values)
{
	struct lane_sums sums;
	memcpy(sums.high, work->lanes.sum[i], sizeof sums.high);
	memcpy(sums.low, work->lanes.lost[i], sizeof sums.low);
	for (size_t lane = 0; lane < LANES; lane++)
		sums.low[lane] = sums.high[lane] < HUGE_VAL ? sums.low[lane] : 0.0;
	work->rows->numbers->products(&sums, factors, &sums);
	for (size_t lane = 0; lane < LANES; lane++) {
		struct sum value = {sums.high[lane], sums.low[lane]};
		values[lane] = sum_value(&value);
	}
}

/* p w_y / C, times what the gradient has beside; 0 of a row that does not count. */
static void set_factors(const struct rows *rows, const struct lane_sums *shares,
			struct lane_sums *factors)
{
	const struct loss_plan *plan = rows->plan;
	bool apart = plan_scales_rows(plan);
	double p = (double)plan->args.p;
	struct sum scale = plan_scale(plan, rows->first);
	for (size_t lane = 0; lane < LANES; lane++) {
		if (apart && lane > 0 && lane < rows->n)
			scale = plan_scale(plan, rows->first + lane);
		lane_sums_set(factors, lane, (struct sum){p * scale.high, p * scale.low});
	}
	rows->numbers->products(shares, factors, factors);
	for (size_t lane = 0; lane < LANES; lane++)
		if (rows->targets.y[lane] < 0)
			lane_sums_set(factors, lane, sum_from(0.0));
}

static void write_grads(struct work *work, const struct lane_sums *shares)
{
	const struct rows *rows = work->rows;
	const struct loss_plan *plan = rows->plan;
	struct lane_sums factors;
	double grad[LANES];
	set_factors(rows, shares, &factors);
	multiply(work, 1, &factors, grad);
	memcpy(work->lanes.factor, factors.high, sizeof factors.high);
	memcpy(work->lanes.factor_low, factors.low, sizeof factors.low);
	work_write(work, power_of(plan)->write, &plan->outputs[OUTPUT_GRAD], false);
	for (size_t lane = 0; lane < rows->n; lane++) {
		int64_t y = rows->targets.y[lane];
		if (y >= 0)
			tensor_put(&plan->outputs[OUTPUT_GRAD],
				   rows_base(rows, lane) + (size_t)y * plan->inner,
				   0.0 - grad[lane]); /* never -0 */
	}
}

static void evaluate(struct rows *rows, void *data)
{
	const struct loss_plan *plan = rows->plan;
	struct partial *partial = data;
	double *loss = exact_feed_room(&partial->loss, plan->kernels);
	struct lane_sums shares;
	struct work work;
	start(&work, rows);
	set_shares(rows, &shares);
	multiply(&work, 0, &shares, loss);
	for (size_t lane = 0; lane < LANES; lane++)
		loss[lane] = rows->targets.y[lane] < 0 ? 0.0 : 0.0 + loss[lane]; /* never -0 */
	if (plan->wanted[OUTPUT_GRAD])
		write_grads(&work, &shares);
	rows_keep_losses(rows, loss);
	exact_feed_take(&partial->loss, rows->n);
}

void multi_margin_loss_rows(const struct loss_plan *plan, size_t first, size_t n,
			    struct partial *partial)
{
	rows_read_to_operate(plan, first, n, evaluate, partial);
}
