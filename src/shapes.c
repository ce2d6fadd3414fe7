#include "shapes.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define SHAPE_CHARS 200

static loss_status shape_mismatch(const char *name, const struct loss_tensor *tensor,
				  const char *must_be, struct loss_error *err)
{
	char shape[SHAPE_CHARS];
	loss_tensor_format_shape(tensor, shape, sizeof shape);
	return loss_fail(err, LOSS_SHAPE_MISMATCH, name, "%s has shape %s, but must have %s", name,
			 shape, must_be);
}

/* A tensor must have the shape `expected`, which `because` explains. */
static loss_status wrong_shape(const char *name, const struct loss_tensor *tensor,
			       const struct loss_tensor *expected, const char *because,
			       struct loss_error *err)
{
	char shape[SHAPE_CHARS];
	char must_be[SHAPE_CHARS + 320];
	loss_tensor_format_shape(expected, shape, sizeof shape);
	snprintf(must_be, sizeof must_be, "%s, %s", shape, because);
	return shape_mismatch(name, tensor, must_be, err);
}

/* Only a language model's layout has a next row. */
static loss_status check_shift(struct loss_plan *plan, const char *name, struct loss_error *err)
{
	const struct loss_tensor *input = &plan->tensors[LOSS_ROLE_INPUT];
	if (!plan->args.shift)
		return LOSS_OK;
	char must_be[160];
	snprintf(must_be, sizeof must_be,
		 "the class-last form (B, T, V) with class_axis -1 (it is %d) where shift is true",
		 (int)plan->args.class_axis);
	if (input->rank != 3 || plan->args.class_axis != -1)
		return shape_mismatch(name, input, must_be, err);
	plan->shift_rows = input->shape[1];
	return LOSS_OK;
}

/* Sequences are the first axis of several. */
static loss_status check_sequences(struct loss_plan *plan, const char *name, struct loss_error *err)
{
	const struct loss_tensor *rows = &plan->rows_shape;
	if (plan->reduction != REDUCTION_SEQUENCE_MEAN)
		return LOSS_OK;
	if (rows->rank < 2)
		return shape_mismatch(name, &plan->tensors[LOSS_ROLE_INPUT],
				      "sequences of rows, such as (B, T, V) with class_axis -1, "
				      "for reduction \"sequence_mean\"",
				      err);
	plan->sequences.n = rows->shape[0];
	plan->sequences.rows = rows->shape[0] ? rows->count / rows->shape[0] : 0;
	return LOSS_OK;
}

/* (outer, classes, inner) and the shape of the rows. */
static loss_status class_geometry(struct loss_plan *plan, const char *name, struct loss_error *err)
{
	const struct loss_tensor *input = &plan->tensors[LOSS_ROLE_INPUT];
	if (input->rank == 0)
		return shape_mismatch(name, input, "a class axis: (C), (N, C) or (N, C, d1..dK)",
				      err);
	if (plan->loss->most_axes && input->rank > plan->loss->most_axes)
		return shape_mismatch(name, input, "the form (C) or (N, C)", err);
	int axis = plan->args.class_axis == -1 ? input->rank - 1 : input->rank > 1;
	if (input->shape[axis] == 0) {
		char must_be[80];
		snprintf(must_be, sizeof must_be, "at least one class on axis %d", axis);
		return shape_mismatch(name, input, must_be, err);
	}
	TRY(check_shift(plan, name, err));
	plan->classes = input->shape[axis];
	plan->inner = 1;
	struct loss_tensor *rows = &plan->rows_shape;
	rows->rank = 0;
	for (int i = 0; i < input->rank; i++) {
		if (i != axis)
			rows->shape[rows->rank++] = input->shape[i];
		if (i > axis)
			plan->inner *= input->shape[i];
	}
	plan->rows = input->count / plan->classes;
	rows->count = plan->rows;
	return check_sequences(plan, name, err);
}

/* Every element is a row. */
static loss_status element_geometry(struct loss_plan *plan, const char *name,
				    struct loss_error *err)
{
	const struct loss_tensor *input = &plan->tensors[LOSS_ROLE_INPUT];
	plan->rows_shape = *input;
	plan->rows = input->count;
	plan->classes = plan->inner = 1;
	if (plan->reduction == REDUCTION_BATCHMEAN && input->rank == 0)
		return shape_mismatch(name, input, "a first axis for reduction \"batchmean\"", err);
	return LOSS_OK;
}

