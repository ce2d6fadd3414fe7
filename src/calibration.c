#include "calibration.h"

#include <math.h>
#include <string.h>

/* ---------------------------------------------------------------- bins */

static size_t bins_of(const struct loss_plan *plan)
{
	return (size_t)plan->args.ece_bins;
}

loss_status calibration_make(struct loss_plan *plan, struct loss_arena *arena,
			     struct loss_error *err)
{
	if (!plan->wanted[OUTPUT_ECE])
		return LOSS_OK;
	/* a thousand for each of 64: the product does not overflow */
	struct calibration_bin *bins =
		loss_arena_array(arena, struct calibration_bin, plan->n_partials * bins_of(plan));
	if (!bins)
		return loss_arena_failure(arena, err);
	for (size_t i = 0; i < plan->n_partials; i++)
		plan->partials[i].bins = bins + i * bins_of(plan);
	return LOSS_OK;
}

void calibration_clear(const struct loss_plan *plan, struct partial *partial)
{
	exact_sum_clear(&partial->tiny);
	memset(partial->bins, 0, bins_of(plan) * sizeof *partial->bins);
}

size_t calibration_bin_of(double p, size_t n_bins)
{
	const double n = (double)n_bins;
	if (!(p > 0.0)) /* NaN as well; and a probability that changed since it was checked */
		return 0;
	size_t i = p < 1.0 ? (size_t)(p * n) : n_bins - 1;
	i = i < n_bins ? i : n_bins - 1;
	while (i > 0 && p <= (double)i / n)
		i--;
	while (i < n_bins - 1 && p > (double)(i + 1) / n)
		i++;
	return i;
}

/*
 * Confidences of a bin are added as integers in units of 2^-114, in which those from 2^-62 on have
 * all their digits: with 192 bits there is room for more rows than can be counted. All others
 * (smaller ones, which are of bin 0; NaN; what changed since it was checked) are added apart.
 */
#define UNIT_LIMB 30 /* of an exact sum: 2^(30 * 32 - 1074) */
#define UNIT_EXPONENT (1075 - 114)
#define LEAST_CONFIDENCE 0x1p-62

static void add_words(uint64_t *sum, uint64_t low, uint64_t middle, uint64_t high)
{
	uint64_t carry = __builtin_add_overflow(sum[0], low, &sum[0]);
	sum[2] += high + __builtin_add_overflow(sum[1], middle, &sum[1]);
	sum[2] += __builtin_add_overflow(sum[1], carry, &sum[1]);
}

void calibration_add(struct partial *partial, size_t bin, double confidence, bool correct)
{
	struct calibration_bin *to = &partial->bins[bin];
	uint64_t bits;
	to->rows++;
	to->correct += correct;
	if (!(confidence >= LEAST_CONFIDENCE && confidence <= 1.0)) {
		exact_sum_add(&partial->tiny, confidence);
		return;
	}
	memcpy(&bits, &confidence, sizeof bits);
	uint64_t mantissa = (bits & 0xfffffffffffff) | UINT64_C(1) << 52;
	unsigned place = (unsigned)(bits >> 52) - UNIT_EXPONENT; /* 0 to 62 */
	add_words(to->confidence, mantissa << place, place > 0 ? mantissa >> (64 - place) : 0, 0);
}

void calibration_merge(const struct loss_plan *plan, struct partial *total,
		       const struct partial *partial)
{
	exact_sum_merge(&total->tiny, &partial->tiny);
	for (size_t i = 0; i < bins_of(plan); i++) {
		const struct calibration_bin *from = &partial->bins[i];
		struct calibration_bin *to = &total->bins[i];
		to->rows += from->rows;
		to->correct += from->correct;
		add_words(to->confidence, from->confidence[0], from->confidence[1],
			  from->confidence[2]);
	}
}

void calibration_confidence(const struct partial *partial, size_t bin, struct exact_sum *sum)
{
	const uint64_t *words = partial->bins[bin].confidence;
	exact_sum_clear(sum);
	exact_sum_add_words(sum, UNIT_LIMB, words[0], words[1], false);
	exact_sum_add_words(sum, UNIT_LIMB + 4, words[2], 0, false);
	if (bin == 0)
		exact_sum_merge(sum, &partial->tiny);
}

/* ---------------------------------------------------------------- the error */

void calibration_start(struct calibration *error, enum ece_norm norm)
{
	error->norm = norm;
	error->largest = 0.0;
	exact_sum_clear(&error->gaps);
}

/* rows |accuracy - confidence| of a bin, both of which are sums over its rows. */
static double gap_of(const struct exact_sum *confidence, size_t correct)
{
	struct exact_sum gap = *confidence;
	exact_sum_add_times(&gap, -1.0, correct);
	return fabs(exact_sum_value(&gap));
}

void calibration_take(struct calibration *error, const struct exact_sum *confidence, size_t correct,
		      size_t rows)
{
	if (rows == 0)
		return;
	double gap = gap_of(confidence, correct), mean = gap / (double)rows;
	if (error->largest <= HUGE_VAL && !(mean <= error->largest))
		error->largest = mean; /* NaN stays */
	exact_sum_add(&error->gaps, error->norm == ECE_L2 ? gap * mean : gap);
}

double calibration_end(const struct calibration *error, size_t counted)
{
	double mean = exact_sum_value(&error->gaps) / (double)counted;
	if (error->norm == ECE_MAX)
		return error->largest;
	return error->norm == ECE_L2 ? sqrt(mean) : mean;
}

double calibration_error(const struct loss_plan *plan, const struct partial *total)
{
	struct calibration error;
	struct exact_sum confidence;
	calibration_start(&error, (enum ece_norm)plan->args.ece_norm);
	for (size_t i = 0; i < bins_of(plan); i++) {
		calibration_confidence(total, i, &confidence);
		calibration_take(&error, &confidence, total->bins[i].correct, total->bins[i].rows);
	}
	return calibration_end(&error, plan->counted);
}
