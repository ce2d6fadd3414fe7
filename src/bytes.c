#include "bytes.h"

#include <stdio.h>

#include "entries.h"
#include "exact_sum.h"
#include "means.h"
#include "names.h"
#include "shapes.h"
#include "status.h"
#include "targets.h"

static const struct loss_tensor_info *info_of(const struct loss_plan *plan)
{
	return names_tensor_of_role(&plan->loss->info, LOSS_ROLE_BYTES);
}

bool bytes_are_by_group(const struct loss_plan *plan)
{
	return plan->present[LOSS_ROLE_BYTES] && shapes_are_by_group(plan, info_of(plan));
}

static loss_status no_count(const struct loss_plan *plan, size_t i, struct loss_error *err)
{
	char value[ENTRY_CHARS];
	entry_format(plan, LOSS_ROLE_BYTES, i, value, sizeof value);
	return entry_fail(plan, info_of(plan), i, value, LOSS_ARGUMENT_OUT_OF_RANGE,
			  "must be 0 or greater, and no more than its type holds", err);
}

/* Adds entry i; false where it is no number of bytes. */
static bool add(const struct loss_plan *plan, size_t i, struct byte_sum *sum)
{
	struct class_index entry = entry_integer(plan, LOSS_ROLE_BYTES, i);
	if (entry.negative || entry_beyond(plan, LOSS_ROLE_BYTES, i))
		return false;
	sum->low += entry.value;
	sum->high += sum->low < entry.value;
	return true;
}

static bool add_row(const struct loss_plan *plan, size_t r, void *sum)
{
	return add(plan, plan_target_row(plan, r), sum);
}

static loss_status count_rows(struct loss_plan *plan, struct loss_error *err)
{
	size_t wrong = targets_visit(plan, add_row, &plan->bytes);
	return wrong < plan->rows ? no_count(plan, plan_target_row(plan, wrong), err) : LOSS_OK;
}

/* Of groups without a counted row nothing is read. */
static loss_status count_groups(struct loss_plan *plan, struct loss_error *err)
{
	const struct group_list *groups = &plan->groups;
	for (size_t g = 0; g < groups->n; g++)
		if (groups->ends[g] > plan_group_first(groups, g) && !add(plan, g, &plan->bytes))
			return no_count(plan, g, err);
	return LOSS_OK;
}

loss_status bytes_count(struct loss_plan *plan, struct loss_error *err)
{
	if (!plan->present[LOSS_ROLE_BYTES])
		return LOSS_OK;
	if (!bytes_are_by_group(plan))
		return count_rows(plan, err);
	TRY(shapes_check_groups(plan, info_of(plan), plan->groups.n, err));
	return count_groups(plan, err);
}

/* ---------------------------------------------------------------- bits per byte */

static const struct sum ln_2 = {0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56};

static struct sum bytes_of(const struct loss_plan *plan)
{
	const struct byte_sum *bytes = &plan->bytes;
	struct sum sum = sum_from((double)bytes->high * 0x1p64);
	sum_add(&sum, (double)(bytes->low >> 32) * 0x1p32);
	sum_add(&sum, (double)(bytes->low & UINT32_MAX));
	return sum;
}

/* Of the rows of groups. */
static struct sum nll_of_groups(const struct loss_plan *plan)
{
	const struct group_list *groups = &plan->groups;
	size_t n = plan_group_first(groups, groups->n);
	struct exact_sum sum;
	exact_sum_clear(&sum);
	for (size_t i = 0; i < n; i++)
		exact_sum_add(&sum, plan->row_nlls[groups->rows[i]]);
	return exact_sum_parts(&sum);
}

double bytes_bits_each(const struct loss_plan *plan, struct sum nll)
{
	struct sum bytes = bytes_of(plan), nats = product(bytes, ln_2);
	if (sum_value(&bytes) == 0.0)
		return (double)NAN;
	return mean_of(bytes_are_by_group(plan) ? nll_of_groups(plan) : nll, nats);
}
