#include "values.h"

#include <float.h>
#include <stdio.h>
#include <string.h>

#include "describe.h"
#include "entries.h"
#include "kernel/element.h"
#include "names.h"
#include "status.h"
#include "targets.h"

#define CHECKED_TOGETHER ((size_t)1024)

/* Whether n floats are in a range: no branch on the values, so that it is done in vectors. */
static bool are_within(const float *x, size_t n, const struct loss_range *range)
{
	float min = range->min > (double)-FLT_MAX ? (float)range->min : -FLT_MAX;
	float max = range->max < (double)FLT_MAX ? (float)range->max : FLT_MAX;
	unsigned outside = 0;
	for (size_t i = 0; i < n; i++)
		outside |= !(x[i] >= min) | !(x[i] <= max);
	return outside == 0;
}

/* Whether the entry i of what has one a row is read: of rows that are shifted the first is not, and
 * what the mask leaves out is not. */
static bool entry_is_read(const struct loss_plan *plan, size_t i)
{
	if (plan->shift_rows && i % plan->shift_rows == 0)
		return false;
	return !plan_is_masked(plan, i - (plan->shift_rows > 0));
}

static bool is_ignored(const struct loss_plan *plan, size_t r)
{
	int64_t class;
	if (plan->target_kind != TARGETS_INDICES ||
	    entry_beyond(plan, LOSS_ROLE_TARGETS, plan_target_row(plan, r)))
		return false;
	targets_read(plan, r, 1, &class);
	return class == TARGET_IGNORED;
}

/* Whether element i of a tensor is of something that counts: of all else nothing is checked. */
static bool element_counts(const struct loss_plan *plan, const struct loss_tensor_info *info,
			   size_t i)
{
	if (plan->loss->info.element_wise)
		return plan->tensors[info->role].count != plan->rows ||
		       element_factor(plan, LOSS_ROLE_MASK, i) != 0.0;
	if (info->extent != LOSS_EXTENT_ROWS)
		return true;
	if (info->extra_axis)
		i /= plan->extra;
	return entry_is_read(plan, i) && !is_ignored(plan, i - (plan->shift_rows > 0));
}

static bool is_within(double x, const struct loss_range *range)
{
	return x == x ? x >= range->min && x <= range->max : range->nan_allowed;
}

/* The first of the elements [i, end) that counts and is not in its range, or end. NaN is in none.
 */
static size_t first_outside(const struct loss_plan *plan, const struct loss_tensor_info *info,
			    size_t i, size_t end)
{
	for (; i < end; i++) {
		double x = tensor_number(&plan->tensors[info->role], i);
		if (!is_within(x, &info->range) && element_counts(plan, info, i))
			break;
	}
	return i;
}

/* The first that is not in its range and that an element of the input reads which counts, of a
 * tensor that broadcasts; or the count. */
static size_t first_outside_read(const struct loss_plan *plan, const struct loss_tensor_info *info)
{
	const struct loss_tensor *tensor = &plan->tensors[info->role];
	for (size_t i = 0; i < plan->rows; i++) {
		size_t place = element_place(plan, info->role, i);
		if (!is_within(tensor_number(tensor, place), &info->range) &&
		    element_factor(plan, LOSS_ROLE_MASK, i) != 0.0)
			return place;
	}
	return tensor->count;
}

static loss_status element_out_of_range(const struct loss_plan *plan,
					const struct loss_tensor_info *info, size_t i,
					struct loss_error *err)
{
	bool probability = info->range.min == 0.0 && info->range.max == 1.0;
	char value[ENTRY_CHARS], range[LOSS_PHRASE_CHARS], but[LOSS_PHRASE_CHARS + 32];
	snprintf(value, sizeof value, "%.9g", tensor_number(&plan->tensors[info->role], i));
	describe_range(&info->range, false, range, sizeof range);
	snprintf(but, sizeof but, "must be %s%s", probability ? "a probability, " : "", range);
	return entry_fail(plan, info, i, value, LOSS_ARGUMENT_OUT_OF_RANGE, but, err);
}

/* Fails at the first element of a tensor that counts and is not in its range. */
static loss_status check_range(const struct loss_plan *plan, const struct loss_tensor_info *info,
			       struct loss_error *err)
{
	const struct loss_tensor *tensor = &plan->tensors[info->role];
	if (plan->loss->info.element_wise && plan->present[LOSS_ROLE_MASK] &&
	    tensor->count != plan->rows) {
		size_t found = first_outside_read(plan, info);
		return found < tensor->count ? element_out_of_range(plan, info, found, err)
					     : LOSS_OK;
	}
	for (size_t i = 0, n; i < tensor->count; i += n) {
		n = tensor->count - i < CHECKED_TOGETHER ? tensor->count - i : CHECKED_TOGETHER;
		if (tensor->dtype == LOSS_F32 &&
		    are_within((const float *)tensor->data + i, n, &info->range))
			continue;
		size_t found = first_outside(plan, info, i, i + n);
		if (found < i + n)
			return element_out_of_range(plan, info, found, err);
	}
	return LOSS_OK;
}

