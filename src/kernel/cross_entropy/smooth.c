/* Sixteen rows of which every class has a coefficient: smoothed indices, or probabilities. */
#include <math.h>

#include "../operate.h"
#include "cross_entropy.h"

struct smooth {
	struct rows *rows;
	const int64_t
		*y; /* negative where a row does not count; a class, or 0 beside probabilities */
	struct sum kept, per_class; /* 1 - e, e / C */
	bool indices;
	bool uniform; /* every class has the same coefficient, but for the target: then it is
			 multiplied last, which gaps of floats do not overflow before */
	struct operand operand;
	struct work work;
	struct ce_gradient gradient;
};

/* b_c of every class, without what class indices add at the target. */
static void start(struct smooth *smooth, struct rows *rows, const int64_t *y)
{
	const struct loss_plan *plan = rows->plan;
	double smoothing = plan->args.label_smoothing;
	smooth->rows = rows;
	smooth->y = y;
	smooth->kept.high = two_sum(1.0, -smoothing, &smooth->kept.low);
	smooth->per_class = quotient(smoothing, (double)plan->classes, 0.0);
	smooth->indices = plan->target_kind == TARGETS_INDICES;
	smooth->uniform =
		smooth->indices && !plan->present[LOSS_ROLE_WEIGHT] && !rows_are_wide(rows);
	smooth->operand =
		(struct operand){.scale = smooth->kept.high, .shift = smooth->per_class.high};
	if (!smooth->indices)
		smooth->operand.tensor = &plan->tensors[LOSS_ROLE_TARGETS];
	if (plan->shift_rows)
		smooth->operand.ahead = plan->classes;
	if (plan->present[LOSS_ROLE_WEIGHT])
		smooth->operand.weight = &plan->tensors[LOSS_ROLE_WEIGHT];
	work_start(&smooth->work, rows, smooth->uniform ? NULL : &smooth->operand);
}

/* What the target's class has beyond the others, and what it has with them. */
static void set_own(struct smooth *smooth, size_t lane)
{
	struct ce_gradient *gradient = &smooth->gradient;
	gradient->own[lane] = gradient->own_base[lane] = sum_from(0.0);
	if (!smooth->indices)
		return;
	struct sum weight = sum_from(rows_weight(smooth->rows, lane));
	gradient->own[lane] = rows_product(smooth->rows, smooth->kept, weight);
	gradient->own_base[lane] = rows_product(smooth->rows, smooth->per_class, weight);
}

/* The loss of a lane, and A, from the sums over its classes. */
static double lane_loss(struct smooth *smooth, size_t lane)
{
	const struct rows *rows = smooth->rows;
	struct sum gaps = work_sum_of(&smooth->work, 0, lane);
	struct sum all = work_sum_of(&smooth->work, 1, lane);
	set_own(smooth, lane);
	struct sum own = smooth->gradient.own[lane];
	if (smooth->uniform) {
		gaps = sum_from(gaps.high * smooth->per_class.high);
		all = sum_from(rows->plan->args.label_smoothing);
	}
	if (smooth->indices) {
		double gap = rows->sums->max[lane] - rows->targets.logit[lane];
		sum_add(&gaps, weigh(own.high, gap));
	}
	smooth->gradient.rest[lane] = all;
	sum_merge(&all, &own);
	double tail = weigh(sum_value(&all), rows->sums->log1p_residual[lane]);
	return 0.0 + (sum_value(&gaps) + tail); /* never -0 */
}

/* The gradient is e factor + b term. */
static unsigned write_grad(struct smooth *smooth)
{
	struct rows *rows = smooth->rows;
	const struct loss_plan *plan = rows->plan;
	struct lanes *lanes = &smooth->work.lanes;
	unsigned left = 0;
	struct sum scale = ce_scale(plan, rows->first);
	for (size_t lane = 0; lane < rows->n; lane++) {
		if (smooth->y[lane] < 0)
			continue;
		if (plan->present[LOSS_ROLE_GRAD_OUTPUT])
			scale = ce_scale(plan, rows->first + lane);
		struct sum *rest = &smooth->gradient.rest[lane];
		*rest = plus(*rest, ce_z_pull(rows, lane));
		struct sum pull = plus(smooth->gradient.own[lane], *rest);
		smooth->gradient.scale[lane] = scale;
		work_set_factor(&smooth->work, lane,
				work_factor(rows, lane, rows_product(rows, pull, scale)));
		work_set_term(&smooth->work, lane, negative(scale));
		lanes->b[lane] = smooth->per_class.high;
		if (!(work_takes(pull.high * scale.high) && work_takes(scale.high)))
			left |= 1u << lane;
	}
	work_write(&smooth->work, WRITE_COMBINED, &plan->outputs[OUTPUT_GRAD], ce_is_sloped(plan));
	if (smooth->indices)
		ce_put_target_grads(rows, &smooth->gradient);
	return left;
}

unsigned ce_evaluate_smooth(struct rows *rows, const int64_t *y, double *loss)
{
	struct smooth smooth;
	smooth.work.on = 0;
	unsigned left = rows_irregular(rows);
	start(&smooth, rows, y);
	for (size_t lane = 0; lane < rows->n; lane++)
		if (y[lane] < 0)
			smooth.work.on &= ~(1u << lane);
	work_sum(&smooth.work, SUM_GAPS);
	for (size_t lane = 0; lane < rows->n; lane++)
		loss[lane] = y[lane] < 0 ? 0.0 : lane_loss(&smooth, lane);
	if (!rows->plan->wanted[OUTPUT_GRAD])
		return left;
	left |= write_grad(&smooth);
	/* beside a gradient of 0 stands what its lane holds */
	for (size_t lane = 0; lane < rows->n; lane++)
		if (y[lane] < 0)
			left |= 1u << lane;
	return left;
}
