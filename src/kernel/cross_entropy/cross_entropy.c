/*
 * cross_entropy, in double throughout, rounded once. With e = label smoothing, w = class weights, y
 * = the target:
 *
 *   class indices:  loss = (1-e) w_y nll_y + (e/C) sum_c w_c nll_c
 *                   grad = p_c A - b_c,  A = (1-e) w_y + (e/C) sum w,  b_c = (1-e) w_y [c=y] +
 * (e/C) w_c probabilities:  loss = sum_c w_c t'_c nll_c,  t' = (1-e) t + e/C grad = p_c A - b_c,  A
 * = sum w t',  b_c = w_c t'_c
 *
 * nll_c = (m - x_c) + log1p(R) (row.h), so a weighted sum of them is sum a_c (m - x_c) + log1p(R)
 * sum a_c: two sums of terms that are not negative for non-negative weights. Without smoothing the
 * gradient at the target is -w_y (1 - p_y), of which 1 - p_y comes from the residual. Meaning:
 * torch.nn.functional.cross_entropy.
 */
#include "../kernels.h"
#include "../row.h"

/* The coefficient b_c of nll_c. */
struct coefficients {
	const struct loss_plan *plan;
	const struct row *row;
	size_t y;             /* class indices: the target; SIZE_MAX for probabilities */
	double smoothing;     /* e */
	struct sum per_class; /* e / C */
	double target_weight; /* (1-e) w_y */
};

static double coefficient(const struct coefficients *k, size_t c)
{
	double weight = plan_class_weight(k->plan, c);
	if (k->y == SIZE_MAX) {
		double t =
			tensor_number(&k->plan->tensors[LOSS_ROLE_TARGETS], row_index(k->row, c));
		return weight *
		       (k->smoothing > 0.0 ? (1.0 - k->smoothing) * t + k->per_class.high : t);
	}
	return times(weight, k->per_class) + (c == k->y ? k->target_weight : 0.0);
}

/* sum_c b_c nll_c and A = sum_c b_c. */
static double weighted_loss(const struct coefficients *k, struct sum *coefficient_sum)
{
	const struct row *row = k->row;
	struct sum gaps = {0};
	*coefficient_sum = (struct sum){0};
	for (size_t c = 0; c < row->classes; c++) {
		double b = coefficient(k, c);
		sum_add(&gaps, row_weighted_gap(row, c, b));
		sum_add(coefficient_sum, b);
	}
	return sum_value(&gaps) + weigh(sum_value(coefficient_sum), row->log1p_residual);
}

static void fill_grad(const struct row *row, const struct loss_tensor *grad, double value)
{
	for (size_t c = 0; c < row->classes; c++)
		tensor_put(grad, row_index(row, c), value);
}

static void write_smooth_grad(const struct coefficients *k, const struct sum *coefficient_sum,
			      size_t r)
{
	const struct row *row = k->row;
	const struct loss_tensor *grad = &k->plan->outputs[OUTPUT_GRAD];
	struct sum scale = plan_scale(k->plan, r);
	/* p A may be larger than each of the terms it stands for: it takes more than a double. */
	for (size_t c = 0; c < row->classes; c++) {
		double slope =
			product_less(row_prob_parts(row, c), *coefficient_sum, coefficient(k, c));
		tensor_put(grad, row_index(row, c), times(slope, scale));
	}
}

static void write_index_grad(const struct coefficients *k, size_t r)
{
	const struct row *row = k->row;
	const struct loss_plan *plan = k->plan;
	double factor = times(k->target_weight, plan_scale(plan, r));
	for (size_t c = 0; c < row->classes; c++) {
		double p = c == k->y ? 0.0 - row_other_probs(row, c) : row_prob(row, c);
		tensor_put(&plan->outputs[OUTPUT_GRAD], row_index(row, c), p * factor);
	}
}

/* Loss of a row that counts; writes its gradient where wanted. */
static double evaluate(const struct coefficients *k, size_t r)
{
	const struct loss_plan *plan = k->plan;
	const struct row *row = k->row;
	bool grad = plan->wanted[OUTPUT_GRAD];
	if (row->invalid) {
		if (grad)
			fill_grad(row, &plan->outputs[OUTPUT_GRAD], (double)NAN);
		return (double)NAN;
	}
	if (k->y != SIZE_MAX && !(k->smoothing > 0.0)) {
		if (grad)
			write_index_grad(k, r);
		return row_weighted_gap(row, k->y, k->target_weight) +
		       weigh(k->target_weight, row->log1p_residual);
	}
	struct sum coefficient_sum;
	double loss = weighted_loss(k, &coefficient_sum);
	if (grad)
		write_smooth_grad(k, &coefficient_sum, r);
	return loss;
}

static struct coefficients coefficients_of(const struct loss_plan *plan, const struct row *row,
					   size_t y)
{
	double smoothing = plan->args.label_smoothing;
	return (struct coefficients){
		.plan = plan,
		.row = row,
		.y = y,
		.smoothing = smoothing,
		.per_class = quotient(smoothing, (double)plan->classes, 0.0),
		.target_weight =
			y == SIZE_MAX ? 0.0 : (1.0 - smoothing) * plan_class_weight(plan, y),
	};
}

static void evaluate_row(const struct loss_plan *plan, size_t r, struct partial *partial)
{
	struct row row;
	size_t y = SIZE_MAX;
	bool counts = plan->target_kind == TARGETS_PROBABILITIES || plan_target(plan, r, &y);
	row_read(&row, plan, r);
	double loss = 0.0;
	if (counts) {
		struct coefficients k = coefficients_of(plan, &row, y);
		loss = evaluate(&k, r);
	} else if (plan->wanted[OUTPUT_GRAD]) {
		fill_grad(&row, &plan->outputs[OUTPUT_GRAD], 0.0);
	}
	bool correct = counts && !row.invalid && row.predicted == y;
	partial->correct += correct;
	sum_add(&partial->loss, loss);
	if (plan->wanted[OUTPUT_LOSS] && plan->reduction == REDUCTION_NONE)
		tensor_put(&plan->outputs[OUTPUT_LOSS], r, loss);
	if (plan->wanted[OUTPUT_CORRECT])
		((unsigned char *)plan->outputs[OUTPUT_CORRECT].data)[r] = correct;
	row_write_outputs(&row, plan, r);
}

void cross_entropy_rows(const struct loss_plan *plan, size_t first, size_t n,
			struct partial *partial)
{
	for (size_t r = first; r < first + n; r++)
		evaluate_row(plan, r, partial);
}
