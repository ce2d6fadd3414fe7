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
#include "../../targets.h"
#include "../classes.h"
#include "../kernels.h"

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

static double evaluate(struct brier_row *row)
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

void brier_score_rows(const struct loss_plan *plan, size_t first, size_t n, struct partial *partial)
{
	for (size_t r = first; r < first + n; r++) {
		int64_t y;
		double loss = 0.0;
		targets_read(plan, r, 1, &y);
		if (y >= 0) {
			struct brier_row row = {.plan = plan, .r = r, .y = (size_t)y};
			loss = evaluate(&row);
		} else if (plan->wanted[OUTPUT_GRAD]) {
			classes_fill(plan, r, 0.0);
		}
		plan_put_loss(plan, r, loss, partial);
	}
}
