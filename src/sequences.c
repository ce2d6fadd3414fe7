#include "sequences.h"

#include <string.h>

#include "exact_sum.h"
#include "means.h"
#include "status.h"
#include "targets.h"
#include "team.h"

/* ---------------------------------------------------------------- what they weigh */

/* Rows come in order, and so one sequence after the other. */
struct weighing {
	struct sequence *all;
	size_t current;
	struct exact_sum sum; /* of the current one */
};

static void close(struct weighing *weighing)
{
	weighing->all[weighing->current].weights = exact_sum_parts(&weighing->sum);
	exact_sum_clear(&weighing->sum);
}

static bool weigh_row(const struct loss_plan *plan, size_t r, void *context)
{
	struct weighing *weighing = context;
	size_t s = plan_sequence(plan, r);
	if (s != weighing->current) {
		close(weighing);
		weighing->current = s;
	}
	weighing->all[s].counted++;
	exact_sum_add(&weighing->sum, plan_row_weight(plan, r));
	return true;
}

loss_status sequences_make(struct loss_plan *plan, struct loss_arena *arena, struct loss_error *err)
{
	struct sequence_list *list = &plan->sequences;
	struct weighing weighing = {.current = 0};
	size_t counted = 0;
	if (plan->reduction != REDUCTION_SEQUENCE_MEAN)
		return LOSS_OK;
	list->all = weighing.all = loss_arena_array(arena, struct sequence, list->n);
	if (!list->all)
		return loss_arena_failure(arena, err);
	memset(list->all, 0, list->n * sizeof *list->all);
	exact_sum_clear(&weighing.sum);
	targets_visit(plan, weigh_row, &weighing);
	if (list->n > 0)
		close(&weighing);
	for (size_t s = 0; s < list->n; s++)
		counted += list->all[s].counted > 0;
	plan->denominator = (double)counted;
	plan->divisor_low = 0.0;
	plan->weighed = false;
	return LOSS_OK;
}

/* ---------------------------------------------------------------- what they come to */

static double mean_of_rows(const struct loss_plan *plan, size_t s)
{
	const struct sequence *sequence = &plan->sequences.all[s];
	const double *losses = plan->row_losses + s * plan->sequences.rows;
	struct exact_sum sum;
	exact_sum_clear(&sum);
	for (size_t i = 0; i < plan->sequences.rows; i++)
		exact_sum_add(&sum, losses[i]);
	if (sequence->weights.high == 0.0)
		return (double)NAN;
	return mean_of(exact_sum_parts(&sum), sequence->weights);
}

/* Rows that a thread takes at a time, in whole sequences. */
#define ROWS_TOGETHER ((size_t)4096)

static size_t taken_together(const struct sequence_list *list)
{
	return list->rows >= ROWS_TOGETHER ? 1 : ROWS_TOGETHER / (list->rows + 1) + 1;
}

static void put_some(void *context, size_t i)
{
	const struct loss_plan *plan = context;
	const struct sequence_list *list = &plan->sequences;
	size_t n = taken_together(list), s = i * n, end = list->n - s < n ? list->n : s + n;
	for (; s < end && !plan_is_cancelled(plan); s++)
		if (list->all[s].counted > 0)
			list->all[s].mean = mean_of_rows(plan, s);
}

void sequences_finish(struct loss_plan *plan, int threads)
{
	struct sequence_list *list = &plan->sequences;
	size_t n = taken_together(list), items = list->n / n + (list->n % n != 0);
	if (list->finished)
		return;
	list->finished = true;
	team_share(items > 1 ? threads : 1, items, put_some, plan);
}

void sequences_sum(struct loss_plan *plan, struct exact_feed *loss)
{
	const struct sequence_list *list = &plan->sequences;
	sequences_finish(plan, 1);
	exact_feed_clear(loss);
	for (size_t s = 0; s < list->n; s++)
		if (list->all[s].counted > 0)
			exact_feed_add(loss, plan->kernels, list->all[s].mean);
}
