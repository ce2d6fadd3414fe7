/* The gradient at the targets of class indices. */
#include "../operate.h"
#include "../outputs.h"
#include "../tiles.h"
#include "cross_entropy.h"

struct sum ce_z_pull(const struct rows *rows, size_t lane)
{
	double z = rows->plan->args.z_loss;
	if (!(z > 0.0))
		return sum_from(0.0);
	struct sum lse = rows_lse(rows, lane);
	return rows_are_wide(rows) ? product(sum_from(2.0 * z), lse)
				   : sum_from(2.0 * z * sum_value(&lse));
}

/* p_y of each lane as the gradient is written, and the slope of its logit. */
static void read_targets(const struct rows *rows, double *p, double *slope)
{
	struct lanes lanes;
	union numbers x, slopes, out;
	size_t classes[LANES];
	const struct class_chunk chunk = {.x = &x, .out = &out, .n = LANES};
	for (size_t lane = 0; lane < LANES; lane++) {
		classes[lane] = rows->targets.y[lane] < 0 ? 0 : (size_t)rows->targets.y[lane];
		lanes.max[lane] = rows->sums->max[lane];
		lanes.exponent[lane] = rows->sums->exponent[lane];
		struct sum unit = work_factor(rows, lane, sum_from(1.0));
		lanes.factor[lane] = unit.high;
		lanes.factor_low[lane] = unit.low;
		lanes.b[lane] = lanes.term[lane] = lanes.term_low[lane] = 0.0;
	}
	rows_logits(rows, classes, &x, &slopes);
	enum operation kind = ce_is_exact(rows) ? WRITE_COMBINED : WRITE_SCALED;
	rows->numbers->operations[kind](&lanes, &chunk);
	bool wide = rows_are_wide(rows), sloped = ce_is_sloped(rows->plan);
	for (size_t lane = 0; lane < LANES; lane++) {
		p[lane] = wide ? out.d[lane] : (double)out.f[lane];
		slope[lane] = !sloped ? 1.0 : wide ? slopes.d[lane] : (double)slopes.f[lane];
	}
}

/* Where p_y is the largest, 1 - p_y is the residual's share: the one place where p - 1 would
 * cancel. */
static void other_probs(const struct rows *rows, const double *p, double *other)
{
	const double *residual = rows->sums->residual;
	for (size_t lane = 0; lane < LANES; lane++) {
		bool largest = rows->targets.logit[lane] == rows->sums->max[lane];
		double share = residual[lane] / (1.0 + residual[lane]);
		other[lane] = largest ? share : 1.0 - p[lane];
	}
}

/* p (own + rest) - own - base = -(1 - p) own + p rest - base, times scale. Of F64 every rounding
 * counts: there it is rounded once. */
static double exact_grad(const struct ce_gradient *gradient, size_t lane, double p, double other)
{
	struct sum rest = gradient->rest[lane];
	struct sum value = product(sum_from(0.0 - other), gradient->own[lane]);
	if (rest.high != 0.0)
		value = plus(value, product(sum_from(p), rest));
	value = plus(value, negative(gradient->own_base[lane]));
	return sum_value(&(struct sum){times(value.high, gradient->scale[lane]),
				       value.low * gradient->scale[lane].high});
}

static double plain_grad(const struct ce_gradient *gradient, size_t lane, double p, double other)
{
	double rest = gradient->rest[lane].high;
	double value = 0.0 - other * gradient->own[lane].high;
	value = rest == 0.0 ? value : value + p * rest;
	return (value - gradient->own_base[lane].high) * gradient->scale[lane].high;
}

void ce_put_target_grads(const struct rows *rows, const struct ce_gradient *gradient)
{
	const struct loss_plan *plan = rows->plan;
	bool wide = rows_are_wide(rows);
	_Alignas(64) double p[LANES], slope[LANES], other[LANES];
	size_t places[LANES];
	read_targets(rows, p, slope);
	other_probs(rows, p, other);
	rows_places(rows, 0, places);
	for (size_t lane = 0; lane < rows->n; lane++) {
		if (rows->targets.y[lane] < 0 || !row_is_regular(rows->sums, lane))
			continue;
		size_t at = places[lane] + (size_t)rows->targets.y[lane] * plan->inner;
		double grad = wide ? exact_grad(gradient, lane, p[lane], other[lane])
				   : plain_grad(gradient, lane, p[lane], other[lane]);
		tensor_put(&plan->outputs[OUTPUT_GRAD], at, grad * slope[lane]);
	}
}
