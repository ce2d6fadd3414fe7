/* How many bytes rows stand for: bits per byte, which compares models of different vocabularies. */
#ifndef LOSS_BYTES_H
#define LOSS_BYTES_H

#include "plan.h"

/*
 * Adds up the bytes of what counts, of a plan whose groups are listed. Fails where there is no
 * entry for each group (LOSS_SHAPE_MISMATCH), and at the first entry that counts and is negative
 * (LOSS_ARGUMENT_OUT_OF_RANGE). Does nothing without bytes.
 */
loss_status bytes_count(struct loss_plan *plan, struct loss_error *err);

/* Whether there are bytes of groups rather than of rows. */
bool bytes_are_by_group(const struct loss_plan *plan);

/* The output bits_per_byte, with the sum of -log p over all counted rows. These have been
 * evaluated. */
double bytes_bits_each(const struct loss_plan *plan, struct sum nll);

#endif
