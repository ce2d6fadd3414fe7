/*
 * Long rows in blocks of classes. The blocks depend on the number of classes alone, and what they
 * come to is merged in their order: so the bits do too, whether or not threads share the blocks.
 */
#ifndef LOSS_KERNEL_CLASS_BLOCKS_H
#define LOSS_KERNEL_CLASS_BLOCKS_H

#include "../plan.h"

#define CLASS_BLOCK ((size_t)65536)
#define MAX_CLASS_BLOCKS ((size_t)2048)

/* Classes of a block, for at most MAX_CLASS_BLOCKS blocks. */
static inline size_t class_block_size(size_t classes)
{
	size_t step = CLASS_BLOCK * MAX_CLASS_BLOCKS;
	return CLASS_BLOCK * (classes / step + (classes % step != 0));
}

static inline size_t class_blocks(size_t classes)
{
	size_t size = class_block_size(classes);
	return classes / size + (classes % size != 0);
}

/* Does what there is to do for classes [c, c + n), block number `block` of a row. */
typedef void class_block_fn(void *context, size_t block, size_t c, size_t n);

/* Every block of a row once, by the plan's team. */
void class_blocks_run(const struct loss_plan *plan, class_block_fn *fn, void *context);

#endif
