#include "targets.h"

static struct target_range range_for(const struct loss_plan *plan)
{
	const struct loss_tensor *targets = &plan->tensors[LOSS_ROLE_TARGETS];
	bool is_signed = dtype_table[targets->dtype].dtype_class == LOSS_CLASS_SIGNED;
	return (struct target_range){
		.classes = plan->classes,
		.ignored = (uint64_t)plan->args.ignore_index,
		.can_be_ignored =
			!plan->loss->counts_rows && (is_signed || plan->args.ignore_index >= 0),
	};
}

/* Rows take the next row's target, but for the last of each sequence. */
static void read_shifted(const struct loss_plan *plan, size_t first, size_t n, int64_t *classes)
{
	const struct loss_tensor *targets = &plan->tensors[LOSS_ROLE_TARGETS];
	struct target_range range = range_for(plan);
	size_t left = plan->rows - first - 1;
	plan->kernels->targets[targets->dtype].read(tensor_at(targets, first + 1),
						    n < left ? n : left, &range, classes);
	for (size_t i = 0; i < n; i++)
		if (plan_is_last(plan, first + i))
			classes[i] = TARGET_IGNORED;
}

/* What the mask leaves out is as ignored, whatever its target. */
static void apply_mask(const struct loss_plan *plan, size_t first, size_t n, int64_t *classes)
{
	for (size_t i = 0; i < n; i++)
		if (!plan_is_last(plan, first + i) && plan_is_masked(plan, first + i))
			classes[i] = TARGET_IGNORED;
}

void targets_read(const struct loss_plan *plan, size_t first, size_t n, int64_t *classes)
{
	const struct loss_tensor *targets = &plan->tensors[LOSS_ROLE_TARGETS];
	struct target_range range = range_for(plan);
	if (plan->shift_rows)
		read_shifted(plan, first, n, classes);
	else
		plan->kernels->targets[targets->dtype].read(tensor_at(targets, first), n, &range,
							    classes);
	if (plan->present[LOSS_ROLE_MASK])
		apply_mask(plan, first, n, classes);
}

void targets_read_counted(const struct loss_plan *plan, size_t first, size_t n, int64_t *classes)
{
	if (plan->target_kind == TARGETS_INDICES) {
		targets_read(plan, first, n, classes);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		bool counts = !plan_is_last(plan, first + i) && !plan_is_masked(plan, first + i);
		classes[i] = counts ? 0 : TARGET_IGNORED;
	}
}

#define READ_TOGETHER ((size_t)256)

size_t targets_visit(const struct loss_plan *plan, row_visit_fn *visit, void *context)
{
	int64_t classes[READ_TOGETHER];
	for (size_t r = 0, n; r < plan->rows; r += n) {
		n = plan->rows - r < READ_TOGETHER ? plan->rows - r : READ_TOGETHER;
		targets_read_counted(plan, r, n, classes);
		for (size_t i = 0; i < n; i++)
			if (classes[i] >= 0 && !visit(plan, r + i, context))
				return r + i;
	}
	return plan->rows;
}

/* Counting is made for many targets alone: few, and what stands beside a mask, are read instead. */
static bool count_read(const struct loss_plan *plan, size_t *ignored)
{
	int64_t classes[READ_TOGETHER];
	size_t invalid = 0;
	for (size_t r = 0, n; r < plan->rows; r += n) {
		n = plan->rows - r < READ_TOGETHER ? plan->rows - r : READ_TOGETHER;
		targets_read(plan, r, n, classes);
		for (size_t i = 0; i < n; i++) {
			invalid += classes[i] == TARGET_INVALID;
			*ignored += classes[i] == TARGET_IGNORED;
		}
	}
	return invalid == 0;
}

bool targets_count(const struct loss_plan *plan, size_t *ignored)
{
	const struct loss_tensor *targets = &plan->tensors[LOSS_ROLE_TARGETS];
	struct target_range range = range_for(plan);
	*ignored = 0;
	if (plan->rows <= LANES || plan->present[LOSS_ROLE_MASK])
		return count_read(plan, ignored);
	if (!plan->shift_rows)
		return plan->kernels->targets[targets->dtype].count(targets->data, plan->rows,
								    &range, ignored);
	count_targets_fn *count = plan->kernels->targets[targets->dtype].count;
	bool valid = true;
	for (size_t r = 0; r < plan->rows; r += plan->shift_rows) {
		valid &= count(tensor_at(targets, r + 1), plan->shift_rows - 1, &range, ignored);
		*ignored += 1;
	}
	return valid;
}
