/* What a budget is inside: see loss.h. Only loss_budget_take and loss_budget_give write `held`. */
#ifndef LOSS_BUDGET_H
#define LOSS_BUDGET_H

#include <stdatomic.h>

#include "loss.h"

#define KEPT_MAPPINGS 8

struct loss_budget {
	atomic_size_t held;
	size_t limit;
	/* Large mappings that were given back and wait for the next taker: at most a quarter of
	 * limit, and beside `held`. */
	atomic_size_t kept_bytes;
	_Atomic(void *) kept[KEPT_MAPPINGS];
};

#endif
