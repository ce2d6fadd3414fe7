/*
 * cross_entropy, in double or better throughout, rounded once. With e = label smoothing, w = class
 * weights, y = the target and t = the target probabilities, of which class indices have only t_y =
 * 1:
 *
 *   t' = (1-e) t + e/C,  b = w t',  A = sum_c b_c
 *   loss = sum_c b_c nll_c,  grad_c = p_c A - b_c
 *
 * nll_c = (m - x_c) + log1p(R) (row.h), so the loss is sum_c b_c (m - x_c) + A log1p(R): two sums
 * of terms that are not negative for non-negative weights. Without smoothing the gradient at an
 * index is -w_y (1 - p_y), of which 1 - p_y comes from the residual. Meaning:
 * torch.nn.functional.cross_entropy.
 */
#include "../kernels.h"
#include "../row.h"

/* What the coefficients b_c of a row are made of. */
struct coefficients {
	const struct loss_plan *plan;
	const struct row *row;
	size_t y;             /* class indices: the target; SIZE_MAX for probabilities */
	struct sum kept;      /* 1 - e */
	struct sum per_class; /* e / C */
};

static bool has_probabilities(const struct coefficients *k)
{
	return k->y == SIZE_MAX;
}

static struct coefficients coefficients_of(const struct loss_plan *plan, const struct row *row,
					   size_t y)
{
	double smoothing = plan->args.label_smoothing;
	struct coefficients k = {.plan = plan, .row = row, .y = y};
	k.kept.high = two_sum(1.0, -smoothing, &k.kept.low);
	k.per_class = quotient(smoothing, (double)plan->classes, 0.0);
	return k;
}

static struct sum coefficient(const struct coefficients *k, size_t c)
{
	const struct loss_tensor *targets = &k->plan->tensors[LOSS_ROLE_TARGETS];
	double t = has_probabilities(k) ? tensor_number(targets, row_index(k->row, c))
					: (double)(c == k->y);
	struct sum smoothed = product(k->kept, sum_from(t));
	sum_merge(&smoothed, &k->per_class);
	return product(smoothed, sum_from(plan_class_weight(k->plan, c)));
}

/* sum_c b_c nll_c, and A. */
static double weighted_loss(const struct coefficients *k, struct sum *coefficient_sum)
{
	const struct row *row = k->row;
	struct sum gaps = {0};
	*coefficient_sum = (struct sum){0};
	for (size_t c = 0; c < row->classes; c++) {
		struct sum b = coefficient(k, c);
		sum_add(&gaps, row_weighted_gap(row, c, sum_value(&b)));
		sum_merge(coefficient_sum, &b);
	}
	return sum_value(&gaps) + row_weighted_tail(row, sum_value(coefficient_sum));
}

static void fill_grad(const struct row *row, const struct loss_tensor *grad, double value)
{
	for (size_t c = 0; c < row->classes; c++)
		tensor_put(grad, row_index(row, c), value);
}

static void write_grad(const struct coefficients *k, const struct sum *coefficient_sum, size_t r)
{
	const struct row *row = k->row;
	const struct loss_tensor *grad = &k->plan->outputs[OUTPUT_GRAD];
	struct sum scale = plan_scale(k->plan, r);
	/* p A may be larger than each of the terms it stands for: it takes more than a double. */
	for (size_t c = 0; c < row->classes; c++) {
		double slope = difference(product(row_prob_parts(row, c), *coefficient_sum),
					  coefficient(k, c));
		tensor_put(grad, row_index(row, c), times(slope, scale));
	}
}

static void write_index_grad(const struct coefficients *k, size_t r)
{
	const struct row *row = k->row;
	const struct loss_plan *plan = k->plan;
	double factor = times(plan_class_weight(plan, k->y), plan_scale(plan, r));
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
	if (!has_probabilities(k) && plan->args.label_smoothing == 0.0) {
		double weight = plan_class_weight(plan, k->y);
		if (grad)
			write_index_grad(k, r);
		return row_weighted_gap(row, k->y, weight) + row_weighted_tail(row, weight);
	}
	struct sum coefficient_sum;
	double loss = weighted_loss(k, &coefficient_sum);
	if (grad)
		write_grad(k, &coefficient_sum, r);
	return loss;
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
	plan_put_loss(plan, r, loss, partial);
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
