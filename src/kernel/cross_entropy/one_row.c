/*
 * One row in double or better: what the vector kernels leave. These are rows that hold NaN,
 * infinities that are no excluded classes, or logits beyond VECTOR_LARGEST; of F64, those of a
 * residual below 2^-900; and gradients whose factor is too far from 1 (work_takes, work_scales) or
 * whose slopes may be large (steep, transform.h), and focal rows of a gamma beyond 16.
 */
#include "one_row.h"

#include "focal.h"
#include "forms.h"

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
	size_t next = k->plan->shift_rows ? k->row->classes : 0;
	double t = has_probabilities(k) ? tensor_number(targets, row_index(k->row, c) + next)
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
	for (size_t c = 0; row_has(row, c); c++) {
		struct sum b = coefficient(k, c);
		sum_add(&gaps, row_weighted_gap(row, c, sum_value(&b)));
		sum_merge(coefficient_sum, &b);
	}
	return sum_value(&gaps) + row_weighted_tail(row, sum_value(coefficient_sum));
}

/* The focal form of a row of finite maximum. A residual that is subnormal is 0 beside 1. */
static struct focal_row focal_of(const struct coefficients *k)
{
	const struct row *row = k->row;
	struct sum gap;
	gap.high = two_sum(row_logit(row, k->y), -row->max, &gap.low);
	if (gap.low != gap.low)
		gap.low = 0.0; /* of an infinite one */
	return ce_focal_row(gap, row->residual, k->plan->args.gamma);
}

/* Class indices without smoothing. */
static double index_loss(const struct coefficients *k, double weight)
{
	const struct row *row = k->row;
	size_t y = k->y;
	if (ce_is_focal(k->plan)) {
		struct focal_row focal = focal_of(k);
		struct sum loss = weigh_parts(sum_from(weight), focal.loss);
		return sum_value(&loss);
	}
	return row_weighted_gap(row, y, weight) + row_weighted_tail(row, weight);
}

struct sum ce_exact_lse(double max, struct sum total)
{
	return plus(sum_from(max), log_parts(total));
}

double ce_z_loss(const struct loss_plan *plan, struct sum lse)
{
	/* In this order: lse^2 alone may overflow. */
	struct sum z_loss = product(product(sum_from(plan->args.z_loss), lse), lse);
	return sum_value(&z_loss);
}

/* Where m and log1p(R) cancel, F64's loss needs digits of it that a double does not hold. NaN for
 * an invalid row. */
static double z_loss_of(const struct loss_plan *plan, const struct row *row)
{
	if (row->invalid)
		return (double)NAN;
	if (row->input->dtype != LOSS_F64)
		return ce_z_loss(plan, row_lse(row));
	return ce_z_loss(plan, ce_exact_lse(row->max, (struct sum){row->total, row->total_low}));
}

/* What the slope with respect to u_c is multiplied by: scale du_c/dx_c. */
static struct sum scale_at(const struct row *row, size_t c, struct sum scale)
{
	if (!row->transform)
		return scale;
	return product(scale, transform_slope(row->transform, row_given_logit(row, c)));
}

/* grad + 2 z lse p_c scale: what z_loss adds to a gradient. */
static double add_z_grad(const struct coefficients *k, size_t c, struct sum scale, double grad)
{
	double z = k->plan->args.z_loss;
	struct sum p = z > 0.0 ? row_prob_parts(k->row, c) : (struct sum){0};
	if (p.high == 0.0)
		return grad;
	/* In this order: 2 lse alone may overflow. */
	struct sum term = product(product(product(p, sum_from(z)), scale), row_lse(k->row));
	return grad + 2.0 * sum_value(&term);
}

static void fill_grad(const struct row *row, const struct loss_tensor *grad, double value)
{
	for (size_t c = 0; row_has(row, c); c++)
		tensor_put(grad, row_index(row, c), value);
}

static void write_smooth_grad(const struct coefficients *k, const struct sum *coefficient_sum,
			      size_t r)
{
	const struct row *row = k->row;
	const struct loss_tensor *grad = &k->plan->outputs[OUTPUT_GRAD];
	struct sum scale = plan_scale(k->plan, r);
	/* p A may be larger than each of the terms it stands for: it takes more than a double. */
	for (size_t c = 0; row_has(row, c); c++) {
		struct sum at = scale_at(row, c, scale);
		double slope = difference(product(row_prob_parts(row, c), *coefficient_sum),
					  coefficient(k, c));
		tensor_put(grad, row_index(row, c), add_z_grad(k, c, at, times(slope, at)));
	}
}

/* The gradient at class c of class indices without smoothing. */
static double index_grad(const struct coefficients *k, size_t c, struct sum own, struct sum scale)
{
	const struct row *row = k->row;
	double p = c == k->y ? 0.0 - row_other_probs(row, c) : row_prob(row, c);
	return add_z_grad(k, c, scale, p * sum_value(&own));
}

static void write_index_grad(const struct coefficients *k, size_t r, struct sum factor)
{
	const struct row *row = k->row;
	struct sum scale = plan_scale(k->plan, r);
	for (size_t c = 0; row_has(row, c); c++) {
		struct sum at = scale_at(row, c, scale);
		double grad = index_grad(k, c, sum_from(times(factor.high, at)), at);
		tensor_put(&k->plan->outputs[OUTPUT_GRAD], row_index(row, c), grad);
	}
}

/* What p_c - e_y is multiplied by. */
static struct sum index_factor(const struct coefficients *k)
{
	struct sum factor = sum_from(plan_class_weight(k->plan, k->y));
	return ce_is_focal(k->plan) ? weigh_parts(factor, focal_of(k).factor) : factor;
}

void ce_write_row_grad(const struct loss_plan *plan, const struct row *row, size_t r, size_t y,
		       struct sum factor)
{
	struct coefficients k = coefficients_of(plan, row, y);
	if (row->invalid)
		fill_grad(row, &plan->outputs[OUTPUT_GRAD], (double)NAN);
	else
		write_index_grad(&k, r, factor);
}

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
		if (grad)
			write_index_grad(k, r, index_factor(k));
		return index_loss(k, plan_class_weight(plan, k->y));
	}
	struct sum coefficient_sum;
	double loss = weighted_loss(k, &coefficient_sum);
	if (grad)
		write_smooth_grad(k, &coefficient_sum, r);
	return loss;
}

double ce_evaluate_row(const struct loss_plan *plan, size_t r, size_t y, double *z_loss)
{
	struct row row;
	row_read(&row, plan, r);
	struct coefficients k = coefficients_of(plan, &row, y);
	*z_loss = z_loss_of(plan, &row);
	return evaluate(&k, r);
}

void ce_clear_grad(const struct loss_plan *plan, size_t r)
{
	size_t base = plan_row_base(plan, r);
	for (size_t c = 0; plan_has_class(plan, c); c++)
		tensor_put(&plan->outputs[OUTPUT_GRAD], base + c * plan->inner, 0.0);
}
