#include "groups.h"

#include <stdio.h>
#include <string.h>

#include "entries.h"
#include "exact_sum.h"
#include "means.h"
#include "names.h"
#include "state_groups.h"
#include "status.h"
#include "targets.h"
#include "team.h"

/* ---------------------------------------------------------------- which rows are whose */

/* The group of a row that counts, as far as its entry says. Shifts as targets do. */
static struct class_index group_of(const struct loss_plan *plan, size_t r)
{
	return entry_integer(plan, LOSS_ROLE_GROUPS, plan_target_row(plan, r));
}

/* How many rows have a group, and how many groups these need. */
struct extent {
	uint64_t most; /* groups that there may be */
	uint64_t groups;
	size_t rows;
};

static bool measure(const struct loss_plan *plan, size_t r, void *context)
{
	struct extent *extent = context;
	struct class_index group = group_of(plan, r);
	if (group.negative)
		return true;
	if (group.value >= extent->most)
		return false;
	extent->rows++;
	if (group.value >= extent->groups)
		extent->groups = group.value + 1;
	return true;
}

static loss_status no_group(const struct loss_plan *plan, size_t r, uint64_t most,
			    struct loss_error *err)
{
	const struct loss_tensor_info *info =
		names_tensor_of_role(&plan->loss->info, LOSS_ROLE_GROUPS);
	size_t i = plan_target_row(plan, r);
	bool given = argument_given(&plan->args, ARGUMENT_N_GROUPS);
	unsigned long long n = most;
	char value[ENTRY_CHARS], but[160];
	entry_format(plan, LOSS_ROLE_GROUPS, i, value, sizeof value);
	if (!given)
		snprintf(but, sizeof but, "there may be at most %llu groups (max_elements)", n);
	else if (most == 0)
		snprintf(but, sizeof but, "there are no groups, for n_groups is 0");
	else
		snprintf(but, sizeof but, "there %s %llu group%s (n_groups), 0..%llu",
			 n == 1 ? "is" : "are", n, n == 1 ? "" : "s", n - 1);
	return entry_fail(plan, info, i, value, LOSS_TARGET_OUT_OF_BOUNDS, but, err);
}

static bool count(const struct loss_plan *plan, size_t r, void *context)
{
	struct group_list *groups = context;
	struct class_index group = group_of(plan, r);
	if (!group.negative)
		groups->ends[group.value]++;
	return true;
}

static bool place(const struct loss_plan *plan, size_t r, void *context)
{
	struct group_list *groups = context;
	struct class_index group = group_of(plan, r);
	if (!group.negative)
		groups->rows[groups->ends[group.value]++] = r;
	return true;
}

/* Counts each group's rows, which says where its rows end, and puts them there in order. */
static void list(struct loss_plan *plan)
{
	struct group_list *groups = &plan->groups;
	size_t placed = 0;
	memset(groups->ends, 0, groups->n * sizeof *groups->ends);
	targets_visit(plan, count, groups);
	for (size_t g = 0; g < groups->n; g++) {
		size_t n = groups->ends[g];
		groups->ends[g] = placed; /* where its first row goes; then it moves on */
		placed += n;
	}
	targets_visit(plan, place, groups);
}

loss_status groups_list(struct loss_plan *plan, struct loss_arena *arena, struct loss_error *err)
{
	struct group_list *groups = &plan->groups;
	bool given = argument_given(&plan->args, ARGUMENT_N_GROUPS);
	struct extent extent = {.most = plan->max_groups};
	if (!plan->present[LOSS_ROLE_GROUPS])
		return LOSS_OK;
	if (given)
		extent.most = (uint64_t)plan->args.n_groups;
	size_t wrong = targets_visit(plan, measure, &extent);
	if (wrong < plan->rows)
		return no_group(plan, wrong, extent.most, err);
	groups->n = (size_t)(given ? extent.most : extent.groups);
	/* A large number takes memory only where something is made of it. */
	if (!groups_are_wanted(plan) && !plan->present[LOSS_ROLE_BYTES])
		return LOSS_OK;
	groups->ends = loss_arena_array(arena, size_t, groups->n);
	groups->rows = groups->ends ? loss_arena_array(arena, size_t, extent.rows) : NULL;
	if (!groups->rows)
		return loss_arena_failure(arena, err);
	list(plan);
	return LOSS_OK;
}

/* ---------------------------------------------------------------- what they come to */

bool groups_are_wanted(const struct loss_plan *plan)
{
	return plan->wanted[OUTPUT_GROUP_LOSS_SUM] || plan->wanted[OUTPUT_GROUP_DENOMINATOR] ||
	       plan->wanted[OUTPUT_GROUP_COUNTED] || plan->wanted[OUTPUT_GROUP_LOSS];
}