static loss_status index_out_of_bounds(const struct loss_plan *plan,
				       const struct loss_tensor_info *info, size_t i,
				       struct loss_error *err)
{
	char value[ENTRY_CHARS], advice[120] = "", but[240];
	entry_format(plan, info->role, i, value, sizeof value);
	bool padding = value[0] == '-' && info->role == LOSS_ROLE_TARGETS &&
		       !entry_beyond(plan, info->role, i);
	if (padding && !plan->loss->counts_rows)
		snprintf(advice, sizeof advice, "; ignore_index=%s leaves such rows out", value);
	else if (plan->classes == 1)
		snprintf(advice, sizeof advice,
			 "; binary_cross_entropy_with_logits has one logit for two classes");
	snprintf(but, sizeof but, "there %s %zu class%s (0..%zu)%s",
		 plan->classes == 1 ? "is" : "are", plan->classes, plan->classes == 1 ? "" : "es",
		 plan->classes - 1, advice);
	return entry_fail(plan, info, i, value, LOSS_TARGET_OUT_OF_BOUNDS, but, err);
}

/* The first target that is read and fits no integer type; NULL: none. */
static const struct loss_beyond *first_beyond(const struct loss_plan *plan)
{
	const struct beyond *beyond = &plan->beyond[LOSS_ROLE_TARGETS];
	for (size_t k = 0; k < beyond->n; k++)
		if (entry_is_read(plan, beyond->elements[k].flat_index))
			return &beyond->elements[k];
	return NULL;
}

/* The first target that is no class, at `beyond` at the latest, unless that is NULL. */
static loss_status first_invalid_target(const struct loss_plan *plan,
					const struct loss_beyond *beyond, struct loss_error *err)
{
	size_t r = 0, i = 0;
	int64_t class = 0;
	while (class != TARGET_INVALID) {
		i = plan_target_row(plan, r);
		if (beyond && beyond->flat_index == i)
			break;
		targets_read(plan, r++, 1, &class);
	}
	return index_out_of_bounds(plan, names_tensor_of_role(&plan->loss->info, LOSS_ROLE_TARGETS),
				   i, err);
}

/* Bytes of BOOL are 0 or 1: everything after trusts that. */
static loss_status check_booleans(const struct loss_plan *plan, const struct loss_tensor_info *info,
				  struct loss_error *err)
{
	const struct loss_tensor *tensor = &plan->tensors[info->role];
	const unsigned char *bytes = tensor->data;
	char value[ENTRY_CHARS];
	unsigned char all = 0;
	size_t i = 0;
	for (size_t k = 0; k < tensor->count; k++)
		all |= bytes[k];
	if (all <= 1)
		return LOSS_OK;
	while (bytes[i] <= 1)
		i++;
	snprintf(value, sizeof value, "%u", bytes[i]);
	return entry_fail(plan, info, i, value, LOSS_ARGUMENT_OUT_OF_RANGE,
			  "an element of BOOL is the byte 0 or 1", err);
}

/* Whether what is stored as element i is a class; or -1, where the table allows it. */
static bool is_index(const struct loss_plan *plan, const struct loss_tensor_info *info, size_t i)
{
	struct class_index y = tensor_class_index(&plan->tensors[info->role], i);
	if (y.negative)
		return y.value == UINT64_MAX && info->range.min == -1.0;
	return y.value < plan->classes;
}

/* Class indices that are no targets, of what counts. */
static loss_status check_indices(const struct loss_plan *plan, const struct loss_tensor_info *info,
				 struct loss_error *err)
{
	for (size_t i = 0; i < plan->tensors[info->role].count; i++) {
		bool beyond = entry_beyond(plan, info->role, i) != NULL;
		if ((beyond || !is_index(plan, info, i)) && element_counts(plan, info, i))
			return index_out_of_bounds(plan, info, i, err);
	}
	return LOSS_OK;
}

/* Rows of each class are counted in so many places in turn: an addition does not wait for the last
 * one to the same class. */
#define COUNTERS 4
#define COUNTED_CLASSES 1024

/* Of few classes the rows of each are counted first: exact, in whatever order. */
static void sum_weights_of_few(struct loss_plan *plan)
{
	size_t counts[COUNTERS][COUNTED_CLASSES + 1]; /* the last: of rows that do not count */
	int64_t classes[CHECKED_TOGETHER];
	for (size_t k = 0; k < COUNTERS; k++) {
		memset(counts[k], 0, plan->classes * sizeof counts[k][0]);
		counts[k][COUNTED_CLASSES] = 0;
	}
	for (size_t first = 0; first < plan->rows; first += CHECKED_TOGETHER) {
		size_t left = plan->rows - first,
		       n = left < CHECKED_TOGETHER ? left : CHECKED_TOGETHER;
		targets_read(plan, first, n, classes);
		for (size_t i = 0; i < n; i++)
			counts[i % COUNTERS]
			      [classes[i] < 0 ? COUNTED_CLASSES : (size_t)classes[i]]++;
	}
	for (size_t c = 0; c < plan->classes; c++) {
		size_t n = counts[0][c] + counts[1][c] + counts[2][c] + counts[3][c];
		exact_sum_add_times(&plan->weights, plan_class_weight(plan, c), n);
	}
}

