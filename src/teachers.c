#include "teachers.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "entries.h"
#include "kernel/divergence/listed.h"
#include "names.h"
#include "status.h"
#include "targets.h"

#define TEACHER_LOGITS LOSS_ROLE_OWN_1

static const char *name_of(const struct loss_plan *plan, loss_role role)
{
	return names_tensor_of_role(&plan->loss->info, role)->name;
}

/* ---------------------------------------------------------------- what goes together */

static loss_status check_teacher(const struct loss_plan *plan, struct loss_error *err)
{
	const bool *present = plan->present;
	loss_role beside = present[LISTED_CLASSES] ? LISTED_CLASSES : LISTED_LOG_PROBS;
	if (present[TEACHER_LOGITS] && present[beside])
		return loss_fail(
			err, LOSS_ARGUMENT_OUT_OF_RANGE, name_of(plan, beside),
			"%s is given, but must be left out beside %s: there is one teacher",
			name_of(plan, beside), name_of(plan, TEACHER_LOGITS));
	if (present[TEACHER_LOGITS] || present[LISTED_LOG_PROBS])
		return LOSS_OK;
	if (present[LISTED_CLASSES])
		return loss_fail(err, LOSS_MISSING_FIELD, name_of(plan, LISTED_LOG_PROBS),
				 "teacher_indices needs teacher_log_probs, of its shape");
	return loss_fail(err, LOSS_MISSING_FIELD, name_of(plan, TEACHER_LOGITS),
			 "divergence needs teacher_logits, of the shape of logits; or "
			 "teacher_log_probs of that shape, or of the shape of teacher_indices "
			 "beside these");
}

loss_status teachers_check_fields(const struct loss_plan *plan, struct loss_error *err)
{
	TRY(check_teacher(plan, err));
	if (plan->args.hard_weight > 0.0 && !plan->present[LOSS_ROLE_TARGETS])
		return loss_fail(err, LOSS_MISSING_FIELD, "targets",
				 "hard_weight is %g, which needs targets: a class for each row",
				 plan->args.hard_weight);
	return LOSS_OK;
}

/* ---------------------------------------------------------------- in order */

/* Places of a row by their classes, those that are empty last; of equal ones by themselves. */
struct order {
	const struct loss_tensor *classes;
	size_t first;
	uint32_t *places;
};

static uint64_t class_at(const struct order *order, uint32_t place)
{
	struct class_index y = tensor_class_index(order->classes, order->first + place);
	return y.negative ? UINT64_MAX : y.value;
}

static bool is_after(const struct order *order, uint32_t a, uint32_t b)
{
	uint64_t x = class_at(order, a), y = class_at(order, b);
	return x > y || (x == y && a > b);
}

/* The heap of n places whose top alone may be out of order. */
static void sink(struct order *order, size_t top, size_t n)
{
	uint32_t *places = order->places, moved = places[top];
	for (size_t child; (child = 2 * top + 1) < n; top = child) {
		if (child + 1 < n && is_after(order, places[child + 1], places[child]))
			child++;
		if (!is_after(order, places[child], moved))
			break;
		places[top] = places[child];
	}
	places[top] = moved;
}

/* By a heap: neither memory nor rows that take long. */
static void sort(struct order *order, size_t n)
{
	uint32_t *places = order->places;
	for (size_t i = 0; i < n; i++)
		places[i] = (uint32_t)i;
	for (size_t i = n / 2; i-- > 0;)
		sink(order, i, n);
	for (size_t i = n; i-- > 1;) {
		uint32_t last = places[i];
		places[i] = places[0];
		places[0] = last;
		sink(order, 0, i);
	}
}

/* The first place whose class another one before it has, or n. */
static size_t first_twice(const struct order *order, size_t n)
{
	size_t first = n;
	for (size_t i = 1; i < n; i++) {
		uint64_t class = class_at(order, order->places[i]);
		if (class == class_at(order, order->places[i - 1]) && class != UINT64_MAX &&
		    order->places[i] < first)
			first = order->places[i];
	}
	return first;
}

/* ---------------------------------------------------------------- row by row */

/* What a sum of rounded probabilities may be more than 1. */
static double allowance(loss_dtype dtype)
{
	bool coarse = dtype == LOSS_BF16 || dtype == LOSS_F8_E4M3 || dtype == LOSS_F8_E5M2;
	return coarse ? 0x1p-4 : 0x1p-7;
}

struct visit {
	size_t twice; /* the element that is listed twice, where the visit ended so */
	bool is_twice;
	size_t full; /* rows whose bucket is left out */
};