/* Some of a plan's rows. */
struct some {
	const size_t *rows;
	size_t n;
};

static struct some rows_of(const struct loss_plan *plan, size_t g)
{
	size_t first = plan_group_first(&plan->groups, g);
	return (struct some){plan->groups.rows + first, plan->groups.ends[g] - first};
}

static void add_losses(const struct loss_plan *plan, struct some some, struct exact_sum *sum)
{
	exact_sum_clear(sum);
	for (size_t i = 0; i < some.n; i++)
		exact_sum_add(sum, plan->row_losses[some.rows[i]]);
}

/* What a row adds to the denominator. */
static double share_of(const struct loss_plan *plan, size_t r)
{
	int64_t y = 0;
	double weight = plan_row_weight(plan, r);
	if (!plan->present[LOSS_ROLE_WEIGHT] || plan->target_kind != TARGETS_INDICES ||
	    plan->loss->counts_rows)
		return weight;
	targets_read(plan, r, 1, &y);
	return plan_class_weight(plan, (size_t)y) * weight;
}

static void add_shares(const struct loss_plan *plan, struct some some, struct exact_sum *sum)
{
	exact_sum_clear(sum);
	if (!plan_weighs_rows(plan))
		exact_sum_add_count(sum, some.n);
	for (size_t i = 0; plan_weighs_rows(plan) && i < some.n; i++)
		exact_sum_add(sum, share_of(plan, some.rows[i]));
}

static double mean(const struct loss_plan *plan, struct sum losses, struct sum shares, size_t n)
{
	if (n == 0)
		return plan->args.empty_mean == EMPTY_MEAN_ZERO ? 0.0 : (double)NAN;
	return shares.high == 0.0 ? (double)NAN : mean_of(losses, shares);
}

static void put_number(const struct loss_plan *plan, enum output output, size_t g, double value)
{
	if (plan->wanted[output])
		tensor_put(&plan->outputs[output], g, value);
}

static void put_group(const struct loss_plan *plan, size_t g)
{
	struct some some = rows_of(plan, g);
	struct exact_sum sum;
	add_shares(plan, some, &sum);
	struct sum shares = exact_sum_parts(&sum);
	if (plan->wanted[OUTPUT_GROUP_COUNTED])
		((int64_t *)plan->outputs[OUTPUT_GROUP_COUNTED].data)[g] = (int64_t)some.n;
	put_number(plan, OUTPUT_GROUP_DENOMINATOR, g, shares.high);
	if (!plan->row_losses)
		return;
	add_losses(plan, some, &sum);
	struct sum losses = exact_sum_parts(&sum);
	put_number(plan, OUTPUT_GROUP_LOSS_SUM, g, losses.high);
	put_number(plan, OUTPUT_GROUP_LOSS, g, mean(plan, losses, shares, some.n));
}

/* Groups that a thread takes at a time. */
#define GROUPS_TOGETHER ((size_t)256)

static void put_some(void *context, size_t i)
{
	const struct loss_plan *plan = context;
	size_t g = i * GROUPS_TOGETHER, left = plan->groups.n - g;
	size_t end = left < GROUPS_TOGETHER ? plan->groups.n : g + GROUPS_TOGETHER;
	for (; g < end && !plan_is_cancelled(plan); g++)
		put_group(plan, g);
}

/* Rows and groups that it takes for threads to pay. */
#define SHARED_FROM ((size_t)4096)

void groups_finish(struct loss_plan *plan, int threads)
{
	struct group_list *groups = &plan->groups;
	size_t rows = plan_group_first(groups, groups->n);
	size_t n = (groups->n + GROUPS_TOGETHER - 1) / GROUPS_TOGETHER;
	if (groups->finished || !groups_are_wanted(plan))
		return;
	groups->finished = true;
	team_share(rows + groups->n < SHARED_FROM ? 1 : threads, n, put_some, plan);
}

/* ---------------------------------------------------------------- their state */

size_t groups_state_room(const struct loss_plan *plan)
{
	size_t n = 0;
	for (size_t g = 0; groups_are_wanted(plan) && g < plan->groups.n; g++)
		n += rows_of(plan, g).n > 0;
	return n * STATE_GROUP_BYTES; /* no more of them than rows */
}

size_t groups_write_state(const struct loss_plan *plan, unsigned char *bytes)
{
	unsigned char *to = bytes;
	for (size_t g = 0; groups_are_wanted(plan) && g < plan->groups.n; g++) {
		struct some some = rows_of(plan, g);
		struct state_group group = {.index = g, .counted = some.n};
		if (some.n == 0)
			continue;
		add_losses(plan, some, &group.loss);
		add_shares(plan, some, &group.denominator);
		to += state_group_write(&group, to);
	}
	return (size_t)(to - bytes);
}
