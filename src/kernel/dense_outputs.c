/* The outputs that do not look at targets, of a group. */
#include <string.h>

#include "dense.h"

static void write_log_probs(const struct group *group)
{
	const struct loss_plan *plan = group->plan;
	struct dense_work work;
	dense_start(&work, group, NULL);
	memcpy(work.lanes.term, group->sums.log1p_residual, sizeof work.lanes.term);
	dense_write(&work, plan->kernels->log_probs, &plan->outputs[OUTPUT_LOG_PROBS]);
}

static void write_probs(const struct group *group)
{
	double factor[GROUP_ROWS];
	for (size_t lane = 0; lane < GROUP_ROWS; lane++)
		factor[lane] = 1.0 / (1.0 + group->sums.residual[lane]);
	group_scale(group, factor, &group->plan->outputs[OUTPUT_PROBS]);
}

static void write_entropies(const struct group *group)
{
	const struct loss_plan *plan = group->plan;
	const struct row_group *sums = &group->sums;
	struct dense_work work;
	dense_start(&work, group, NULL);
	dense_sum(&work, plan->kernels->entropy_sum);
	for (size_t lane = 0; lane < group->n; lane++)
		tensor_put(&plan->outputs[OUTPUT_ENTROPY], group->first + lane,
			   sums->log1p_residual[lane] +
				   work.lanes.sum[0][lane] * dense_unit(group, lane));
}

static void write_predicted(const struct group *group)
{
	size_t predicted[GROUP_ROWS];
	int64_t *out = group->plan->outputs[OUTPUT_PREDICTED].data;
	dense_predicted(group, predicted);
	for (size_t lane = 0; lane < group->n; lane++)
		out[group->first + lane] = (int64_t)predicted[lane];
}

static void write_lse(const struct group *group)
{
	const struct row_group *sums = &group->sums;
	for (size_t lane = 0; lane < group->n; lane++)
		tensor_put(&group->plan->outputs[OUTPUT_LSE], group->first + lane,
			   (double)sums->max[lane] + sums->log1p_residual[lane]);
}

static const struct {
	enum output output;
	void (*write)(const struct group *group);
} writers[] = {
	{OUTPUT_LOG_PROBS, write_log_probs},
	{OUTPUT_PROBS, write_probs},
	{OUTPUT_ENTROPY, write_entropies},
	{OUTPUT_PREDICTED, write_predicted},
	{OUTPUT_LSE, write_lse},
};

void dense_write_outputs(const struct group *group)
{
	bool any = false;
	for (size_t i = 0; i < sizeof writers / sizeof writers[0]; i++)
		if (group->plan->wanted[writers[i].output]) {
			writers[i].write(group);
			any = true;
		}
	for (size_t lane = 0; any && lane < group->n; lane++)
		if (!row_group_regular(&group->sums, lane)) {
			struct row row;
			group_row(group, lane, &row);
			row_write_outputs(&row, group->plan, group->first + lane);
		}
}
