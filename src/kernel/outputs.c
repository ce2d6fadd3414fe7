#include "outputs.h"

#include <string.h>

#include "operate.h"
#include "row.h"

/* The lanes' factor makes e the probability. */
static void set_shares(struct work *work)
{
	static const struct lane_sums ones = {.high = LANES_OF(1.0)};
	work_set_factors(work, &ones);
}

static void write_log_probs(struct rows *rows)
{
	struct work work;
	work_start(&work, rows, NULL);
	memcpy(work.lanes.term, rows->sums->log1p_residual, sizeof work.lanes.term);
	work_write(&work, WRITE_LOG_PROBS, &rows->plan->outputs[OUTPUT_LOG_PROBS], false);
}

/* The largest is 1 / (1 + R): never above 1, and 1 where no other class has any. */
static void write_probs(struct rows *rows)
{
	struct work work;
	work_start(&work, rows, NULL);
	set_shares(&work);
	for (size_t lane = 0; lane < LANES; lane++)
		work.lanes.term[lane] = 1.0 / (1.0 + rows->sums->residual[lane]);
	work_write(&work, WRITE_PROBS, &rows->plan->outputs[OUTPUT_PROBS], false);
}

static void write_entropies(struct rows *rows)
{
	struct work work;
	work_start(&work, rows, NULL);
	set_shares(&work);
	work_sum(&work, SUM_ENTROPY);
	for (size_t lane = 0; lane < rows->n; lane++) {
		struct sum sum = work_sum_of(&work, 0, lane);
		double rest = sum_value(&sum) * work.lanes.factor[lane];
		tensor_put(&rows->plan->outputs[OUTPUT_ENTROPY], rows->first + lane,
			   rows->sums->log1p_residual[lane] + rest);
	}
}

/* The first maximum. */
static void write_predicted(struct rows *rows)
{
	int64_t *out = rows->plan->outputs[OUTPUT_PREDICTED].data;
	struct work work;
	work_start(&work, rows, NULL);
	work_seek(&work, rows->sums->max);
	work_find(&work);
	for (size_t lane = 0; lane < rows->n; lane++)
		out[rows->first + lane] = work.lanes.count[lane];
}

static void write_lse(struct rows *rows)
{
	for (size_t lane = 0; lane < rows->n; lane++)
		tensor_put(&rows->plan->outputs[OUTPUT_LSE], rows->first + lane,
			   rows->sums->max[lane] + rows->sums->log1p_residual[lane]);
}

static const struct {
	enum output output;
	void (*write)(struct rows *rows);
} writers[] = {
	{OUTPUT_LOG_PROBS, write_log_probs},
	{OUTPUT_PROBS, write_probs},
	{OUTPUT_ENTROPY, write_entropies},
	{OUTPUT_PREDICTED, write_predicted},
	{OUTPUT_LSE, write_lse},
};

void outputs_write(struct rows *rows)
{
	bool any = false;
	for (size_t i = 0; i < sizeof writers / sizeof writers[0]; i++)
		if (rows->plan->wanted[writers[i].output]) {
			writers[i].write(rows);
			any = true;
		}
	for (unsigned left = any ? rows_irregular(rows) : 0; left != 0; left &= left - 1) {
		struct row row;
		row_read(&row, rows->plan, rows->first + (size_t)__builtin_ctz(left));
		row_write_outputs(&row, rows->plan, rows->first + (size_t)__builtin_ctz(left));
	}
}
