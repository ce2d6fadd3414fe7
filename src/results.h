/* Room for what a plan computes. */
#ifndef LOSS_RESULTS_H
#define LOSS_RESULTS_H

#include "plan.h"

/* Allocates the outputs that a checked plan wants, in the types and shapes that follow from it, and
 * its row blocks. */
loss_status results_make(struct loss_plan *plan, struct loss_arena *arena, struct loss_error *err);

#endif
