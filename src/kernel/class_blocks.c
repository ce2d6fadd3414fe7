#include "class_blocks.h"

static void run_one(const struct loss_plan *plan, class_block_fn *fn, void *context, size_t block)
{
	size_t size = class_block_size(plan->classes);
	size_t c = block * size;
	fn(context, block, c, plan->classes - c < size ? plan->classes - c : size);
}

void class_blocks_run(const struct loss_plan *plan, class_block_fn *fn, void *context)
{
	size_t n_blocks = class_blocks(plan->classes);
	if (plan->team <= 1 || n_blocks <= 1) {
		for (size_t block = 0; block < n_blocks; block++)
			run_one(plan, fn, context, block);
	} else {
#pragma omp parallel for schedule(dynamic) num_threads(plan->team)
		for (size_t block = 0; block < n_blocks; block++)
			run_one(plan, fn, context, block);
	}
}