/* ---------------------------------------------------------------- the other tensors */

static const char *input_name(const struct loss_plan *plan)
{
	return plan->loss->info.tensors[0].name;
}

/* The shape that follows from an extent, in `own` where no tensor of the plan has it; NULL where
 * there is more than one. */
static const struct loss_tensor *shape_of(const struct loss_plan *plan, loss_extent extent,
					  struct loss_tensor *own)
{
	static const struct loss_tensor scalar = {.count = 1};
	switch (extent) {
	case LOSS_EXTENT_SCALAR:
		return &scalar;
	case LOSS_EXTENT_CLASSES:
		*own = (struct loss_tensor){
			.rank = 1, .shape = {plan->classes}, .count = plan->classes};
		return own;
	case LOSS_EXTENT_ROWS:
		return &plan->rows_shape;
	case LOSS_EXTENT_INPUT:
		return &plan->tensors[LOSS_ROLE_INPUT];
	case LOSS_EXTENT_LOSS:
		return plan->reduction == REDUCTION_NONE ? &plan->rows_shape : &scalar;
	case LOSS_EXTENT_GROUPS:
		*own = (struct loss_tensor){
			.rank = 1, .shape = {plan->groups.n}, .count = plan->groups.n};
		return own;
	case LOSS_EXTENT_QUANTILES:
		*own = (struct loss_tensor){
			.rank = 1, .shape = {LOSS_N_QUANTILES}, .count = LOSS_N_QUANTILES};
		return own;
	case LOSS_EXTENT_TARGETS:
	case LOSS_EXTENT_BROADCAST:
	case LOSS_EXTENT_BROADCAST_ROWS:
	case LOSS_EXTENT_ROWS_OR_GROUPS:
	case LOSS_EXTENT_LISTED:
		break;
	}
	return NULL;
}

/* Why a tensor must have it. */
static void explain(const struct loss_plan *plan, loss_extent extent, char *out, size_t size)
{
	switch (extent) {
	case LOSS_EXTENT_CLASSES:
		snprintf(out, size, "one factor for each class");
		break;
	case LOSS_EXTENT_ROWS:
		snprintf(out, size,
			 plan->loss->info.element_wise ? "that of %s"
						       : "that of %s without the class axis",
			 input_name(plan));
		break;
	case LOSS_EXTENT_TARGETS:
		snprintf(out, size,
			 "that of %s without the class axis (or all of that, for probabilities)",
			 input_name(plan));
		break;
	case LOSS_EXTENT_LOSS:
		snprintf(out, size, "the shape of what it is the gradient of");
		break;
	case LOSS_EXTENT_ROWS_OR_GROUPS:
		snprintf(out, size,
			 "that of %s without the class axis, or beside groups one axis, an entry "
			 "for each group",
			 input_name(plan));
		break;
	case LOSS_EXTENT_SCALAR:
	case LOSS_EXTENT_INPUT:
	case LOSS_EXTENT_BROADCAST:
	case LOSS_EXTENT_BROADCAST_ROWS:
	case LOSS_EXTENT_GROUPS:
	case LOSS_EXTENT_QUANTILES:
	case LOSS_EXTENT_LISTED:
		snprintf(out, size, "that of %s", input_name(plan));
		break;
	}
}

/* The input's without its last axis is that with one of length 1. Where both readings fit, as
 * beside an input of (3, 3), this one is PyTorch's. */
static void keep_last_axis(struct loss_plan *plan, struct loss_tensor *tensor)
{
	const struct loss_tensor *input = &plan->tensors[LOSS_ROLE_INPUT];
	bool rows = tensor->rank + 1 == input->rank;
	for (int i = 0; rows && i < tensor->rank; i++)
		rows = tensor->shape[i] == input->shape[i];
	if (!rows)
		return;
	tensor->shape[tensor->rank++] = 1;
	plan->added_axes = 1;
}

