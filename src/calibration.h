/* How well confidences agree with what came true: bins of equal width over 0 to 1, of which bin i
 * is (i/n, (i+1)/n], the first one with 0. */
#ifndef LOSS_CALIBRATION_H
#define LOSS_CALIBRATION_H

#include "plan.h"

/* Room for n partials' bins: `n_full` of them, the last ones, hold every bin, the others as many as
 * a block may have rows. Nothing is made where ece is not wanted. */
loss_status calibration_make(struct loss_plan *plan, struct loss_arena *arena, size_t n,
			     size_t n_full, struct loss_error *err);

void calibration_clear(const struct loss_plan *plan, struct partial *partial);

/* The bin of a probability: 0 to n_bins - 1. */
size_t calibration_bin_of(double p, size_t n_bins);

/* Adds a row of this confidence: of NaN the whole error becomes NaN. */
void calibration_add(struct partial *partial, size_t bin, double confidence, bool correct);

/* Adds another partial to one that holds every bin. */
void calibration_merge(struct partial *total, const struct partial *partial);

/* The error over all rows, by the norm that is asked for. */
double calibration_error(const struct loss_plan *plan, const struct partial *total);

#endif
