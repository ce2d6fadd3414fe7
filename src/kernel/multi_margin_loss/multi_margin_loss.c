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
static void set_shares(const struct rows *rows, struct sum *shares)
{
	double classes = (double)rows->plan->classes;
	struct sum share = quotient(1.0, classes, 0.0);
	for (size_t lane = 0; lane < LANES; lane++)
		shares[lane] = rows->targets.weight
				       ? quotient(rows_weight(rows, lane), classes, 0.0)
				       : share;
}

/* p w_y / C, times what the gradient has beside. */
static void set_factors(struct work *work, const struct sum *shares)
{
	const struct loss_plan *plan = work->rows->plan;
	double p = (double)plan->args.p;
	for (size_t lane = 0; lane < work->rows->n; lane++) {
		struct sum factor =
			product(shares[lane], plan_scale(plan, work->rows->first + lane));
		bool counted = work->rows->targets.y[lane] >= 0;
		work->lanes.factor[lane] = counted ? p * factor.high : 0.0;
		work->lanes.factor_low[lane] = counted ? p * factor.low : 0.0;
	}
}

static void put_target_grads(const struct work *work)
{
	const struct rows *rows = work->rows;
	for (size_t lane = 0; lane < rows->n; lane++) {
		struct sum slopes = work_sum_of(work, 1, lane);
		struct sum factor = {work->lanes.factor[lane], work->lanes.factor_low[lane]};
		int64_t y = rows->targets.y[lane];
		if (y >= 0)
			tensor_put(&rows->plan->outputs[OUTPUT_GRAD],
				   rows_base(rows, lane) + (size_t)y * rows->plan->inner,
				   0.0 - times(sum_value(&slopes), factor));
	}
}

static void evaluate(struct rows *rows, void *data)
{
	const struct loss_plan *plan = rows->plan;
	struct partial *partial = data;
	double *loss = exact_feed_room(&partial->loss, plan->kernels);
	struct sum shares[LANES];
	struct work work;
	start(&work, rows);
	set_shares(rows, shares);
	for (size_t lane = 0; lane < rows->n; lane++) {
		struct sum sum = work_sum_of(&work, 0, lane);
		bool counted = rows->targets.y[lane] >= 0;
		loss[lane] = counted ? 0.0 + times(sum_value(&sum), shares[lane]) : 0.0;
	}
	if (plan->wanted[OUTPUT_GRAD]) {
		set_factors(&work, shares);
		work_write(&work, power_of(plan)->write, &plan->outputs[OUTPUT_GRAD], false);
		put_target_grads(&work);
	}
	rows_keep_losses(rows, loss);
	exact_feed_take(&partial->loss, rows->n);
}

void multi_margin_loss_rows(const struct loss_plan *plan, size_t first, size_t n,
			    struct partial *partial)
{
	rows_read_to_operate(plan, first, n, evaluate, partial);
}
