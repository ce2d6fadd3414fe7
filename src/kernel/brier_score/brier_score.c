/*
 * The squared distance of softmax from the target's one-hot vector. With e_c = exp(x_c - m), the
 * sums over the classes but y U = sum e_c and Q = sum e_c^2, and T = U + e_y,
 *
 *   loss = sum_c (p_c - [c = y])^2 = (Q + U^2) / T^2
 *   grad_c = 2 p_c (p_c - Q / T^2 + p_y U / T),   grad_y = -2 p_y loss
 *
 * of which 1 - p_y = U / T comes from the others: the loss cancels nowhere. An excluded class
 * (-infinity) has p_c = 0; a row that holds NaN or +infinity, or nothing else, is NaN.
 */
#include <string.h>

#include "../classes.h"
#include "../kernels.h"
#include "../operate.h"
#include "../tiles.h"

/* ---------------------------------------------------------------- a row that the kernels leave */

/* A row that counts. */
struct brier_row {
	const struct loss_plan *plan;
	size_t r, y;
	double max;
	bool invalid;
	struct sum own, others, squares; /* e_y, U, Q */
};

/* Some classes' exponentials. */
struct exponentials {
	_Alignas(64) double e[CLASSES_AT_A_TIME], low[CLASSES_AT_A_TIME];
};

static void find_max(struct brier_row *row)
{
	double x[CLASSES_AT_A_TIME], max = -HUGE_VAL;
	bool unordered = false;
	for (size_t c = 0, n; plan_has_class(row->plan, c); c += n) {
		n = classes_left(row->plan, c);
		classes_load(row->plan, row->r, c, n, x);
		for (size_t i = 0; i < n; i++) {
			unordered |= x[i] != x[i];
			max = x[i] > max ? x[i] : max;
		}
	}
	row->max = max;
	row->invalid = unordered || fabs(max) == HUGE_VAL;
}

static void load_exponentials(const struct brier_row *row, size_t c, size_t n,
			      struct exponentials *all)
{
	classes_load(row->plan, row->r, c, n, all->e);
	for (size_t i = n; i % LANES != 0; i++)
		all->e[i] = row->max;
	row->plan->kernels->exponentials(all->e, all->low, (n + LANES - 1) / LANES * LANES,
					 row->max);
}

static void sum_row(struct brier_row *row)
{
	struct exponentials all;
	struct lane_sums others = {{0}, {0}}, squares = {{0}, {0}};
	double square[CLASSES_AT_A_TIME];
	for (size_t c = 0, n; plan_has_class(row->plan, c); c += n) {
		n = classes_left(row->plan, c);
		load_exponentials(row, c, n, &all);
		if (row->y >= c && row->y - c < n) {
			size_t i = row->y - c;
			row->own = (struct sum){all.e[i], all.low[i]};
			all.e[i] = all.low[i] = 0.0;
		}
		for (size_t i = 0; i < n; i++)
			square[i] = all.e[i] * all.e[i] + 2.0 * all.e[i] * all.low[i];
		classes_add(&others, all.e, n);
		classes_add(&others, all.low, n);
		classes_add(&squares, square, n);
	}
	row->others = classes_total(&others);
	row->squares = classes_total(&squares);
}

/* 2 p_c (p_c - s) of all classes but y, whose gradient is -2 p_y loss; times the row's scale. */
static void write_grad(const struct brier_row *row, struct sum total, struct sum loss)
{
	struct sum scale = plan_scale(row->plan, row->r), p_y = ratio(row->own, total);
	struct sum twice = {2.0 * scale.high, 2.0 * scale.low};
	struct sum inverse = ratio(sum_from(1.0), total);
	struct sum s = plus(product(product(row->squares, inverse), inverse),
			    negative(product(p_y, product(row->others, inverse))));
	struct exponentials all;
	for (size_t c = 0, n; plan_has_class(row->plan, c); c += n) {
		n = classes_left(row->plan, c);
		load_exponentials(row, c, n, &all);
		for (size_t i = 0; i < n; i++) {
			double low = all.e[i] * inverse.low + all.low[i] * inverse.high;
			double p = all.e[i] * inverse.high + low, lost;
			double gap = two_sum(p, -s.high, &lost);
			all.e[i] = times(p * (gap + (lost - s.low)), twice);
		}
		if (row->y >= c && row->y - c < n)
			all.e[row->y - c] = 0.0 - times(sum_value(&loss) * sum_value(&p_y), twice);
		classes_store(row->plan, row->r, c, n, all.e);
	}
}

static double evaluate_row(struct brier_row *row)
{
	const struct loss_plan *plan = row->plan;
	find_max(row);
	if (row->invalid) {
		if (plan->wanted[OUTPUT_GRAD])
			classes_fill(plan, row->r, (double)NAN);
		return (double)NAN;
	}
	sum_row(row);
	struct sum total = plus(row->own, row->others);
	struct sum share = ratio(row->others, total);
	struct sum squares = ratio(ratio(row->squares, total), total);
	struct sum loss = plus(squares, product(share, share));
	if (plan->wanted[OUTPUT_GRAD])
		write_grad(row, total, loss);
	return sum_value(&loss);
}

/* ---------------------------------------------------------------- sixteen rows at a time */

