/* The loss as a mean over sequences: of the means over each one's rows, so that long sequences do
 * not count for more than short ones. */
#ifndef LOSS_SEQUENCES_H
#define LOSS_SEQUENCES_H

#include "plan.h"

/* Adds up what the counted rows of each sequence weigh, of a plan whose values are checked; then
 * its denominator is the number of sequences with counted rows. Does nothing for other reductions.
 */
loss_status sequences_make(struct loss_plan *plan, struct loss_arena *arena,
			   struct loss_error *err);

/* The means, once all rows have been evaluated; does nothing where they are there. */
void sequences_finish(struct loss_plan *plan, int threads);

/* Their sum, in place of that of the rows. */
void sequences_sum(struct loss_plan *plan, struct exact_feed *loss);

#endif
