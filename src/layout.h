/* What follows from a checked plan about how its rows are read: the layout, the transform, what
 * kernels take in place, and how long it may take. */
#ifndef LOSS_LAYOUT_H
#define LOSS_LAYOUT_H

#include "plan.h"

void layout_settle(struct loss_plan *plan);

#endif
