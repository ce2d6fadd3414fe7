/*
 * softmax and log_softmax: the outputs are outputs.h's. Their vector-Jacobian products, with g =
 * grad_output:
 *
 *   log_softmax: g_c - p_c sum_k g_k        softmax: p_c (g_c - sum_k g_k p_k)
 */
#include "../elementary.h"
#include "../kernels.h"
#include "../operate.h"
#include "../outputs.h"
#include "../row.h"

/* ---------------------------------------------------------------- a row that the kernels leave */

static double upstream(const struct loss_plan *plan, const struct row *row, size_t c)
{
	return tensor_number(&plan->tensors[LOSS_ROLE_GRAD_OUTPUT], row_index(row, c));
}

static void log_softmax_grad(const struct loss_plan *plan, const struct row *row)
{
	struct sum total = {0};
	for (size_t c = 0; row_has(row, c); c++)
		sum_add(&total, upstream(plan, row, c));
	for (size_t c = 0; row_has(row, c); c++)
		tensor_put(&plan->outputs[OUTPUT_GRAD], row_index(row, c),
			   difference(sum_from(upstream(plan, row, c)),
				      product(row_prob_parts(row, c), total)));
}

/* sum g_k p_k */
static struct sum mean_upstream(const struct loss_plan *plan, const struct row *row)
{
	struct sum mean = {0};
	for (size_t c = 0; row_has(row, c); c++) {
		struct sum term = product(row_prob_parts(row, c), sum_from(upstream(plan, row, c)));
		sum_merge(&mean, &term);
	}
	return mean;
}

static void softmax_grad(const struct loss_plan *plan, const struct row *row)
{
	struct sum mean = mean_upstream(plan, row);
	for (size_t c = 0; row_has(row, c); c++) {
		double lost;
		double above = two_sum(upstream(plan, row, c), -sum_value(&mean), &lost);
		struct sum gap = {above, lost - sum_rest(&mean)};
		struct sum grad = product(row_prob_parts(row, c), gap);
		tensor_put(&plan->outputs[OUTPUT_GRAD], row_index(row, c), sum_value(&grad));
	}
}

/* ---------------------------------------------------------------- sixteen rows at a time */

/* A bit for every lane whose number the operations do not take. */
static unsigned too_large(const struct rows *rows, const double *numbers)
{
	unsigned left = 0;
	for (size_t lane = 0; lane < LANES; lane++)
		left |= (unsigned)!work_takes(numbers[lane]) << lane;
	return left & ((1u << rows->n) - 1);
}

/* The numbers of each lane, from sums over the rows; a bit for every lane that is left. */
static unsigned prepare_log_softmax(struct work *work)
{
	struct lane_sums total;
	work_sum(work, SUM_B);
	for (size_t lane = 0; lane < LANES; lane++) {
		total.high[lane] = -work->lanes.sum[0][lane];
		total.low[lane] = -work->lanes.lost[0][lane];
		work->lanes.term[lane] = 1.0;
	}
	work_set_factors(work, &total);
	return too_large(work->rows, total.high);
}

/* p is e over the sum of all e, which are better than those that the row's sum is made of: what is
 * off in them counts several times where g_c and the mean cancel. */
static unsigned prepare_softmax(struct work *work)
{
	work_sum(work, SUM_EXP);
	work->rows->numbers->center(&work->lanes);
	return too_large(work->rows, work->lanes.term);
}

/* One of the two losses: its gradient, of sixteen rows and of a row that they leave. */
struct family {
	unsigned (*prepare)(struct work *work);
	enum operation write;
	void (*grad)(const struct loss_plan *plan, const struct row *row);
};

static const struct family log_softmax = {prepare_log_softmax, WRITE_COMBINED, log_softmax_grad};
static const struct family softmax = {prepare_softmax, WRITE_GAPS, softmax_grad};

static void write_grad(struct rows *rows, const struct family *family)
{
	const struct loss_plan *plan = rows->plan;
	struct operand operand = {.tensor = &plan->tensors[LOSS_ROLE_GRAD_OUTPUT], .scale = 1.0};
	struct work work;
	work_start(&work, rows, &operand);
	unsigned left = rows_irregular(rows) | family->prepare(&work);
	work_write(&work, family->write, &plan->outputs[OUTPUT_GRAD], false);
	for (; left != 0; left &= left - 1) {
		struct row row;
		row_read(&row, plan, rows->first + (size_t)__builtin_ctz(left));
		family->grad(plan, &row);
	}
}

static void evaluate(struct rows *rows, void *family)
{
	if (rows->plan->wanted[OUTPUT_GRAD])
		write_grad(rows, family);
	outputs_write(rows);
}

void log_softmax_rows(const struct loss_plan *plan, size_t first, size_t n, struct partial *partial)
{
	struct family family = log_softmax;
	(void)partial;
	rows_read_to_operate(plan, first, n, evaluate, &family);
}

void softmax_rows(const struct loss_plan *plan, size_t first, size_t n, struct partial *partial)
{
	struct family family = softmax;
	(void)partial;
	rows_read_to_operate(plan, first, n, evaluate, &family);
}
