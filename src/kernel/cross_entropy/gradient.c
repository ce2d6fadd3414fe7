/* What gradients are made of, and those at the targets of class indices. */
#include "gradient.h"

#include <string.h>

#include "../outputs.h"
#include "../tiles.h"
#include "forms.h"

void ce_set_scales(const struct rows *rows, struct lane_sums *scales)
{
	const struct loss_plan *plan = rows->plan;
	bool apart = plan_scales_rows(plan);
	struct sum scale = ce_scale(plan, rows->first);
	for (size_t lane = 0; lane < LANES; lane++) {
		if (apart && lane > 0 && lane < rows->n)
			scale = ce_scale(plan, rows->first + lane);
		lane_sums_set(scales, lane, scale);
	}
}

void ce_set_z_pulls(const struct rows *rows, const int64_t *y, struct lane_sums *pulls)
{
	double z = rows->plan->args.z_loss;
	*pulls = (struct lane_sums){{0}, {0}};
	for (size_t lane = 0; z > 0.0 && lane < rows->n; lane++) {
		struct sum lse = rows_lse(rows, lane), pull = product(sum_from(2.0 * z), lse);
		if (!rows_are_wide(rows))
			pull = sum_from(2.0 * z * sum_value(&lse));
		if (y[lane] >= 0)
			lane_sums_set(pulls, lane, pull);
	}
}

/* p_y of each lane as the gradient is written, and the slope of its logit. */
static void set_target_probs(const struct work *work, struct target_gradients *gradients)
{
	static const struct lane_sums ones = {.high = LANES_OF(1.0)};
	const struct rows *rows = work->rows;
	struct lanes lanes;
	union numbers x, slopes, out;
	size_t classes[LANES];
	const struct class_chunk chunk = {
		.x = rows_numbers(rows, &x), .out = &out, .out_dtype = rows_dtype(rows), .n = 1};
	memcpy(lanes.max, work->lanes.max, sizeof lanes.max);
	memcpy(lanes.exponent, work->lanes.exponent, sizeof lanes.exponent);
	for (size_t lane = 0; lane < LANES; lane++) {
		int64_t y = rows->targets.y[lane];
		classes[lane] = y < 0 ? 0 : (size_t)y;
		lanes.b[lane] = lanes.term[lane] = lanes.term_low[lane] = 0.0;
	}
	rows->numbers->shares(rows->sums, &ones, &lanes);
	rows_logits(rows, classes, &x, &slopes);
	enum operation kind = ce_is_exact(rows) ? WRITE_COMBINED : WRITE_SCALED;
	rows->numbers->operations[kind](&lanes, &chunk);
	bool wide = rows_are_wide(rows), sloped = ce_is_sloped(rows->plan);
	for (size_t lane = 0; lane < LANES; lane++) {
		gradients->p[lane] = wide ? out.d[lane] : (double)out.f[lane];
		gradients->slope[lane] = !sloped ? 1.0
					 : wide  ? slopes.d[lane]
						 : (double)slopes.f[lane];
	}
}

void ce_put_target_grads(const struct work *work, struct target_gradients *gradients)
{
	const struct rows *rows = work->rows;
	const struct loss_plan *plan = rows->plan;
	_Alignas(64) double grad[LANES];
	size_t places[LANES];
	set_target_probs(work, gradients);
	rows->numbers->target_grads(rows->sums, rows->targets.logit, gradients, grad);
	rows_places(rows, 0, places);
	for (size_t lane = 0; lane < rows->n; lane++) {
		int64_t y = rows->targets.y[lane];
		if (y >= 0 && row_is_regular(rows->sums, lane))
			tensor_put(&plan->outputs[OUTPUT_GRAD],
				   places[lane] + (size_t)y * plan->inner, grad[lane]);
	}
}
