/* The facts of the tables in words: what loss.h does not have of it. */
#ifndef LOSS_DESCRIBE_H
#define LOSS_DESCRIBE_H

#include "loss.h"

static inline bool range_is_bounded(const struct loss_range *range)
{
	return range->min < range->max;
}

/* The tensors that some outputs need: by whom, and what of the loss's first tensor they go with. */
struct needed_tensor {
	loss_need need;
	loss_role role;
	const char *form, *more; /* before and after that one's name: "of the shape of ", "" */
};
#define N_NEEDED_TENSORS 5
extern const struct needed_tensor needed_tensors[N_NEEDED_TENSORS];

/* "0 to 1", "greater than 0, finite", "1 or -1"; "" where there are no bounds. */
void describe_range(const struct loss_range *range, bool integers, char *out, size_t size);

#endif
