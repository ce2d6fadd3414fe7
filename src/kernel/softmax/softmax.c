/*
 * softmax and log_softmax: the outputs are row.h's. Their vector-Jacobian products, with g =
 * grad_output:
 *
 *   log_softmax: g_c - p_c sum_k g_k        softmax: p_c (g_c - sum_k g_k p_k)
 */
#include "../dense.h"
#include "../kernels.h"

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

/* ---------------------------------------------------------------- sixteen rows at a time */

/* The numbers of each lane, from sums over the rows; returns what writes the gradient with them. */
static dense_fn *prepare_log_softmax(struct dense_work *work)
{
	const struct vector_kernels *kernels = work->group->plan->kernels;
	dense_sum(work, kernels->gap_sums);
	for (size_t lane = 0; lane < GROUP_ROWS; lane++) {
		double all = work->lanes.sum[1][lane];
		work->on[lane] &= dense_takes(all);
		work->lanes.factor[lane] = 0.0 - all * dense_unit(work->group, lane);
		work->lanes.term[lane] = 1.0;
	}
	return kernels->combine;
}

/* p is e over the sum of all e, which are better than those that the row's sum is made of: what is
 * off in them counts several times where g_c and the mean cancel. */
static dense_fn *prepare_softmax(struct dense_work *work)
{
	const struct vector_kernels *kernels = work->group->plan->kernels;
	dense_sum(work, kernels->exp_sums);
	for (size_t lane = 0; lane < GROUP_ROWS; lane++) {
		double mean = work->lanes.sum[0][lane] / work->lanes.sum[1][lane];
		work->on[lane] &= dense_takes(mean);
		work->lanes.factor[lane] = 1.0 / work->lanes.sum[1][lane];
		work->lanes.term[lane] = 0.0 - mean;
	}
	return kernels->scale_gap;
}

/* One of the two losses: its gradient, of a row and of a group. */
struct family {
	void (*grad)(const struct loss_plan *plan, const struct row *row);
	dense_fn *(*prepare)(struct dense_work *work);
};

static const struct family log_softmax = {log_softmax_grad, prepare_log_softmax};
static const struct family softmax = {softmax_grad, prepare_softmax};

static void write_group_grad(const struct group *group, const struct family *family)
{
	const struct loss_plan *plan = group->plan;
	struct dense_operand operand = {.tensor = &plan->tensors[LOSS_ROLE_GRAD_OUTPUT],
					.scale = 1.0};
	struct dense_work work;
	dense_start(&work, group, &operand);
	dense_fn *write = family->prepare(&work);
	dense_write(&work, write, &plan->outputs[OUTPUT_GRAD]);
	for (size_t lane = 0; lane < group->n; lane++)
		if (!work.on[lane]) {
			struct row row;
			group_row(group, lane, &row);
			family->grad(plan, &row);
		}
}

static void evaluate_groups(const struct loss_plan *plan, size_t first, size_t n,
			    const struct family *family)
{
	for (size_t done = 0; done < n; done += GROUP_ROWS) {
		struct group group;
		group_read(&group, plan, first + done,
			   n - done < GROUP_ROWS ? n - done : GROUP_ROWS);
		if (plan->wanted[OUTPUT_GRAD])
			write_group_grad(&group, family);
		dense_write_outputs(&group);
	}
}

static void evaluate_rows(const struct loss_plan *plan, size_t first, size_t n,
			  const struct family *family)
{
	if (group_takes(plan)) {
		evaluate_groups(plan, first, n, family);
		return;
	}
	for (size_t r = first; r < first + n; r++) {
		struct row row;
		row_read(&row, plan, r);
		if (plan->wanted[OUTPUT_GRAD])
			family->grad(plan, &row);
		row_write_outputs(&row, plan, r);
	}
}

void log_softmax_rows(const struct loss_plan *plan, size_t first, size_t n, struct partial *partial)
{
	(void)partial;
	evaluate_rows(plan, first, n, &log_softmax);
}

void softmax_rows(const struct loss_plan *plan, size_t first, size_t n, struct partial *partial)
{
	(void)partial;
	evaluate_rows(plan, first, n, &softmax);
}
