#include "entries.h"

#include <inttypes.h>
#include <stdio.h>

#include "status.h"

const char *entry_beyond(const struct loss_plan *plan, loss_role role, size_t i)
{
	const struct beyond *beyond = &plan->beyond[role];
	size_t first = 0, end = beyond->n;
	while (first < end) {
		size_t middle = first + (end - first) / 2;
		if (beyond->elements[middle].flat_index < i)
			first = middle + 1;
		else
			end = middle;
	}
	bool found = first < beyond->n && beyond->elements[first].flat_index == i;
	return found ? beyond->elements[first].text : NULL;
}

struct class_index entry_integer(const struct loss_plan *plan, loss_role role, size_t i)
{
	const char *text = entry_beyond(plan, role, i);
	if (!text)
		return tensor_class_index(&plan->tensors[role], i);
	if (text[0] == '-')
		return (struct class_index){(uint64_t)INT64_MIN, true};
	return (struct class_index){UINT64_MAX, false};
}

void entry_format(const struct loss_plan *plan, loss_role role, size_t i, char *out, size_t size)
{
	const char *text = entry_beyond(plan, role, i);
	struct class_index y = tensor_class_index(&plan->tensors[role], i);
	if (text)
		snprintf(out, size, "%s", text);
	else if (y.negative)
		snprintf(out, size, "%" PRId64, (int64_t)y.value);
	else
		snprintf(out, size, "%" PRIu64, y.value);
}

#define INDEX_CHARS (LOSS_MAX_RANK * 24)

/* "[1][2]" */
static void format_index(const struct loss_error *place, char *out, size_t size)
{
	size_t used = 0;
	out[0] = '\0';
	for (int axis = 0; axis < place->index_rank && used < size; axis++)
		used += (size_t)snprintf(out + used, size - used, "[%zu]", place->index[axis]);
}

loss_status entry_fail(const struct loss_plan *plan, const struct loss_tensor_info *info, size_t i,
		       const char *value, loss_status status, const char *but,
		       struct loss_error *err)
{
	const struct loss_tensor *tensor = &plan->tensors[info->role];
	int rank = tensor->rank; /* as the caller gave it */
	struct loss_error place = {0};
	char at[INDEX_CHARS];
	if (info->extent == LOSS_EXTENT_BROADCAST_ROWS)
		rank -= plan->added_axes;
	loss_error_set_index(&place, i, tensor->shape, rank);
	format_index(&place, at, sizeof at);
	loss_fail(err, status, info->name, "%s%s is %s, but %s", info->name, at, value, but);
	loss_error_set_index(err, i, tensor->shape, rank);
	return status;
}
