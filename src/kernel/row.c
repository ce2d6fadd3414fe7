#include "row.h"

/* The maximum and its first place; the first NaN is both where there is one. */
static void find_max(struct row *row)
{
	row->predicted = 0;
	row->max = row_logit(row, 0);
	for (size_t c = 1; row_has(row, c) && row->max == row->max; c++) {
		double x = row_logit(row, c);
		if (x > row->max || x != x) {
			row->max = x;
			row->predicted = c;
		}
	}
	row->invalid = !(row->max > -HUGE_VAL && row->max < HUGE_VAL);
}

/*
 * Summed 2^256 times too large, and scaled once: the terms of a very confident row are subnormal,
 * and each would be rounded as such.
 */
static void sum_residual(struct row *row)
{
	struct sum sum = {0};
	for (size_t c = 0; row_has(row, c); c++) {
		if (c == row->predicted)
			continue;
		double low;
		sum_add(&sum, row_exp(row, c, 256, &low));
		sum.low += low;
	}
	row->scaled_residual = sum_value(&sum);
	row->residual = (struct sum){row->scaled_residual * 0x1p-256, sum_rest(&sum) * 0x1p-256};
}

void row_read(struct row *row, const struct loss_plan *plan, size_t r)
{
	row_read_from(row, plan, &plan->tensors[LOSS_ROLE_INPUT],
		      plan->transform.on ? &plan->transform : NULL, r);
}

void row_read_from(struct row *row, const struct loss_plan *plan, const struct loss_tensor *tensor,
		   const struct logits_transform *transform, size_t r)
{
	row->plan = plan;
	row->input = tensor;
	row->transform = transform;
	row->base = plan_row_base(plan, r);
	row->stride = plan->inner;
	row->classes = plan->classes;
	find_max(row);
	if (row->invalid) {
		row->log1p_residual = row->total = (double)NAN;
		return;
	}
	sum_residual(row);
	row->log1p_residual = log1p_parts(row->residual.high, row->residual.low);
	row->total = two_sum(1.0, row->residual.high, &row->total_low);
	row->total_low += row->residual.low;
}

double row_other_probs(const struct row *row, size_t c)
{
	if (row_logit(row, c) == row->max)
		return sum_value(&row->residual) /
		       row->total; /* any of equal maxima may be the one left out */
	double low;
	double e = row_exp(row, c, 0, &low);
	struct sum others = row->residual;
	sum_add(&others, -e);
	others.low -= low;
	sum_add(&others, 1.0);
	return sum_value(&others) / row->total;
}

/*
 * With g_c = m - x_c it is log1p(R) + sum g_c exp(-g_c) / (1 + R): terms that are never negative.
 * Summed 2^256 times too large, as the residual is.
 */
double row_entropy(const struct row *row)
{
	if (row->invalid)
		return (double)NAN;
	struct sum sum = {0};
	for (size_t c = 0; row_has(row, c); c++) {
		double low;
		double e = row_exp(row, c, 256, &low);
		if (e > 0.0)
			sum_add(&sum, e * (row->max - row_logit(row, c)));
	}
	return row->log1p_residual + sum_value(&sum) / row->total * 0x1p-256;
}

size_t row_rank(const struct row *row, size_t y)
{
	double x = row_logit(row, y);
	size_t before = 0;
	for (size_t c = 0; row_has(row, c); c++) {
		double other = row_logit(row, c);
		before += (other > x) | ((other == x) & (c < y));
	}
	return before;
}

static void write_dense(const struct row *row, const struct loss_plan *plan)
{
	for (size_t c = 0; row_has(row, c); c++) {
		size_t i = row_index(row, c);
		if (plan->wanted[OUTPUT_LOG_PROBS])
			tensor_put(&plan->outputs[OUTPUT_LOG_PROBS], i, 0.0 - row_nll(row, c));
		if (plan->wanted[OUTPUT_PROBS])
			tensor_put(&plan->outputs[OUTPUT_PROBS], i, row_prob(row, c));
	}
}

void row_write_outputs(const struct row *row, const struct loss_plan *plan, size_t r)
{
	if (plan->wanted[OUTPUT_LSE])
		tensor_put(&plan->outputs[OUTPUT_LSE], r, row->max + row->log1p_residual);
	if (plan->wanted[OUTPUT_ENTROPY])
		tensor_put(&plan->outputs[OUTPUT_ENTROPY], r, row_entropy(row));
	if (plan->wanted[OUTPUT_PREDICTED])
		((int64_t *)plan->outputs[OUTPUT_PREDICTED].data)[r] = (int64_t)row->predicted;
	if (plan->wanted[OUTPUT_LOG_PROBS] || plan->wanted[OUTPUT_PROBS])
		write_dense(row, plan);
}
