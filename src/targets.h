/* Class indices in bulk, whatever their dtype, with what ignore_index, shift and mask make of them.
 */
#ifndef LOSS_TARGETS_H
#define LOSS_TARGETS_H

#include "kernel/vector/vector.h"
#include "plan.h"

/* Reads the targets of rows [first, first + n) of a plan with class indices: a class each, or
 * TARGET_IGNORED or TARGET_INVALID (vector.h). */
void targets_read(const struct loss_plan *plan, size_t first, size_t n, int64_t *classes);

/* The same of a plan of any targets over classes: a class, 0 beside probabilities, where a row
 * counts, else TARGET_IGNORED or TARGET_INVALID. */
void targets_read_counted(const struct loss_plan *plan, size_t first, size_t n, int64_t *classes);

/* Calls `visit` for every row that counts, in order, as long as it returns true. The row of which
 * it did not, or plan->rows. */
typedef bool row_visit_fn(const struct loss_plan *plan, size_t r, void *context);
size_t targets_visit(const struct loss_plan *plan, row_visit_fn *visit, void *context);

/* How many of all rows are ignored; false when the target of another is invalid. */
bool targets_count(const struct loss_plan *plan, size_t *ignored);

#endif
