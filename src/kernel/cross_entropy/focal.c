/*
 * Focal rows, as Lin et al. 2017 have them, of class indices: with p the target's probability,
 * q = 1 - p, n = -log p,
 *
 *   loss = w q^gamma n,   gradient = (q^gamma + gamma n p q^(gamma-1)) w (p_c - e_y)
 *
 * of which the factor is q^gamma (1 + gamma p n / q). q is the sum of the other classes' shares,
 * never 1 less p. At q = 0 (a single class) both are 0; at p = 0 the factor is 1.
 *
 * The power multiplies what is off in q by gamma. So the sum R is made once more, of exponentials
 * that are better than those of the rows' sums; beyond LARGEST_GAMMA it is the row's in double.
 */
#include "focal.h"

#include <string.h>

#include "../operate.h"
#include "../row.h"

#define LARGEST_GAMMA 16.0

/* q = R / (1+R) where the target is the maximum (of equal ones any may be that), else
 * (1 + R - e_y) / (1+R): nothing cancels, for 1 is the maximum's own. */
struct focal_row ce_focal_row(struct sum gap, struct sum others, double gamma)
{
	struct sum total = plus(sum_from(1.0), others), e;
	e.high = exp_parts(gap.high, gap.low, 0, &e.low);
	struct sum near = gap.high == 0.0 ? others : plus(total, negative(e));
	struct sum n = plus(negative(gap), sum_from(log1p_parts(others.high, others.low)));
	struct focal_row row = {{0.0, 0.0}, {0.0, 0.0}};
	if (!(near.high > 0.0))
		return row;
	struct sum q = ratio(near, total), p = ratio(e, total);
	struct sum exponent = product(sum_from(gamma), log_parts(q)), power;
	power.high = exp_parts(exponent.high, exponent.low, 0, &power.low);
	row.factor = power;
	if (p.high > 0.0) {
		struct sum more = product(product(sum_from(gamma), p), ratio(n, q));
		row.factor = product(power, plus(sum_from(1.0), more));
	}
	row.loss = weigh_parts(power, n);
	return row;
}

/* Of rows of doubles: lane by lane, to twice their precision. */
static void evaluate_wide(const struct rows *rows, const struct lane_sums *others,
			  struct focal_lanes *focal)
{
	const struct row_targets *targets = &rows->targets;
	for (size_t lane = 0; lane < LANES; lane++) {
		struct sum gap = {0}, loss = {0};
		struct focal_row row = {{0.0, 0.0}, {0.0, 0.0}};
		bool counted = lane < rows->n && targets->y[lane] >= 0;
		if (counted && row_is_regular(rows->sums, lane)) {
			gap.high = two_sum(targets->logit[lane], -rows->sums->max[lane], &gap.low);
			if (!(gap.high >= -HUGE_VAL && gap.low == gap.low))
				gap.low = 0.0;
			row = ce_focal_row(gap, (struct sum){others->high[lane], others->low[lane]},
					   rows->plan->args.gamma);
			loss = weigh_parts(sum_from(rows_weight(rows, lane)), row.loss);
		}
		focal->loss[lane] = 0.0 + sum_value(&loss);
		lane_sums_set(&focal->factor, lane, row.factor);
	}
}

/* R of each lane, by operations: the sum of e where x is no maximum, in their units, and how many
 * maxima there are beside the one. */
static void sum_others(struct rows *rows, struct lane_sums *others)
{
	const struct row_sums *sums = rows->sums;
	struct work work;
	work_start(&work, rows, NULL);
	work_sum(&work, SUM_OTHERS);
	for (size_t lane = 0; lane < LANES; lane++) {
		struct sum e = work_sum_of(&work, 0, lane), best = work_sum_of(&work, 1, lane);
		struct sum inverse = {sums->inverse[lane], sums->inverse_low[lane]};
		if (!rows_are_wide(rows))
			inverse.low = 0.0;
		e = product(product(e, inverse), sum_from(rows->numbers->unit));
		lane_sums_set(others, lane, plus(e, sum_from(best.high - 1.0)));
	}
}

unsigned ce_evaluate_focal(struct rows *rows, struct focal_lanes *focal)
{
	const struct loss_plan *plan = rows->plan;
	struct lane_sums others;
	if (plan->args.gamma > LARGEST_GAMMA) {
		rows->sums->regular = 0;
		memset(focal, 0, sizeof *focal);
		return rows_irregular(rows);
	}
	sum_others(rows, &others);
	for (size_t lane = 0; lane < LANES; lane++)
		if (!(others.high[lane] >= 0.0 && others.high[lane] < HUGE_VAL))
			lane_sums_set(&others, lane, sum_from(0.0)); /* of a row that is left */
	if (rows_are_wide(rows))
		evaluate_wide(rows, &others, focal);
	else
		plan->kernels->focal(rows->sums, &rows->targets, others.high, plan->args.gamma,
				     focal);
	return rows_irregular(rows);
}
