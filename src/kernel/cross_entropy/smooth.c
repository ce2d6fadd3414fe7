/* Sixteen rows of which every class has a coefficient: smoothed indices, or probabilities. */
#include "smooth.h"

#include "forms.h"
#include "gradient.h"

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
	struct smooth_sums sums;
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

/* A factor times the weights of the targets, 0 where a row does not count. */
static void set_weighted(const struct smooth *smooth, struct sum factor, struct lane_sums *to)
{
	const struct rows *rows = smooth->rows;
	struct lane_sums weights = {{0}, {0}};
	for (size_t lane = 0; lane < LANES; lane++) {
		bool counted = smooth->indices && smooth->y[lane] >= 0;
		lane_sums_set(to, lane, counted ? factor : sum_from(0.0));
		if (counted)
			weights.high[lane] = rows_weight(rows, lane);
	}
	if (smooth->indices && rows->targets.weight)
		rows->numbers->products(to, &weights, to);
}

/* The sums over the classes. */
static void set_sums(struct smooth *smooth)
{
	const struct lanes *lanes = &smooth->work.lanes;
	struct smooth_sums *sums = &smooth->sums;
	work_sum(&smooth->work, SUM_GAPS);
	for (size_t lane = 0; lane < LANES; lane++) {
		struct sum gaps = {lanes->sum[0][lane], lanes->lost[0][lane]};
		struct sum all = {lanes->sum[1][lane], lanes->lost[1][lane]};
		if (smooth->uniform) {
			gaps = sum_from(gaps.high * smooth->per_class.high);
			all = sum_from(smooth->rows->plan->args.label_smoothing);
		}
		lane_sums_set(&sums->gaps, lane, gaps);
		lane_sums_set(&sums->all, lane, all);
	}
	set_weighted(smooth, smooth->kept, &sums->own);
}

/* The gradient is e factor + b term. */
static unsigned write_grad(struct smooth *smooth)
{
	struct rows *rows = smooth->rows;
	const struct loss_plan *plan = rows->plan;
	struct lanes *lanes = &smooth->work.lanes;
	struct target_gradients gradients = {.own = smooth->sums.own, .rest = smooth->sums.all};
	struct lane_sums pull = smooth->sums.own, z_pull;
	unsigned left = 0;
	ce_set_scales(rows, &gradients.scale);
	ce_set_z_pulls(rows, smooth->y, &z_pull);
	lane_sums_plus(&gradients.rest, &z_pull);
	lane_sums_plus(&pull, &gradients.rest);
	rows->numbers->products(&pull, &gradients.scale, &pull);
	work_set_factors(&smooth->work, &pull);
	for (size_t lane = 0; lane < LANES; lane++) {
		bool counted = lane < rows->n && smooth->y[lane] >= 0;
		lanes->term[lane] = -gradients.scale.high[lane];
		lanes->term_low[lane] = -gradients.scale.low[lane];
		lanes->b[lane] = smooth->per_class.high;
		if (counted &&
		    !(work_takes(pull.high[lane]) && work_takes(gradients.scale.high[lane])))
			left |= 1u << lane;
	}
	work_write(&smooth->work, WRITE_COMBINED, &plan->outputs[OUTPUT_GRAD], ce_is_sloped(plan));
	if (!smooth->indices)
		return left;
	set_weighted(smooth, smooth->per_class, &gradients.base);
	ce_put_target_grads(&smooth->work, &gradients);
	return left;
}

unsigned ce_evaluate_smooth(struct rows *rows, const int64_t *y, double *loss)
{
	struct smooth smooth;
	smooth.work.on = 0; /* start sets it, which an analyser does not see */
	unsigned counted = 0;
	start(&smooth, rows, y);
	for (size_t lane = 0; lane < rows->n; lane++)
		counted |= (unsigned)(y[lane] >= 0) << lane;
	smooth.work.on &= counted;
	set_sums(&smooth);
	/* beside probabilities no class is the target, and no logit counts */
	rows->plan->kernels->smooth_losses(rows->sums, y,
					   smooth.indices ? rows->targets.logit : rows->sums->max,
					   &smooth.sums, loss);
	if (!rows->plan->wanted[OUTPUT_GRAD] || rows->plan->transform.steep)
		return 0;
	/* beside a gradient of 0 stands what its lane holds */
	return write_grad(&smooth) | (~counted & ((1u << rows->n) - 1));
}
