/*
 * The output loss_quantiles: how the losses of the counted rows are spread, without what the rows
 * weigh themselves. Order statistics of doubles do not depend on the order of the rows.
 */
#ifndef LOSS_QUANTILES_H
#define LOSS_QUANTILES_H

#include "plan.h"

/*
 * Fills the output, where it is wanted and not filled yet. All rows have been evaluated;
 * plan->row_plain has their losses, and is used up. Linear in the number of rows, whatever their
 * losses are. Stops where the run is cancelled.
 */
void quantiles_finish(struct loss_plan *plan);

#endif
