/*
 * softmax and log_softmax: the outputs are row.h's. Their vector-Jacobian products, with g =
 * grad_output:
 *
 *   log_softmax: g_c - p_c sum_k g_k        softmax: p_c (g_c - sum_k g_k p_k)
 */
#include "../kernels.h"
#include "../row.h"

static double upstream(const struct loss_plan *plan, const struct row *row, size_t c)
{
	return tensor_number(&plan->tensors[LOSS_ROLE_GRAD_OUTPUT], row_index(row, c));
}

static void log_softmax_grad(const struct loss_plan *plan, const struct row *row)
{
	struct sum total = {0};
	for (size_t c = 0; c < row->classes; c++)
		sum_add(&total, upstream(plan, row, c));
	for (size_t c = 0; c < row->classes; c++)
		tensor_put(&plan->outputs[OUTPUT_GRAD], row_index(row, c),
			   difference(sum_from(upstream(plan, row, c)),
				      product(row_prob_parts(row, c), total)));
}

/* sum g_k p_k */
static struct sum mean_upstream(const struct loss_plan *plan, const struct row *row)
{
	struct sum mean = {0};
	for (size_t c = 0; c < row->classes; c++) {
		struct sum term = product(row_prob_parts(row, c), sum_from(upstream(plan, row, c)));
		sum_merge(&mean, &term);
	}
	return mean;
}

static void softmax_grad(const struct loss_plan *plan, const struct row *row)
{
	struct sum mean = mean_upstream(plan, row);
	for (size_t c = 0; c < row->classes; c++) {
		double lost;
		double above = two_sum(upstream(plan, row, c), -sum_value(&mean), &lost);
		struct sum gap = {above, lost - sum_rest(&mean)};
		struct sum grad = product(row_prob_parts(row, c), gap);
		tensor_put(&plan->outputs[OUTPUT_GRAD], row_index(row, c), sum_value(&grad));
	}
}

typedef void grad_fn(const struct loss_plan *plan, const struct row *row);

static void evaluate_rows(const struct loss_plan *plan, size_t first, size_t n, grad_fn *grad)
{
	for (size_t r = first; r < first + n; r++) {
		struct row row;
		row_read(&row, plan, r);
		if (plan->wanted[OUTPUT_GRAD])
			grad(plan, &row);
		row_write_outputs(&row, plan, r);
	}
}

void log_softmax_rows(const struct loss_plan *plan, size_t first, size_t n, struct partial *partial)
{
	(void)partial;
	evaluate_rows(plan, first, n, log_softmax_grad);
}

void softmax_rows(const struct loss_plan *plan, size_t first, size_t n, struct partial *partial)
{
	(void)partial;
	evaluate_rows(plan, first, n, softmax_grad);
}
