#include "class_blocks.h"

#include "../team.h"

/* A row's blocks, as a team's items. */
struct blocks {
	const struct loss_plan *plan;
	class_block_fn *fn;
	void *context;
};

static void run_one(void *context, size_t block)
{
	const struct blocks *blocks = context;
	size_t classes = blocks->plan->classes, size = class_block_size(classes);
	size_t c = block * size;
	blocks->fn(blocks->context, block, c, classes - c < size ? classes - c : size);
}

void class_blocks_run(const struct loss_plan *plan, class_block_fn *fn, void *context)
{
	struct blocks blocks = {plan, fn, context};
	team_share(plan->team, class_blocks(plan->classes), run_one, &blocks);
}
