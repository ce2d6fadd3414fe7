/* What a plan costs. */
#ifndef LOSS_COST_H
#define LOSS_COST_H

#include "plan.h"

/* Nanoseconds that running the plan may take on one thread: loss_plan_cost_ns, before it is
 * rounded. Its layout and all before that are settled. */
double cost_of(const struct loss_plan *plan);

#endif
