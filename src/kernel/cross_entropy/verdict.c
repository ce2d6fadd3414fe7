#include "verdict.h"

/*
 * The bin (i/15, (i+1)/15] of the row's largest probability, 1 / (1 + R). Where that comes from a
 * vector kernel and is close to a bin's end, only the row in double says on which side it is.
 */
static struct calibration_bin *find_bin(const struct loss_plan *plan, const struct row *row,
					size_t r, struct partial *partial, double *confidence)
{
	const double bins = CALIBRATION_BINS;
	double p = 1.0 / row->total;
	double scaled = p * bins;
	bool close = fabs(scaled - rint(scaled)) < 1e-5 && scaled < bins - 0.5;
	if (close) {
		struct row exact;
		row_read(&exact, plan, r);
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
static void calibrate(const struct loss_plan *plan, const struct row *row, size_t r, bool correct,
		      struct partial *partial)
{
	double confidence = (double)NAN;
	struct calibration_bin *bin = &partial->bins[0];
	if (!row->invalid)
		bin = find_bin(plan, row, r, partial, &confidence);
	sum_add(&bin->confidence, confidence);
	bin->correct += correct;
}

void verdict_row(const struct loss_plan *plan, const struct row *row, size_t r, size_t y,
		 struct partial *partial)
{
	bool counts = y != SIZE_MAX;
	bool ranks = counts && !row->invalid;
	size_t rank = SIZE_MAX; /* as an int64, -1 */
	if (ranks && plan->wanted[OUTPUT_RANK])
		rank = row->rank != SIZE_MAX ? row->rank : row_rank(row, y);
	bool correct = ranks && (rank == 0 || (rank == SIZE_MAX && row_predicted(row) == y));
	partial->correct += correct;
	if (plan->wanted[OUTPUT_RANK])
		((int64_t *)plan->outputs[OUTPUT_RANK].data)[r] = (int64_t)rank;
	if (plan->wanted[OUTPUT_CORRECT])
		((unsigned char *)plan->outputs[OUTPUT_CORRECT].data)[r] = correct;
	if (counts && plan->wanted[OUTPUT_PERPLEXITY])
		sum_add(&partial->nll, row->invalid ? (double)NAN : row_nll(row, y));
	if (counts && plan->wanted[OUTPUT_ECE])
		calibrate(plan, row, r, correct, partial);
}
