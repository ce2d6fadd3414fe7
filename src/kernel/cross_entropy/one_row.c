/* One row, in double or better: what is not for the vector kernels. */
#include "cross_entropy.h"
#include "verdict.h"

static bool has_probabilities(const struct coefficients *k)
{
	return k->y == SIZE_MAX;
}

struct coefficients ce_coefficients(const struct loss_plan *plan, const struct row *row, size_t y)
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
	for (size_t c = 0; c < row->classes; c++) {
		struct sum b = coefficient(k, c);
		sum_add(&gaps, row_weighted_gap(row, c, sum_value(&b)));
		sum_merge(coefficient_sum, &b);
	}
	return sum_value(&gaps) + row_weighted_tail(row, sum_value(coefficient_sum));
}

/* Class indices without smoothing. */
double ce_index_loss(const struct row *row, size_t y, double weight)
{
	return row_weighted_gap(row, y, weight) + row_weighted_tail(row, weight);
}

/* Where m and log1p(R) cancel, F64's loss needs digits of it that a double does not hold. */
static struct sum lse_of(const struct row *row)
{
	if (row->input->dtype != LOSS_F64)
		return row_lse(row);
	return plus(sum_from(row->max), log_parts((struct sum){row->total, row->total_low}));
}

/* z lse^2, NaN for an invalid row. */
double ce_z_loss(const struct loss_plan *plan, const struct row *row)
{
	if (row->invalid)
		return (double)NAN;
	struct sum lse = lse_of(row);
	/* In this order: lse^2 alone may overflow. */
	struct sum z_loss = product(product(sum_from(plan->args.z_loss), lse), lse);
	return sum_value(&z_loss);
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

void ce_fill_grad(const struct row *row, const struct loss_tensor *grad, double value)
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
		struct sum at = scale_at(row, c, scale);
		double slope = difference(product(row_prob_parts(row, c), *coefficient_sum),
					  coefficient(k, c));
		tensor_put(grad, row_index(row, c), add_z_grad(k, c, at, times(slope, at)));
	}
}

/* The gradient at class c of class indices without smoothing. */
double ce_index_grad(const struct coefficients *k, size_t c, struct sum scale)
{
	const struct row *row = k->row;
	double p = c == k->y ? 0.0 - row_other_probs(row, c) : row_prob(row, c);
	double factor = times(plan_class_weight(k->plan, k->y), scale);
	return add_z_grad(k, c, scale, p * factor);
}

static void write_index_grad(const struct coefficients *k, size_t r)
{
	const struct row *row = k->row;
	struct sum scale = plan_scale(k->plan, r);
	for (size_t c = 0; c < row->classes; c++)
		tensor_put(&k->plan->outputs[OUTPUT_GRAD], row_index(row, c),
			   ce_index_grad(k, c, scale_at(row, c, scale)));
}

/* Loss of a row that counts; writes its gradient where wanted. */
double ce_evaluate(const struct coefficients *k, size_t r)
{
	const struct loss_plan *plan = k->plan;
	const struct row *row = k->row;
	bool grad = plan->wanted[OUTPUT_GRAD];
	if (row->invalid) {
		if (grad)
			ce_fill_grad(row, &plan->outputs[OUTPUT_GRAD], (double)NAN);
		return (double)NAN;
	}
	if (!has_probabilities(k) && plan->args.label_smoothing == 0.0) {
		if (grad)
			write_index_grad(k, r);
		return ce_index_loss(row, k->y, plan_class_weight(plan, k->y));
	}
	struct sum coefficient_sum;
	double loss = weighted_loss(k, &coefficient_sum);
	if (grad)
		write_smooth_grad(k, &coefficient_sum, r);
	return loss;
}

/* Row r's z_loss: added up and written. */
void ce_note_z_loss(const struct loss_plan *plan, size_t r, double z_loss, struct partial *partial)
{
	sum_add(&partial->z_loss, z_loss);
	if (plan->wanted[OUTPUT_Z_LOSS] && plan->reduction == REDUCTION_NONE)
		tensor_put(&plan->outputs[OUTPUT_Z_LOSS], r, z_loss);
}

/* What is wanted of a row beside its loss and gradient; y is SIZE_MAX where it does not count. */
static void ce_write_row(const struct loss_plan *plan, const struct row *row, size_t r, size_t y,
			 struct partial *partial)
{
	if (plan->target_kind == TARGETS_INDICES && verdict_wanted(plan))
		verdict_row(plan, row, r, y, partial);
	row_write_outputs(row, plan, r);
}

/* One row, with everything that may be asked of it. */
void ce_evaluate_row(const struct loss_plan *plan, const struct row *row, size_t r,
		     struct partial *partial)
{
	size_t y = SIZE_MAX;
	bool counts = plan->target_kind == TARGETS_PROBABILITIES ? !plan_is_last(plan, r)
								 : plan_target(plan, r, &y);
	double loss = 0.0;
	double z_loss = 0.0;
	if (counts) {
		struct coefficients k = ce_coefficients(plan, row, y);
		loss = ce_evaluate(&k, r);
		z_loss = ce_z_loss(plan, row);
	} else if (plan->wanted[OUTPUT_GRAD]) {
		ce_fill_grad(row, &plan->outputs[OUTPUT_GRAD], 0.0);
	}
	plan_put_loss(plan, r, loss + z_loss, partial);
	ce_note_z_loss(plan, r, z_loss, partial);
	ce_write_row(plan, row, r, y, partial);
}