/* Right-aligned, each dimension the input's or 1. */
static loss_status check_broadcast(struct loss_plan *plan, const struct loss_tensor_info *info,
				   struct loss_error *err)
{
	bool by_row = info->extent == LOSS_EXTENT_BROADCAST_ROWS;
	struct loss_tensor *tensor = &plan->tensors[info->role];
	const struct loss_tensor *input = &plan->tensors[LOSS_ROLE_INPUT];
	if (by_row)
		keep_last_axis(plan, tensor);
	bool fits = tensor->rank <= input->rank;
	for (int i = 1; fits && i <= tensor->rank; i++) {
		size_t n = tensor->shape[tensor->rank - i];
		fits = n == 1 || n == input->shape[input->rank - i];
	}
	if (fits)
		return LOSS_OK;
	char shape[SHAPE_CHARS];
	char must_be[SHAPE_CHARS + 120];
	loss_tensor_format_shape(input, shape, sizeof shape);
	snprintf(must_be, sizeof must_be, "a shape that broadcasts to that of %s, %s%s",
		 input_name(plan), shape, by_row ? ", or that without its last axis" : "");
	return shape_mismatch(info->name, tensor, must_be, err);
}

/* Targets of the input's own shape are probabilities, else they must be class indices. */
static bool have_probabilities(const struct loss_plan *plan, const struct loss_tensor_info *info)
{
	return info->extent == LOSS_EXTENT_TARGETS &&
	       tensor_same_shape(&plan->tensors[info->role], &plan->tensors[LOSS_ROLE_INPUT]);
}

static enum target_kind target_kind_of(const struct loss_plan *plan,
				       const struct loss_tensor_info *info)
{
	if (plan->loss->info.element_wise)
		return TARGETS_ELEMENTS;
	if (!(info->kinds & LOSS_KIND_INDEX))
		return TARGETS_PROBABILITIES;
	return have_probabilities(plan, info) ? TARGETS_PROBABILITIES : TARGETS_INDICES;
}

/* The types of targets that may be either depend on which they are. */
static loss_status check_target_dtype(const struct loss_plan *plan,
				      const struct loss_tensor_info *info, struct loss_error *err)
{
	const struct loss_dtype_traits *dtype = &dtype_table[plan->tensors[info->role].dtype];
	bool is_float = dtype->dtype_class == LOSS_CLASS_FLOAT;
	char floats[96];
	if (info->extent != LOSS_EXTENT_TARGETS || is_float == have_probabilities(plan, info))
		return LOSS_OK;
	if (is_float)
		return loss_fail(
			err, LOSS_DTYPE_MISMATCH, info->name,
			"%s have the shape of class indices, so they must be integers, not %s; "
			"probabilities have that of %s",
			info->name, dtype->name, input_name(plan));
	dtypes_format(LOSS_FLOAT_DTYPES, floats, sizeof floats);
	return loss_fail(err, LOSS_DTYPE_MISMATCH, info->name,
			 "%s have the shape of %s, so they are probabilities and must be "
			 "one of %s, not %s; class indices have one axis less%s",
			 info->name, input_name(plan), floats, dtype->name,
			 plan->rows_shape.rank == 0 ? ", and what has one axis is one row" : "");
}

/* One axis more than `expected`, as long as in the loss's other tensors that have it. */
static loss_status check_extra_axis(struct loss_plan *plan, const struct loss_tensor_info *info,
				    struct loss_tensor *expected, struct loss_error *err)
{
	const struct loss_tensor *tensor = &plan->tensors[info->role];
	size_t last = tensor->rank > 0 ? tensor->shape[tensor->rank - 1] : 0;
	char shape[SHAPE_CHARS], must_be[SHAPE_CHARS + 80];
	if (expected->rank == LOSS_MAX_RANK || tensor->rank != expected->rank + 1 || last == 0) {
		loss_tensor_format_shape(expected, shape, sizeof shape);
		snprintf(must_be, sizeof must_be, "%s and one more axis, of at least 1", shape);
		return shape_mismatch(info->name, tensor, must_be, err);
	}
	plan->extra = plan->extra ? plan->extra : last;
	expected->shape[expected->rank++] = plan->extra;
	return LOSS_OK;
}

/* The shape of what is left without the axis. */
static void drop_axis(const struct loss_tensor *input, int axis, struct loss_tensor *rest)
{
	*rest = (struct loss_tensor){.count = input->count / input->shape[axis]};
	for (int i = 0; i < input->rank; i++)
		if (i != axis)
			rest->shape[rest->rank++] = input->shape[i];
}

