#include "row_parts.h"

#include "../team.h"

/* A row's parts, as a team's items. */
struct parts {
	const struct loss_plan *plan;
	row_part_fn *fn;
	void *context;
};

static void run_one(void *context, size_t part)
{
	const struct parts *parts = context;
	size_t classes = parts->plan->classes, size = row_part_size(classes);
	size_t c = part * size;
	if (plan_is_cancelled(parts->plan))
		return;
	parts->fn(parts->context, part, c, classes - c < size ? classes - c : size);
}

void row_parts_run(const struct loss_plan *plan, row_part_fn *fn, void *context)
{
	struct parts parts = {plan, fn, context};
	team_share(plan->team, row_parts(plan->classes), run_one, &parts);
}
