#include "prediction.h"

#include <string.h>

#include "operate.h"

/* What there is to say of a row that counts. */
struct prediction {
	size_t r;
	bool valid; /* neither NaN nor nothing but -infinity is in it */
	bool correct;
	int64_t rank;   /* where it is wanted */
	double nll;     /* -log p_y */
	double largest; /* the largest probability */
};

/* The bin (i/15, (i+1)/15] of the row's largest probability. Where that comes from a vector kernel
 * and is close to a bin's end, only the row in double says on which side it is. */
static struct calibration_bin *find_bin(const struct loss_plan *plan,
					const struct prediction *prediction,
					struct partial *partial, double *confidence)
{
	const double bins = CALIBRATION_BINS;
	double p = prediction->largest;
	double scaled = p * bins;
	bool close = fabs(scaled - rint(scaled)) < 1e-5 && scaled < bins - 0.5;
	if (close) {
		struct row exact;
		row_read(&exact, plan, prediction->r);
		p = quotient(1.0, exact.total, exact.total_low).high;
	}
	size_t i = (size_t)scaled;
	i = i < CALIBRATION_BINS ? i : CALIBRATION_BINS - 1;
	while (i > 0 && p <= (double)i / bins)
		i--;
	while (i < CALIBRATION_BINS - 1 && p > (double)(i + 1) / bins)
		i++;
	*confidence = p;
	return &partial->bins[i];
}

/* A row with NaN is in no bin, and makes the whole error NaN. */
static void calibrate(const struct loss_plan *plan, const struct prediction *prediction,
		      struct partial *partial)
{
	double confidence = (double)NAN;
	struct calibration_bin *bin = &partial->bins[0];
	if (prediction->valid)
		bin = find_bin(plan, prediction, partial, &confidence);
	sum_add(&bin->confidence, confidence);
	bin->correct += prediction->correct;
}

static void put_row(const struct loss_plan *plan, size_t r, int64_t rank, bool correct)
{
	if (plan->wanted[OUTPUT_RANK])
		((int64_t *)plan->outputs[OUTPUT_RANK].data)[r] = rank;
	if (plan->wanted[OUTPUT_CORRECT])
		((unsigned char *)plan->outputs[OUTPUT_CORRECT].data)[r] = correct;
}

static void put_prediction(const struct loss_plan *plan, const struct prediction *prediction,
			   struct partial *partial)
{
	put_row(plan, prediction->r, prediction->rank, prediction->correct);
	partial->correct += prediction->correct;
	if (plan->wanted[OUTPUT_PERPLEXITY])
		sum_add(&partial->nll, prediction->nll);
	if (plan->wanted[OUTPUT_ECE])
		calibrate(plan, prediction, partial);
}

/* A row that the vector kernels leave. */
static struct prediction predict_irregular(const struct loss_plan *plan, size_t r, size_t y)
{
	struct row row;
	row_read(&row, plan, r);
	struct prediction prediction = {.r = r, .valid = !row.invalid, .rank = -1};
	prediction.nll = row.invalid ? (double)NAN : row_nll(&row, y);
	prediction.largest = 1.0 / row.total;
	if (prediction.valid && plan->wanted[OUTPUT_RANK])
		prediction.rank = (int64_t)row_rank(&row, y);
	prediction.correct = prediction.valid && row.predicted == y;
	return prediction;
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

/* The rank where it is wanted, else 0 where the prediction is correct. */
static void count_ranks(struct rows *rows, int64_t *rank)
{
	struct work work;
	bool exact = rows->plan->wanted[OUTPUT_RANK];
	for (size_t lane = 0; lane < LANES; lane++)
		rank[lane] = 1;
	if (!exact && !some_hold_maximum(rows))
		return;
	work_start(&work, rows, NULL);
	for (size_t lane = 0; lane < LANES; lane++)
		work.lanes.limit[lane] = rows->targets.y[lane];
	if (exact) {
		work_seek(&work, rows->targets.logit);
		work_count(&work);
	} else {
		work_seek(&work, rows->sums->max);
		work_find(&work);
	}
	for (size_t lane = 0; lane < LANES; lane++)
		rank[lane] = exact ? work.lanes.count[lane]
				   : work.lanes.count[lane] != rows->targets.y[lane];
}

void predictions_write(struct rows *rows, struct partial *partial)
{
	const struct loss_plan *plan = rows->plan;
	const struct row_sums *sums = rows->sums;
	int64_t rank[LANES];
	count_ranks(rows, rank);
	for (size_t lane = 0; lane < rows->n; lane++) {
		size_t r = rows->first + lane;
		struct prediction prediction = {.r = r, .valid = true, .rank = rank[lane]};
		if (rows->targets.y[lane] < 0) {
			put_row(plan, r, -1, false);
			continue;
		}
		if (row_is_regular(sums, lane)) {
			prediction.correct = rank[lane] == 0;
			prediction.nll = (sums->max[lane] - rows->targets.logit[lane]) +
					 sums->log1p_residual[lane];
			prediction.largest = 1.0 / (1.0 + sums->residual[lane]);
		} else {
			prediction = predict_irregular(plan, r, (size_t)rows->targets.y[lane]);
		}
		put_prediction(plan, &prediction, partial);
	}
}
