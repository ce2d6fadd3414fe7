#include "prediction.h"

#include <string.h>

#include "../calibration.h"
#include "operate.h"

/* What there is to say of sixteen rows, where it is wanted. */
struct predictions {
	unsigned counted; /* bit l: lane l counts */
	unsigned valid;   /* it holds no NaN, and something else than -infinity */
	unsigned correct;
	int64_t rank[LANES];
	double nll[LANES];     /* -log p_y */
	double largest[LANES]; /* the largest probability */
};

/* The row's largest probability. Where that comes from a vector kernel and is close to a bin's end,
 * only the row in double says on which side it is. */
static double confidence_of(const struct loss_plan *plan, size_t r, double p)
{
	const double bins = (double)plan->args.ece_bins;
	double scaled = p * bins;
	bool close = fabs(scaled - rint(scaled)) < 1e-5 * (bins / 15.0) && scaled < bins - 0.5;
	if (!close)
		return p;
	struct row exact;
	row_read(&exact, plan, r);
	return quotient(1.0, exact.total, exact.total_low).high;
}

/* A row with NaN is in no bin, and makes the whole error NaN. */
static void calibrate(const struct rows *rows, const struct predictions *all, size_t lane,
		      struct partial *partial)
{
	double confidence = (double)NAN;
	size_t bin = 0;
	if (all->valid >> lane & 1) {
		confidence = confidence_of(rows->plan, rows->first + lane, all->largest[lane]);
		bin = calibration_bin_of(confidence, (size_t)rows->plan->args.ece_bins);
	}
	calibration_add(partial, bin, confidence, all->correct >> lane & 1);
}

static bool needs_ranks(const struct loss_plan *plan)
{
	return plan->wanted[OUTPUT_RANK] || plan->wanted[OUTPUT_TOPK_ACCURACY];
}

/* Of a lane that the vector kernels leave. */
static void predict_irregular(const struct rows *rows, size_t lane, struct predictions *all)
{
	struct row row;
	size_t y = (size_t)rows->targets.y[lane];
	row_read(&row, rows->plan, rows->first + lane);
	bool correct = !row.invalid && row.predicted == y;
	all->valid &= ~((unsigned)row.invalid << lane);
	all->correct = (all->correct & ~(1u << lane)) | (unsigned)correct << lane;
	all->nll[lane] = row.invalid ? (double)NAN : row_nll(&row, y);
	all->largest[lane] = 1.0 / row.total;
	all->rank[lane] = -1;
	if (!row.invalid && needs_ranks(rows->plan))
		all->rank[lane] = (int64_t)row_rank(&row, y);
}

/* Of all lanes as if they were regular. */
static void predict_regular(const struct rows *rows, struct predictions *all)
{
	const struct row_sums *sums = rows->sums;
	for (size_t lane = 0; rows->plan->scores && lane < LANES; lane++)
		all->nll[lane] =
			(sums->max[lane] - rows->targets.logit[lane]) + sums->log1p_residual[lane];
	for (size_t lane = 0; rows->plan->wanted[OUTPUT_ECE] && lane < LANES; lane++)
		all->largest[lane] = 1.0 / (1.0 + sums->residual[lane]);
}

/* Lanes that may be correct: their target's logit is the maximum. */
static bool some_hold_maximum(const struct rows *rows)
{
	bool any = false;
	for (size_t lane = 0; lane < rows->n; lane++)
		any |= rows->targets.y[lane] >= 0 &&
		       rows->targets.logit[lane] == rows->sums->max[lane];
	return any;
}

/* The ranks where they are wanted, and which predictions are correct. */
static void count_ranks(struct rows *rows, struct predictions *all)
{
	const int64_t *y = rows->targets.y;
	struct work work;
	bool exact = needs_ranks(rows->plan);
	if (!exact && !some_hold_maximum(rows))
		return;
	work_start(&work, rows, NULL);
	memcpy(work.lanes.limit, y, sizeof work.lanes.limit);
	if (exact) {
		work_seek(&work, rows->targets.logit);
		work_count(&work);
		memcpy(all->rank, work.lanes.count, sizeof all->rank);
	} else {
		work_seek(&work, rows->sums->max);
		work_find(&work);
	}
	for (size_t lane = 0; lane < LANES; lane++)
		all->correct |= (unsigned)(work.lanes.count[lane] == (exact ? 0 : y[lane])) << lane;
}

static void put_ranks(const struct rows *rows, const struct predictions *all)
{
	int64_t *ranks = rows->plan->outputs[OUTPUT_RANK].data;
	for (size_t lane = 0; lane < rows->n; lane++)
		ranks[rows->first + lane] = all->counted >> lane & 1 ? all->rank[lane] : -1;
}

static void put_correct(const struct rows *rows, const struct predictions *all)
{
	unsigned char *correct = rows->plan->outputs[OUTPUT_CORRECT].data;
	for (size_t lane = 0; lane < rows->n; lane++)
		correct[rows->first + lane] = all->correct >> lane & 1;
}

static void keep_nlls(const struct rows *rows, const struct predictions *all)
{
	for (size_t lane = 0; lane < rows->n; lane++)
		rows->plan->row_nlls[rows->first + lane] =
			all->counted >> lane & 1 ? all->nll[lane] : 0.0;
}

/* How many of the counted rows have a rank below k. */
static size_t count_top(const struct predictions *all, int64_t k)
{
	size_t top = 0;
	for (unsigned left = all->counted; left != 0; left &= left - 1) {
		int64_t rank = all->rank[__builtin_ctz(left)];
		top += rank >= 0 && rank < k;
	}
	return top;
}

void predictions_write(struct rows *rows, struct partial *partial)
{
	const struct loss_plan *plan = rows->plan;
	struct predictions all = {.valid = ALL_LANES};
	for (size_t lane = 0; lane < rows->n; lane++)
		all.counted |= (unsigned)(rows->targets.y[lane] >= 0) << lane;
	count_ranks(rows, &all);
	predict_regular(rows, &all);
	for (unsigned left = all.counted & rows_irregular(rows); left != 0; left &= left - 1)
		predict_irregular(rows, (size_t)__builtin_ctz(left), &all);
	all.correct &= all.counted;
	if (plan->wanted[OUTPUT_RANK])
		put_ranks(rows, &all);
	if (plan->wanted[OUTPUT_CORRECT])
		put_correct(rows, &all);
	for (unsigned left = all.correct; left != 0; left &= left - 1)
		partial->correct++;
	if (plan->wanted[OUTPUT_TOPK_ACCURACY])
		partial->top += count_top(&all, plan->args.k);
	if (plan->row_nlls)
		keep_nlls(rows, &all);
	if (!plan->scores && !plan->wanted[OUTPUT_ECE])
		return;
	for (unsigned left = all.counted; left != 0; left &= left - 1) {
		size_t lane = (size_t)__builtin_ctz(left);
		if (plan->scores)
			exact_feed_add(partial->nll, plan->kernels, all.nll[lane]);
		if (plan->wanted[OUTPUT_ECE])
			calibrate(rows, &all, lane, partial);
	}
}