/* Whether the tensor would have the right shape if the classes were on that axis of the input. */
static bool fits_axis(const struct loss_plan *plan, const struct loss_tensor_info *info, int axis)
{
	const struct loss_tensor *input = &plan->tensors[LOSS_ROLE_INPUT];
	const struct loss_tensor *tensor = &plan->tensors[info->role];
	bool all = info->extent == LOSS_EXTENT_TARGETS && tensor_same_shape(tensor, input);
	bool rows = info->extent == LOSS_EXTENT_ROWS || info->extent == LOSS_EXTENT_TARGETS ||
		    (info->extent == LOSS_EXTENT_LOSS && plan->reduction == REDUCTION_NONE);
	struct loss_tensor rest;
	if (info->extent == LOSS_EXTENT_CLASSES)
		return tensor->rank == 1 && tensor->shape[0] == input->shape[axis];
	drop_axis(input, axis, &rest);
	return all || !rows || (!info->extra_axis && tensor_same_shape(tensor, &rest));
}

/* Whether all tensors would have the right shapes if the classes were on the input's other axis. */
static bool fit_other_axis(const struct loss_plan *plan)
{
	const struct loss_tensor *input = &plan->tensors[LOSS_ROLE_INPUT];
	const struct loss_info *loss = &plan->loss->info;
	int axis = plan->args.class_axis == -1 ? 1 : input->rank - 1;
	/* What is shifted has its classes last, whatever else is wrong. */
	if (plan->args.shift || loss->element_wise || input->rank < 3 || input->shape[axis] == 0)
		return false;
	for (size_t i = 1; i < loss->n_tensors; i++)
		if (plan->present[loss->tensors[i].role] &&
		    !fits_axis(plan, &loss->tensors[i], axis))
			return false;
	return true;
}

/* The axis at i or after it that is not of length 1, or the rank. */
static int next_axis(const struct loss_tensor *tensor, int i)
{
	while (i < tensor->rank && tensor->shape[i] == 1)
		i++;
	return i;
}

/* Whether the same elements in the same order would do: some axes of length 1 are too many or
 * missing, or all are in one axis. */
static bool fits_reshaped(const struct loss_tensor *tensor, const struct loss_tensor *expected)
{
	bool flat = tensor->rank == 1 || expected->rank == 1;
	int i = next_axis(tensor, 0), j = next_axis(expected, 0);
	if (tensor->count != expected->count || tensor->count == 0)
		return false;
	while (i < tensor->rank && j < expected->rank && tensor->shape[i] == expected->shape[j]) {
		i = next_axis(tensor, i + 1);
		j = next_axis(expected, j + 1);
	}
	return flat || (i == tensor->rank && j == expected->rank);
}

/* What most likely was meant: after the sentence, or "". */
static void advise(const struct loss_plan *plan, const struct loss_tensor_info *info,
		   const struct loss_tensor *expected, char *out, size_t size)
{
	const struct loss_tensor *tensor = &plan->tensors[info->role];
	bool last = plan->args.class_axis == -1;
	out[0] = '\0';
	if (fit_other_axis(plan))
		snprintf(out, size, "; it fits with class_axis=%s",
			 last ? "1" : "-1, classes last");
	else if (fits_reshaped(tensor, expected))
		snprintf(out, size, "; it has as many elements: reshape it");
}

bool shapes_have_extra(const struct loss_plan *plan, const struct loss_tensor_info *info)
{
	const struct loss_info *loss = &plan->loss->info;
	bool listed = info->extra_axis;
	for (size_t i = 0; info->extent == LOSS_EXTENT_LISTED && i < loss->n_tensors; i++)
		listed |= loss->tensors[i].extra_axis && plan->present[loss->tensors[i].role];
	return listed;
}

static loss_status not_expected(const struct loss_plan *plan, const struct loss_tensor_info *info,
				const struct loss_tensor *expected, struct loss_error *err)
{
	char because[300] = "";
	bool extra = shapes_have_extra(plan, info);
	explain(plan, extra ? LOSS_EXTENT_ROWS : info->extent, because, sizeof because);
	size_t used = strlen(because);
	if (extra)
		snprintf(because + used, sizeof because - used, " and one axis more");
	else
		advise(plan, info, expected, because + used, sizeof because - used);
	return wrong_shape(info->name, &plan->tensors[info->role], expected, because, err);
}

