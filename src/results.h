/* Room for what a plan computes. */
#ifndef LOSS_RESULTS_H
#define LOSS_RESULTS_H

#include "kernel/vector/lane_count.h"
#include "plan.h"

/* Elements of a row block: large enough that a block costs little to hand out, small enough to
 * share and to cancel. A row of more is a block of its own. */
#define BLOCK_ELEMENTS ((size_t)8192)

/* The rows of a block: where there are that many, a multiple of what kernels take at a time, so
 * that nothing is left over in every block. */
#define BLOCK_STEP(rows) ((size_t)((rows) >= 256 ? 256 : (rows) >= LANES ? LANES : 1))
#define ROUND_UP(rows, step) (((rows) + (step)-1) / (step) * (step))
#define BLOCK_ROWS(classes)                                                                        \
	((classes) < BLOCK_ELEMENTS                                                                \
		 ? ROUND_UP(BLOCK_ELEMENTS / (classes), BLOCK_STEP(BLOCK_ELEMENTS / (classes)))    \
		 : (size_t)1)

/* Allocates the outputs that a checked plan wants, in the types and shapes that follow from it, and
 * its row blocks. */
loss_status results_make(struct loss_plan *plan, struct loss_arena *arena, struct loss_error *err);

#endif
