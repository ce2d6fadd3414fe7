/* Class indices in bulk, whatever their dtype: see plan.h for one at a time. */
#ifndef LOSS_TARGETS_H
#define LOSS_TARGETS_H

#include "kernel/vector/vector.h"
#include "plan.h"

/* Reads the targets of rows [first, first + n) of a plan with class indices: a class each, or one
 * of the above. */
void targets_read(const struct loss_plan *plan, size_t first, size_t n, int64_t *classes);

/* How many of all rows are ignored; false when a target is invalid. */
bool targets_count(const struct loss_plan *plan, size_t *ignored);

#endif
