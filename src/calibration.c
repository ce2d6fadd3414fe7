#include "calibration.h"

#include <math.h>
#include <string.h>

/* Where a block has fewer rows than there are bins, its rows are listed. */
static size_t bins_of_block(const struct loss_plan *plan)
{
	size_t bins = (size_t)plan->args.ece_bins;
	return plan->block_rows < bins ? plan->block_rows : bins;
}

loss_status calibration_make(struct loss_plan *plan, struct loss_arena *arena, size_t n,
			     size_t n_full, struct loss_error *err)
{
	size_t each = bins_of_block(plan), all = (size_t)plan->args.ece_bins;
	if (!plan->wanted[OUTPUT_ECE])
		return LOSS_OK;
	/* both counts are bounded by the rows: the products do not overflow */
	struct calibration_bin *bins =
		loss_arena_array(arena, struct calibration_bin, (n - n_full) * each + n_full * all);
	if (!bins)
		return loss_arena_failure(arena, err);
	for (size_t i = 0; i < n; i++) {
		bool full = i >= n - n_full;
		plan->partials[i].bins = bins;
		plan->partials[i].listed = !full && each < all;
		bins += full ? all : each;
	}
	return LOSS_OK;
}

void calibration_clear(const struct loss_plan *plan, struct partial *partial)
{
	partial->n_bins = partial->listed ? 0 : (size_t)plan->args.ece_bins;
	memset(partial->bins, 0, partial->n_bins * sizeof *partial->bins);
}

size_t calibration_bin_of(double p, size_t n_bins)
{
	const double n = (double)n_bins;
	size_t i = (size_t)(p * n);
	i = i < n_bins ? i : n_bins - 1;
	while (i > 0 && p <= (double)i / n)
		i--;
	while (i < n_bins - 1 && p > (double)(i + 1) / n)
		i++;
	return i;
}

void calibration_add(struct partial *partial, size_t bin, double confidence, bool correct)
{
	size_t at = partial->listed ? partial->n_bins++ : bin;
	struct calibration_bin *to = &partial->bins[at];
	if (partial->listed)
		*to = (struct calibration_bin){.rows = 0};
	to->index = bin;
	to->rows++;
	to->correct += correct;
	sum_add(&to->confidence, confidence);
}

void calibration_merge(struct partial *total, const struct partial *partial)
{
	for (size_t i = 0; i < partial->n_bins; i++) {
		const struct calibration_bin *from = &partial->bins[i];
		struct calibration_bin *to = &total->bins[from->index];
		if (from->rows == 0)
			continue;
		to->index = from->index;
		to->rows += from->rows;
		to->correct += from->correct;
		sum_merge(&to->confidence, &from->confidence);
	}
}

/* rows |accuracy - confidence| of a bin, both of which are sums over its rows. */
static double gap_of(const struct calibration_bin *bin)
{
	struct sum gap = bin->confidence;
	sum_add(&gap, -(double)bin->correct);
	return fabs(sum_value(&gap));
}

static double largest_gap(const struct partial *total)
{
	double largest = 0.0;
	for (size_t i = 0; i < total->n_bins; i++) {
		double gap = gap_of(&total->bins[i]) / (double)total->bins[i].rows;
		if (total->bins[i].rows > 0 && largest <= HUGE_VAL && !(gap <= largest))
			largest = gap; /* NaN stays */
	}
	return largest;
}

double calibration_error(const struct loss_plan *plan, const struct partial *total)
{
	bool squares = plan->args.ece_norm == ECE_L2;
	double counted = (double)plan->counted;
	struct sum gaps = {0};
	if (plan->args.ece_norm == ECE_MAX)
		return largest_gap(total);
	for (size_t i = 0; i < total->n_bins; i++) {
		const struct calibration_bin *bin = &total->bins[i];
		double gap = gap_of(bin);
		if (bin->rows > 0)
			sum_add(&gaps, squares ? gap * (gap / (double)bin->rows) : gap);
	}
	double mean = sum_value(&gaps) / counted;
	return squares ? sqrt(mean) : mean;
}