bool shapes_are_by_group(const struct loss_plan *plan, const struct loss_tensor_info *info)
{
	const struct loss_tensor *tensor = &plan->tensors[info->role];
	return info->extent == LOSS_EXTENT_ROWS_OR_GROUPS && plan->present[LOSS_ROLE_GROUPS] &&
	       tensor->rank == 1 && !tensor_same_shape(tensor, &plan->rows_shape);
}

loss_status shapes_check_groups(const struct loss_plan *plan, const struct loss_tensor_info *info,
				size_t n, struct loss_error *err)
{
	const struct loss_tensor *tensor = &plan->tensors[info->role];
	char rows[SHAPE_CHARS], must_be[SHAPE_CHARS + 240];
	if (tensor->count == n)
		return LOSS_OK;
	loss_tensor_format_shape(&plan->rows_shape, rows, sizeof rows);
	snprintf(must_be, sizeof must_be,
		 "(%zu), an entry for each group, or %s, that of %s without the class axis%s", n,
		 rows, input_name(plan),
		 argument_given(&plan->args, ARGUMENT_N_GROUPS)
			 ? ""
			 : "; n_groups says how many groups there are, also without counted rows");
	return shape_mismatch(info->name, tensor, must_be, err);
}

/* Where the arguments say how many groups there are. */
static loss_status check_groups_given(const struct loss_plan *plan,
				      const struct loss_tensor_info *info, struct loss_error *err)
{
	int64_t n = plan->args.n_groups;
	return n < 0 ? LOSS_OK : shapes_check_groups(plan, info, (size_t)n, err);
}

static loss_status check_tensor(struct loss_plan *plan, const struct loss_tensor_info *info,
				struct loss_error *err)
{
	const struct loss_tensor *expected;
	struct loss_tensor own;
	loss_extent extent = info->extent;
	if (extent == LOSS_EXTENT_BROADCAST || extent == LOSS_EXTENT_BROADCAST_ROWS)
		return check_broadcast(plan, info, err);
	if (extent == LOSS_EXTENT_TARGETS)
		extent = have_probabilities(plan, info) ? LOSS_EXTENT_INPUT : LOSS_EXTENT_ROWS;
	if (extent == LOSS_EXTENT_ROWS_OR_GROUPS) {
		if (shapes_are_by_group(plan, info))
			return check_groups_given(plan, info, err);
		extent = LOSS_EXTENT_ROWS;
	}
	if (extent == LOSS_EXTENT_LISTED && shapes_have_extra(plan, info) && plan->extra == 0)
		return LOSS_OK; /* the class indices are wrong themselves */
	if (extent == LOSS_EXTENT_LISTED)
		extent = shapes_have_extra(plan, info) ? LOSS_EXTENT_ROWS : LOSS_EXTENT_INPUT;
	expected = shape_of(plan, extent, &own);
	assert(expected);
	if (shapes_have_extra(plan, info)) {
		own = *expected;
		expected = &own;
		TRY(check_extra_axis(plan, info, &own, err));
	}
	if (!tensor_same_shape(&plan->tensors[info->role], expected))
		return not_expected(plan, info, expected, err);
	return check_target_dtype(plan, info, err);
}

/* ---------------------------------------------------------------- all of them */

loss_status shapes_check(struct loss_plan *plan, struct errors errors)
{
	const struct loss_info *loss = &plan->loss->info;
	/* All others follow from it. */
	if (loss->element_wise)
		TRY(element_geometry(plan, input_name(plan), errors_place(&errors)));
	else
		TRY(class_geometry(plan, input_name(plan), errors_place(&errors)));
	for (size_t i = 1; i < loss->n_tensors; i++) {
		const struct loss_tensor_info *info = &loss->tensors[i];
		if (!plan->present[info->role])
			continue;
		if (info->role == LOSS_ROLE_TARGETS)
			plan->target_kind = target_kind_of(plan, info);
		errors_note(&errors, check_tensor(plan, info, errors_place(&errors)));
	}
	return errors.status;
}

void shapes_of_output(const struct loss_plan *plan, const struct loss_output_info *output,
		      struct loss_tensor *shape)
{
	const struct loss_tensor *of = shape_of(plan, output->extent, shape);
	assert(of); /* no output may have one of several shapes */
	if (of != shape)
		*shape = *of;
}