/* Lanes that are left: their gradients, and the losses of those that are not regular. */
static void evaluate_left(const struct rows *rows, unsigned left, double *loss)
{
	const struct loss_plan *plan = rows->plan;
	for (; left != 0; left &= left - 1) {
		size_t lane = (size_t)__builtin_ctz(left), r = rows->first + lane;
		int64_t y = rows->targets.y[lane];
		double own = 0.0;
		if (y >= 0)
			own = evaluate_row(
				&(struct brier_row){.plan = plan, .r = r, .y = (size_t)y});
		else if (plan->wanted[OUTPUT_GRAD])
			classes_fill(plan, r, 0.0);
		if (!row_is_regular(rows->sums, lane))
			loss[lane] = own;
	}
}

static void copy_sum(const struct lanes *lanes, size_t i, struct lane_sums *to)
{
	memcpy(to->high, lanes->sum[i], sizeof to->high);
	memcpy(to->low, lanes->lost[i], sizeof to->low);
}

/* The sums over the others, and the target's own exponential: an operation on its logit. */
static void sum_lanes(struct work *work, struct brier_lanes *brier)
{
	static const int64_t none[LANES] = LANES_OF(-1);
	const struct rows *rows = work->rows;
	work_leave_out(work, rows->targets.y);
	work_sum(work, SUM_SQUARES);
	copy_sum(&work->lanes, 0, &brier->others);
	copy_sum(&work->lanes, 1, &brier->squares);
	work_seek(work, rows->targets.logit);
	work_leave_out(work, none);
	memset(work->lanes.sum, 0, sizeof work->lanes.sum);
	memset(work->lanes.lost, 0, sizeof work->lanes.lost);
	const union numbers x = work->lanes.value;
	const struct class_chunk chunk = {.x = rows_numbers(rows, &x), .n = 1};
	rows->numbers->operations[SUM_SQUARES](&work->lanes, &chunk);
	copy_sum(&work->lanes, 0, &brier->own);
}

/* Twice what the rows' gradients have beside; a bit for each lane of which the operations do not
 * take that. */
static unsigned set_scales(const struct rows *rows, struct lane_sums *twice)
{
	const struct loss_plan *plan = rows->plan;
	bool apart = plan_scales_rows(plan);
	struct sum scale = plan_scale(plan, rows->first);
	unsigned left = 0;
	for (size_t lane = 0; lane < LANES; lane++) {
		if (apart && lane > 0 && lane < rows->n)
			scale = plan_scale(plan, rows->first + lane);
		double size = fabs(scale.high);
		left |= (unsigned)!(size == 0.0 || (size >= 0x1p-60 && size < 0x1p60)) << lane;
		lane_sums_set(twice, lane, (struct sum){2.0 * scale.high, 2.0 * scale.low});
	}
	return left & ((1u << rows->n) - 1);
}

static void put_target_grads(const struct rows *rows, const struct lane_sums *own)
{
	const struct loss_plan *plan = rows->plan;
	size_t places[LANES];
	rows_places(rows, 0, places);
	for (size_t lane = 0; lane < rows->n; lane++) {
		int64_t y = rows->targets.y[lane];
		if (y >= 0 && row_is_regular(rows->sums, lane))
			tensor_put(&plan->outputs[OUTPUT_GRAD],
				   places[lane] + (size_t)y * plan->inner,
				   0.0 + (own->high[lane] + own->low[lane])); /* never -0 */
	}
}

/* The gradients of sixteen rows; a bit for each that is left. */
static unsigned write_lanes(struct work *work, struct brier_lanes *brier)
{
	const struct rows *rows = work->rows;
	struct lanes *lanes = &work->lanes;
	struct lane_sums twice, factor;
	unsigned left = set_scales(rows, &twice);
	rows->numbers->products(&brier->inverse_square, &twice, &factor);
	rows->numbers->products(&brier->own_grad, &twice, &brier->own_grad);
	for (size_t lane = 0; lane < LANES; lane++) {
		bool counted = rows->targets.y[lane] >= 0;
		lanes->factor[lane] = counted ? factor.high[lane] : 0.0;
		lanes->factor_low[lane] = counted ? factor.low[lane] : 0.0;
		lanes->term[lane] = counted ? brier->term.high[lane] : 0.0;
		lanes->term_low[lane] = counted ? brier->term.low[lane] : 0.0;
	}
	work_write(work, WRITE_SQUARES, &rows->plan->outputs[OUTPUT_GRAD], false);
	put_target_grads(rows, &brier->own_grad);
	return left;
}

static void evaluate(struct rows *rows, void *data)
{
	const struct loss_plan *plan = rows->plan;
	struct partial *partial = data;
	double *loss = exact_feed_room(&partial->loss, plan->kernels);
	struct brier_lanes brier;
	struct work work;
	unsigned left = rows_irregular(rows);
	work_start(&work, rows, NULL);
	sum_lanes(&work, &brier);
	rows->numbers->brier(rows->targets.y, &brier);
	memcpy(loss, brier.loss, sizeof brier.loss);
	if (plan->wanted[OUTPUT_GRAD])
		left |= write_lanes(&work, &brier);
	evaluate_left(rows, left, loss);
	rows_keep_losses(rows, loss);
	exact_feed_take(&partial->loss, rows->n);
}

void brier_score_rows(const struct loss_plan *plan, size_t first, size_t n, struct partial *partial)
{
	rows_read_to_operate(plan, first, n, evaluate, partial);
}
