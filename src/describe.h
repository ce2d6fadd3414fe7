/* The facts of the tables in words: what loss.h does not have of it. */
#ifndef LOSS_DESCRIBE_H
#define LOSS_DESCRIBE_H

#include "loss.h"

static inline bool range_is_bounded(const struct loss_range *range)
{
	return range->min < range->max;
}

/* "0 to 1", "greater than 0, finite", "1 or -1"; "" where there are no bounds. */
void describe_range(const struct loss_range *range, bool integers, char *out, size_t size);

#endif
