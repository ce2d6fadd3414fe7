/* How well confidences agree with what came true: bins of equal width over 0 to 1, of which bin i
 * is (i/n, (i+1)/n], the first one with 0. */
#ifndef LOSS_CALIBRATION_H
#define LOSS_CALIBRATION_H

#include "plan.h"

/* Room for the bins of all partials. Nothing is made where ece is not wanted. */
loss_status calibration_make(struct loss_plan *plan, struct loss_arena *arena,
			     struct loss_error *err);

void calibration_clear(const struct loss_plan *plan, struct partial *partial);

/* The bin of a probability: 0 to n_bins - 1. */
size_t calibration_bin_of(double p, size_t n_bins);

/* Adds a row of this confidence: of NaN the whole error becomes NaN. */
void calibration_add(struct partial *partial, size_t bin, double confidence, bool correct);

/* Adds another partial. */
void calibration_merge(const struct loss_plan *plan, struct partial *total,
		       const struct partial *partial);

/* The sum of a bin's confidences. */
void calibration_confidence(const struct partial *partial, size_t bin, struct exact_sum *sum);

/* ---------------------------------------------------------------- the error */

/* Bins are taken one after the other, those without rows left out or not. */
struct calibration {
	enum ece_norm norm;
	struct exact_sum gaps;
	double largest;
};
void calibration_start(struct calibration *error, enum ece_norm norm);
void calibration_take(struct calibration *error, const struct exact_sum *confidence, size_t correct,
		      size_t rows);
/* Of so many rows in all. */
double calibration_end(const struct calibration *error, size_t counted);

/* The error over all rows, by the norm that is asked for. */
double calibration_error(const struct loss_plan *plan, const struct partial *total);

#endif