/* Else row by row. */
static void sum_weights_of_many(struct loss_plan *plan)
{
	int64_t classes[LANES];
	for (size_t first = 0; first < plan->rows; first += LANES) {
		size_t n = plan->rows - first < LANES ? plan->rows - first : LANES;
		targets_read(plan, first, n, classes);
		for (size_t i = 0; i < n; i++)
			if (classes[i] >= 0)
				exact_sum_add(&plan->weights,
					      plan_class_weight(plan, (size_t)classes[i]) *
						      plan_row_weight(plan, first + i));
	}
}

static void settle_weights(struct loss_plan *plan)
{
	struct sum weights = exact_sum_parts(&plan->weights);
	plan->denominator = weights.high;
	plan->divisor_low = weights.low;
	plan->weighed = true;
}

/* The sum of the counted rows' weights: of each that of its class times its own. */
static void sum_weights(struct loss_plan *plan)
{
	bool few = plan->classes <= COUNTED_CLASSES && plan->classes <= plan->rows &&
		   !plan->present[LOSS_ROLE_ROW_WEIGHT];
	exact_sum_clear(&plan->weights);
	if (few)
		sum_weights_of_few(plan);
	else
		sum_weights_of_many(plan);
	settle_weights(plan);
}

/* Range-checks class indices, counts rows and adds up their weights. */
static loss_status check_targets(struct loss_plan *plan, struct loss_error *err)
{
	size_t ignored;
	const struct loss_beyond *beyond = first_beyond(plan);
	if (!targets_count(plan, &ignored) || beyond)
		return first_invalid_target(plan, beyond, err);
	plan->counted = plan->rows - ignored;
	plan->denominator = (double)plan->counted;
	if (plan_weighs_rows(plan))
		sum_weights(plan);
	return LOSS_OK;
}

/* Which rows count and what they weigh, where no class index has a say in it. */
static void count_weighted_rows(struct loss_plan *plan)
{
	plan->counted = 0;
	exact_sum_clear(&plan->weights);
	for (size_t r = 0; r < plan->rows; r++) {
		if (plan_is_last(plan, r) || plan_is_masked(plan, r))
			continue;
		plan->counted++;
		exact_sum_add(&plan->weights, plan_row_weight(plan, r));
	}
	settle_weights(plan);
}

/* Every element of the mask stands for as many of the input. */
static size_t count_elements(const struct loss_plan *plan)
{
	const struct loss_tensor *mask = &plan->tensors[LOSS_ROLE_MASK];
	const unsigned char *elements = mask->data;
	size_t kept = 0;
	if (!plan->present[LOSS_ROLE_MASK] || mask->count == 0)
		return plan->rows;
	for (size_t i = 0; i < mask->count; i++)
		kept += elements[i] != 0;
	return kept * (plan->rows / mask->count);
}

/* Rows and the natural denominator where neither depends on the targets' values. */
static void count_rows(struct loss_plan *plan)
{
	bool classes = !plan->loss->info.element_wise && plan->target_kind != TARGETS_INDICES;
	if (classes && (plan->present[LOSS_ROLE_MASK] || plan->present[LOSS_ROLE_ROW_WEIGHT])) {
		count_weighted_rows(plan);
		return;
	}
	plan->counted = plan->loss->info.element_wise ? count_elements(plan) : plan->rows;
	if (plan->shift_rows)
		plan->counted -= plan->rows / plan->shift_rows;
	plan->denominator = (double)plan->counted;
	if (plan->loss->weighs_mean && plan->present[LOSS_ROLE_WEIGHT]) {
		exact_sum_clear(&plan->weights);
		element_sum_weights(plan, &plan->weights);
		settle_weights(plan);
	}
	if (plan->reduction == REDUCTION_BATCHMEAN)
		plan->denominator = (double)plan->tensors[LOSS_ROLE_INPUT].shape[0];
}

loss_status values_check(struct loss_plan *plan, struct loss_error *err)
{
	const struct loss_info *loss = &plan->loss->info;
	for (size_t i = 0; i < loss->n_tensors; i++) {
		const struct loss_tensor_info *info = &loss->tensors[i];
		bool indices = info->kinds == LOSS_KIND_INDEX && info->role != LOSS_ROLE_TARGETS;
		if (!plan->present[info->role] || !plan->tensors[info->role].data)
			continue; /* or it is still to come */
		if (plan->tensors[info->role].dtype == LOSS_BOOL)
			TRY(check_booleans(plan, info, err));
		else if (indices)
			TRY(check_indices(plan, info, err));
		else if (range_is_bounded(&info->range))
			TRY(check_range(plan, info, err));
	}
	count_rows(plan);
	return plan->target_kind == TARGETS_INDICES ? check_targets(plan, err) : LOSS_OK;
}
