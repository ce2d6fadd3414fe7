/*
 * Long rows in parts. They depend on the number of classes alone, and what they
 * come to is merged in their order: so the bits do too, whether or not threads share them.
 */
#ifndef LOSS_KERNEL_ROW_PARTS_H
#define LOSS_KERNEL_ROW_PARTS_H

#include "../plan.h"

#define ROW_PART ((size_t)65536)
#define MAX_ROW_PARTS ((size_t)2048)

/* Classes of a part, for at most MAX_ROW_PARTS of them. */
static inline size_t row_part_size(size_t classes)
{
	size_t step = ROW_PART * MAX_ROW_PARTS;
	return ROW_PART * (classes / step + (classes % step != 0));
}

static inline size_t row_parts(size_t classes)
{
	size_t size = row_part_size(classes);
	return classes / size + (classes % size != 0);
}

/* Does what there is to do for classes [c, c + n), part number `part` of a row. */
typedef void row_part_fn(void *context, size_t part, size_t c, size_t n);

/* Every part of a row once, by the plan's team; not all of them where the run is cancelled: what
 * they come to is then for nobody, but must be there. */
void row_parts_run(const struct loss_plan *plan, row_part_fn *fn, void *context);

#endif