static bool check_row(const struct loss_plan *plan, size_t r, void *context)
{
	struct visit *visit = context;
	size_t first = r * plan->extra;
	struct order order = {&plan->tensors[LISTED_CLASSES], first, plan->listed + first};
	struct listed listed;
	sort(&order, plan->extra);
	visit->twice = first_twice(&order, plan->extra);
	visit->is_twice = visit->twice < plan->extra;
	if (visit->is_twice)
		return false;
	listed_read(&listed, plan, r);
	visit->full += listed.n < plan->classes && listed.rest <= 0.0;
	return !(listed.rest < -allowance(listed.log_probs->dtype));
}

static loss_status listed_twice(const struct loss_plan *plan, size_t i, struct loss_error *err)
{
	char value[ENTRY_CHARS];
	entry_format(plan, LISTED_CLASSES, i, value, sizeof value);
	return entry_fail(plan, names_tensor_of_role(&plan->loss->info, LISTED_CLASSES), i, value,
			  LOSS_TARGET_OUT_OF_BOUNDS,
			  "each class may be listed once in a row (-1 is an empty place)", err);
}

/* At the row's first log-probability. */
static loss_status more_than_1(const struct loss_plan *plan, size_t r, struct loss_error *err)
{
	const struct loss_tensor *tensor = &plan->tensors[LISTED_LOG_PROBS];
	struct listed listed;
	listed_read(&listed, plan, r);
	loss_fail(err, LOSS_ARGUMENT_OUT_OF_RANGE, name_of(plan, LISTED_LOG_PROBS),
		  "%s of row %zu are logarithms of probabilities that add up to %.9g, but must "
		  "come to at most %.9g",
		  name_of(plan, LISTED_LOG_PROBS), r, sum_value(&listed.all),
		  1.0 + allowance(tensor->dtype));
	loss_error_set_index(err, r * plan->extra, tensor->shape, tensor->rank);
	return LOSS_ARGUMENT_OUT_OF_RANGE;
}

static loss_status warn_of_full_rows(struct loss_plan *plan, size_t full, struct loss_arena *arena,
				     struct loss_error *err)
{
	if (full == 0 || plan->args.tail != TAIL_BUCKET)
		return LOSS_OK;
	const char *warning = loss_arena_printf(
		arena,
		"%zu row%s list%s probabilities that come to 1 or more: the other classes are left "
		"out there",
		full, full == 1 ? "" : "s", full == 1 ? "s" : "");
	if (!warning)
		return loss_arena_failure(arena, err);
	plan_warn(plan, warning);
	return LOSS_OK;
}

static loss_status check_listed(struct loss_plan *plan, struct loss_arena *arena,
				struct loss_error *err)
{
	struct visit visit = {0};
	if (plan->extra > UINT32_MAX)
		return loss_fail(
			err, LOSS_SHAPE_MISMATCH, "teacher_indices",
			"teacher_indices lists %zu classes a row, but must list at most %" PRIu32,
			plan->extra, UINT32_MAX);
	plan->listed = loss_arena_array(arena, uint32_t, plan->tensors[LISTED_CLASSES].count);
	if (!plan->listed)
		return loss_arena_failure(arena, err);
	size_t r = targets_visit(plan, check_row, &visit);
	if (r < plan->rows && visit.is_twice)
		return listed_twice(plan, r * plan->extra + visit.twice, err);
	if (r < plan->rows)
		return more_than_1(plan, r, err);
	return warn_of_full_rows(plan, visit.full, arena, err);
}

static void warn_of_idle(struct loss_plan *plan)
{
	const struct loss_args *args = &plan->args;
	if (argument_given(args, ARGUMENT_BETA) && args->kind != KIND_JSD)
		plan_warn(plan, "beta has no effect unless kind is \"jsd\"");
	if (argument_given(args, ARGUMENT_TAIL) && !plan->present[LISTED_CLASSES])
		plan_warn(plan, "tail has no effect without teacher_indices");
	if (argument_given(args, ARGUMENT_IGNORE_INDEX) && !plan->present[LOSS_ROLE_TARGETS])
		plan_warn(plan, "ignore_index has no effect without targets");
}

loss_status teachers_check_elements(struct loss_plan *plan, struct loss_arena *arena,
				    struct loss_error *err)
{
	warn_of_idle(plan);
	return plan->present[LISTED_CLASSES] ? check_listed(plan, arena, err) : LOSS_OK;
}
