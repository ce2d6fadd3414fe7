/* Running a plan: row blocks in any order, from any number of threads, then one reduction in block
 * order. */
#include <math.h>
#include <string.h>

#include "plan.h"

void loss_plan_run_blocks(struct loss_plan *plan, size_t first, size_t n)
{
	for (size_t block = first; block < first + n; block++) {
		size_t row = block * plan->block_rows;
		size_t rows =
			plan->rows - row < plan->block_rows ? plan->rows - row : plan->block_rows;
		plan->partials[block] = (struct partial){0};
		plan->row->rows(plan, row, rows, &plan->partials[block]);
	}
}

static bool cancelled(const atomic_bool *cancel)
{
	return cancel && atomic_load_explicit(cancel, memory_order_relaxed);
}

loss_status loss_plan_run(struct loss_plan *plan, int threads, const atomic_bool *cancel,
			  struct loss_error *err)
{
	size_t n_blocks = plan->n_blocks;
	if (threads <= 1 || n_blocks <= 1) {
		for (size_t block = 0; block < n_blocks && !cancelled(cancel); block++)
			loss_plan_run_blocks(plan, block, 1);
	} else {
#pragma omp parallel for schedule(dynamic) num_threads(threads)
		for (size_t block = 0; block < n_blocks; block++)
			if (!cancelled(cancel))
				loss_plan_run_blocks(plan, block, 1);
	}
	if (cancelled(cancel))
		return loss_fail(err, LOSS_DEADLINE_EXCEEDED, NULL,
				 "the deadline passed before all rows were evaluated");
	return LOSS_OK;
}

/* The total of the rows' losses, and how many are correct. */
static struct partial reduce(const struct loss_plan *plan)
{
	struct partial total = {0};
	for (size_t block = 0; block < plan->n_blocks; block++) {
		sum_merge(&total.loss, &plan->partials[block].loss);
		total.correct += plan->partials[block].correct;
	}
	return total;
}

/* The mean is rounded once, from all that the sum and the divisor hold. */
static double reduced_loss(const struct loss_plan *plan, const struct sum *loss)
{
	double loss_sum = sum_value(loss);
	if (plan->reduction == REDUCTION_SUM)
		return loss_sum;
	if (plan->args.empty_mean == EMPTY_MEAN_ZERO && plan->counted == 0)
		return 0.0;
	struct sum mean = quotient(loss_sum, plan->divisor, plan->divisor_low);
	double rounded = mean.high + (mean.low + sum_rest(loss) / plan->divisor);
	return rounded == rounded ? rounded : mean.high;
}

void loss_plan_finish(struct loss_plan *plan, struct loss_result *result)
{
	struct partial total = reduce(plan);
	double loss_sum = sum_value(&total.loss);
	if (plan->wanted[OUTPUT_LOSS] && plan->reduction != REDUCTION_NONE)
		tensor_put(&plan->outputs[OUTPUT_LOSS], 0, reduced_loss(plan, &total.loss));
	if (plan->wanted[OUTPUT_ACCURACY])
		tensor_put(&plan->outputs[OUTPUT_ACCURACY], 0,
			   plan->counted ? (double)total.correct / (double)plan->counted
					 : (double)NAN);
	*result = (struct loss_result){
		.n_outputs = plan->n_outputs,
		.has_totals = !plan->row->output_per_class,
		.totals = {loss_sum, plan->denominator, plan->rows, plan->counted, plan->ignored},
		.n_warnings = plan->n_warnings,
	};
	for (size_t i = 0; i < plan->n_outputs; i++) {
		enum output output = plan->requested[i];
		result->outputs[i].name = output_name(output);
		result->outputs[i].tensor = plan->outputs[output];
	}
	memcpy(result->warnings, plan->warnings, sizeof plan->warnings);
}

loss_status loss_evaluate(struct loss_problem *problem, struct loss_arena *arena, int threads,
			  const atomic_bool *cancel, struct loss_result *result,
			  struct loss_error *err)
{
	struct loss_plan *plan;
	TRY(loss_plan_create(problem, arena, &plan, err));
	TRY(loss_plan_run(plan, threads, cancel, err));
	loss_plan_finish(plan, result);
	return LOSS_OK;
}
