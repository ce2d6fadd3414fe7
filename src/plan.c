/* What the fields of a problem mean together: in the order in which errors take precedence. */
#include "plan.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "layout.h"
#include "names.h"
#include "results.h"
#include "scalars.h"
#include "values.h"

#define SHAPE_CHARS 200

/* ---------------------------------------------------------------- types and presence */

static loss_status check_dtype(const struct loss_tensor_info *info,
			       const struct loss_tensor *tensor, struct loss_error *err)
{
	if (info->dtypes & LOSS_DTYPE_BIT(tensor->dtype))
		return LOSS_OK;
	char allowed[96];
	dtypes_format(info->dtypes, allowed, sizeof allowed);
	return loss_fail(err, LOSS_DTYPE_MISMATCH, info->name, "%s is %s, but must be one of %s",
			 info->name, loss_dtype_info(tensor->dtype)->name, allowed);
}

static loss_status check_tensors(const struct loss_problem *problem, struct loss_error *err)
{
	const struct loss_info *loss = &problem->loss->info;
	const struct loss_tensor_info *missing = NULL;
	for (size_t i = 0; i < loss->n_tensors; i++) {
		const struct loss_tensor_info *info = &loss->tensors[i];
		if (problem->present[info->role])
			TRY(check_dtype(info, &problem->tensors[info->role], err));
		else if (info->required && !missing)
			missing = info;
	}
	if (!missing)
		return LOSS_OK;
	return loss_fail(err, LOSS_MISSING_FIELD, missing->name, "%s needs %s, shape %s",
			 loss->name, missing->name, missing->shape);
}

/* ---------------------------------------------------------------- shapes */

static loss_status shape_mismatch(const char *name, const struct loss_tensor *tensor,
				  const char *must_be, struct loss_error *err)
{
	char shape[SHAPE_CHARS];
	loss_tensor_format_shape(tensor, shape, sizeof shape);
	return loss_fail(err, LOSS_SHAPE_MISMATCH, name, "%s has shape %s, but must have %s", name,
			 shape, must_be);
}

/* Fails unless tensor has the shape `expected`, which `because` explains. */
static loss_status check_shape(const char *name, const struct loss_tensor *tensor,
			       const struct loss_tensor *expected, const char *because,
			       struct loss_error *err)
{
	if (tensor_same_shape(tensor, expected))
		return LOSS_OK;
	char shape[SHAPE_CHARS];
	char must_be[SHAPE_CHARS + 80];
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

/* (outer, classes, inner) and the shape of the rows. */
static loss_status class_geometry(struct loss_plan *plan, const char *name, struct loss_error *err)
{
	const struct loss_tensor *input = &plan->tensors[LOSS_ROLE_INPUT];
	if (input->rank == 0)
		return shape_mismatch(name, input, "a class axis: (C), (N, C) or (N, C, d1..dK)",
				      err);
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
	return LOSS_OK;
}

static void element_geometry(struct loss_plan *plan)
{
	const struct loss_tensor *input = &plan->tensors[LOSS_ROLE_INPUT];
	plan->rows_shape = *input;
	plan->rows = input->count;
	plan->classes = plan->inner = 1;
}

/* Shape decides what targets are: the logits' own shape means probabilities, else they must be
 * class indices. */
static loss_status class_targets(struct loss_plan *plan, struct loss_error *err)
{
	const struct loss_tensor *targets = &plan->tensors[LOSS_ROLE_TARGETS];
	const struct loss_tensor *input = &plan->tensors[LOSS_ROLE_INPUT];
	const struct loss_info *loss = &plan->loss->info;
	bool may_be_probabilities =
		names_tensor_of_role(loss, LOSS_ROLE_TARGETS)->dtypes & LOSS_FLOAT_DTYPES;
	bool is_float = loss_dtype_info(targets->dtype)->class == LOSS_CLASS_FLOAT;
	if (may_be_probabilities && tensor_same_shape(targets, input)) {
		plan->target_kind = TARGETS_PROBABILITIES;
		if (is_float)
			return LOSS_OK;
		char floats[96];
		dtypes_format(LOSS_FLOAT_DTYPES, floats, sizeof floats);
		return loss_fail(
			err, LOSS_DTYPE_MISMATCH, "targets",
			"targets have the logits' own shape, so they are probabilities and must "
			"be one of %s, not %s; class indices have one axis less",
			floats, loss_dtype_info(targets->dtype)->name);
	}
	plan->target_kind = TARGETS_INDICES;
	TRY(check_shape("targets", targets, &plan->rows_shape,
			may_be_probabilities
				? "the logits' without the class axis (or the logits' own, for "
				  "probabilities)"
				: "that of log_probs without the class axis",
			err));
	if (is_float)
		return loss_fail(
			err, LOSS_DTYPE_MISMATCH, "targets",
			"targets have the shape of class indices, so they must be integers, not "
			"%s; probabilities have the logits' own shape",
			loss_dtype_info(targets->dtype)->name);
	return LOSS_OK;
}

static loss_status check_class_weight(const struct loss_plan *plan, struct loss_error *err)
{
	if (!plan->present[LOSS_ROLE_WEIGHT])
		return LOSS_OK;
	struct loss_tensor expected = {.rank = 1, .shape = {plan->classes}};
	return check_shape("weight", &plan->tensors[LOSS_ROLE_WEIGHT], &expected,
			   "one factor for each class", err);
}

static const char *input_name(const struct loss_plan *plan)
{
	return plan->loss->info.tensors[0].name;
}

/* Right-aligned, each dimension the input's or 1. */
static loss_status check_broadcast(const struct loss_plan *plan, loss_role role, const char *name,
				   struct loss_error *err)
{
	if (!plan->present[role])
		return LOSS_OK;
	const struct loss_tensor *tensor = &plan->tensors[role];
	const struct loss_tensor *input = &plan->tensors[LOSS_ROLE_INPUT];
	bool fits = tensor->rank <= input->rank;
	for (int i = 1; fits && i <= tensor->rank; i++) {
		size_t n = tensor->shape[tensor->rank - i];
		fits = n == 1 || n == input->shape[input->rank - i];
	}
	if (fits)
		return LOSS_OK;
	char shape[SHAPE_CHARS];
	char must_be[SHAPE_CHARS + 80];
	loss_tensor_format_shape(input, shape, sizeof shape);
	snprintf(must_be, sizeof must_be, "a shape that broadcasts to that of %s, %s",
		 input_name(plan), shape);
	return shape_mismatch(name, tensor, must_be, err);
}

static loss_status check_element_shapes(struct loss_plan *plan, struct loss_error *err)
{
	const struct loss_tensor *input = &plan->tensors[LOSS_ROLE_INPUT];
	plan->target_kind = TARGETS_ELEMENTS;
	char own[40];
	snprintf(own, sizeof own, "that of %s", input_name(plan));
	TRY(check_shape("targets", &plan->tensors[LOSS_ROLE_TARGETS], input, own, err));
	if (plan->reduction == REDUCTION_BATCHMEAN && input->rank == 0)
		return shape_mismatch(input_name(plan), input,
				      "a first axis for reduction \"batchmean\"", err);
	TRY(check_broadcast(plan, LOSS_ROLE_WEIGHT, "weight", err));
	return check_broadcast(plan, LOSS_ROLE_POS_WEIGHT, "pos_weight", err);
}

static loss_status check_shapes(struct loss_plan *plan, const struct loss_problem *problem,
				struct loss_error *err)
{
	if (plan->loss->element_wise) {
		element_geometry(plan);
		return check_element_shapes(plan, err);
	}
	TRY(class_geometry(plan, problem_tensor_name(problem, LOSS_ROLE_INPUT), err));
	if (plan->present[LOSS_ROLE_TARGETS])
		TRY(class_targets(plan, err));
	return check_class_weight(plan, err);
}

static loss_status check_grad_output(const struct loss_plan *plan, struct loss_error *err)
{
	if (!plan->present[LOSS_ROLE_GRAD_OUTPUT])
		return LOSS_OK;
	static const struct loss_tensor scalar = {.rank = 0};
	const struct loss_tensor *expected = &scalar;
	if (plan->loss->output_per_class)
		expected = &plan->tensors[LOSS_ROLE_INPUT];
	else if (plan->reduction == REDUCTION_NONE)
		expected = &plan->rows_shape;
	return check_shape("grad_output", &plan->tensors[LOSS_ROLE_GRAD_OUTPUT], expected,
			   "the shape of what it is the gradient of", err);
}

/* ---------------------------------------------------------------- arguments */

static void warn(struct loss_plan *plan, const char *warning)
{
	plan->warnings[plan->n_warnings++] = warning;
}

/* The legacy arguments decide if one of them is given, as in PyTorch. */
static void settle_reduction(struct loss_plan *plan)
{
	const struct loss_args *args = &plan->args;
	bool has_reduce = argument_given(args, ARGUMENT_REDUCE);
	bool has_average = argument_given(args, ARGUMENT_SIZE_AVERAGE);
	plan->reduction = (enum reduction)args->reduction;
	if (plan->reduction == REDUCTION_ELEMENTWISE_MEAN)
		plan->reduction = REDUCTION_MEAN;
	if (has_reduce && !args->reduce)
		plan->reduction = REDUCTION_NONE;
	else if (has_average && !args->size_average)
		plan->reduction = REDUCTION_SUM;
	else if (has_reduce || has_average)
		plan->reduction = REDUCTION_MEAN;
}

static void warn_of_arguments(struct loss_plan *plan)
{
	const struct loss_args *args = &plan->args;
	if (argument_given(args, ARGUMENT_REDUCE) || argument_given(args, ARGUMENT_SIZE_AVERAGE))
		warn(plan, "size_average and reduce are deprecated and override reduction; use "
			   "reduction");
	else if (args->reduction == REDUCTION_ELEMENTWISE_MEAN)
		warn(plan, "reduction \"elementwise_mean\" is deprecated; use \"mean\"");
	if (argument_given(args, ARGUMENT_DENOMINATOR) && plan->reduction != REDUCTION_MEAN)
		warn(plan, "denominator has no effect unless reduction is \"mean\"");
	if (plan->present[LOSS_ROLE_GRAD_OUTPUT] && !plan->wanted[OUTPUT_GRAD])
		warn(plan, "grad_output has no effect unless outputs has \"grad\"");
}

static loss_status check_ignore_index(const struct loss_plan *plan, struct loss_error *err)
{
	if (plan->target_kind != TARGETS_PROBABILITIES || plan->args.ignore_index < 0 ||
	    !argument_given(&plan->args, ARGUMENT_IGNORE_INDEX))
		return LOSS_OK;
	return loss_fail(
		err, LOSS_ARGUMENT_OUT_OF_RANGE, "ignore_index",
		"ignore_index is %lld, but must be negative (or left out) beside probability "
		"targets, to which it does not apply",
		(long long)plan->args.ignore_index);
}

/* ---------------------------------------------------------------- outputs */

static loss_status bad_output(const struct loss_problem *problem, size_t i, const char *why,
			      struct loss_error *err)
{
	loss_status status =
		loss_fail(err, LOSS_ARGUMENT_OUT_OF_RANGE, "outputs",
			  "outputs[%zu] is \"%.60s\", %s", i, problem->outputs[i], why);
	loss_error_set_index(err, i, &(size_t){SIZE_MAX}, 1);
	return status;
}

static loss_status unknown_output(const struct loss_problem *problem, size_t i,
				  struct loss_error *err)
{
	const struct loss_info *loss = &problem->loss->info;
	char why[160];
	snprintf(why, sizeof why, "which %s does not have; the nearest is \"%s\"", loss->name,
		 names_nearest_output(loss, problem->outputs[i]));
	return bad_output(problem, i, why, err);
}

static bool is_about_indices(enum output output)
{
	return output == OUTPUT_CORRECT || output == OUTPUT_RANK || output == OUTPUT_ACCURACY ||
	       output == OUTPUT_PERPLEXITY || output == OUTPUT_ECE;
}

static loss_status want_output(struct loss_plan *plan, const struct loss_problem *problem, size_t i,
			       struct loss_error *err)
{
	const struct loss_info *loss = &plan->loss->info;
	size_t k = 0;
	while (k < loss->n_outputs && strcmp(loss->outputs[k]->name, problem->outputs[i]) != 0)
		k++;
	if (k == loss->n_outputs)
		return unknown_output(problem, i, err);
	enum output output = output_id(loss->outputs[k]);
	if (plan->wanted[output])
		return bad_output(problem, i, "which is asked for twice", err);
	if (is_about_indices(output) && plan->target_kind != TARGETS_INDICES)
		return bad_output(problem, i,
				  "which needs class indices, but the targets are probabilities",
				  err);
	plan->wanted[output] = true;
	plan->requested[plan->n_outputs++] = output;
	return LOSS_OK;
}

static loss_status check_outputs(struct loss_plan *plan, const struct loss_problem *problem,
				 struct loss_error *err)
{
	if (!problem->outputs_given) {
		plan->requested[0] = output_id(plan->loss->info.outputs[0]);
		plan->wanted[plan->requested[0]] = true;
		plan->n_outputs = 1;
		return LOSS_OK;
	}
	for (size_t i = 0; i < problem->n_outputs; i++)
		TRY(want_output(plan, problem, i, err));
	return LOSS_OK;
}

/* The gradient of something that is not a loss needs to know of what. */
static loss_status check_upstream(const struct loss_problem *problem, struct loss_error *err)
{
	if (!problem->loss->output_per_class || problem->present[LOSS_ROLE_GRAD_OUTPUT])
		return LOSS_OK;
	for (size_t i = 0; i < problem->n_outputs; i++)
		if (strcmp(problem->outputs[i], "grad") == 0)
			return loss_fail(
				err, LOSS_MISSING_FIELD, "grad_output",
				"the output grad of %s needs grad_output, of the logits' shape",
				problem->loss->info.name);
	return LOSS_OK;
}

/* ---------------------------------------------------------------- what follows */

static void settle_divisor(struct loss_plan *plan)
{
	plan->ignored = plan->rows - plan->counted;
	bool given = argument_given(&plan->args, ARGUMENT_DENOMINATOR);
	bool natural = plan->reduction == REDUCTION_BATCHMEAN ||
		       (plan->reduction == REDUCTION_MEAN && !given);
	plan->divisor = plan->denominator;
	if (!natural) {
		plan->divisor = plan->reduction == REDUCTION_MEAN ? plan->args.denominator : 1.0;
		plan->divisor_low = 0.0;
	}
	/* The weights of the counted rows cancel, or nothing is counted: 0/0. */
	if (plan->divisor == 0.0)
		plan->divisor = (double)NAN;
}

/* ---------------------------------------------------------------- the plan */

static loss_status check(struct loss_plan *plan, const struct loss_problem *problem,
			 struct loss_error *err)
{
	struct loss_error argument_error;
	loss_status arguments = problem_arguments(problem, &plan->args, &argument_error);
	settle_reduction(plan);
	TRY(check_tensors(problem, err));
	TRY(check_upstream(problem, err));
	if (problem->ones_are_scalars)
		scalars_shrink(plan);
	TRY(check_shapes(plan, problem, err));
	TRY(check_grad_output(plan, err));
	if (arguments != LOSS_OK && err)
		*err = argument_error;
	TRY(arguments);
	TRY(check_ignore_index(plan, err));
	return check_outputs(plan, problem, err);
}

/* The input has not come yet. */
static bool input_is_awaited(const struct loss_plan *plan)
{
	const struct loss_tensor *input = &plan->tensors[LOSS_ROLE_INPUT];
	return input->count > 0 && !input->data;
}

/*
 * Whether rows can be evaluated one after the other, each knowing nothing of the input but itself.
 * There must be targets: what is reserved for rows is then bounded by bytes that have come.
 */
static bool rows_stand_alone(const struct loss_plan *plan)
{
	return !plan->loss->element_wise && plan->inner == 1 &&
	       plan->target_kind == TARGETS_INDICES && !plan->wanted[OUTPUT_GRAD] &&
	       !plan->wanted[OUTPUT_LOG_PROBS] && !plan->wanted[OUTPUT_PROBS];
}

static void take_tensors(struct loss_plan *plan, const struct loss_problem *problem)
{
	memcpy(plan->present, problem->present, sizeof plan->present);
	for (int role = 0; role < LOSS_N_ROLES; role++)
		if (problem->present[role])
			plan->tensors[role] = problem->tensors[role];
}

loss_status loss_plan_create(struct loss_problem *problem, struct loss_arena *arena,
			     struct loss_plan **made, struct loss_error *err)
{
	struct loss_plan *plan = loss_arena_array(arena, struct loss_plan, 1);
	if (!plan)
		return loss_arena_failure(arena, err);
	memset(plan, 0, offsetof(struct loss_plan, loss));
	plan->loss = problem->loss;
	plan->kernels = cpu_kernels(problem->isa);
	take_tensors(plan, problem);
	*made = NULL;
	TRY(check(plan, problem, err));
	plan->streams = input_is_awaited(plan);
	if (plan->streams && !rows_stand_alone(plan))
		return LOSS_OK;
	TRY(values_check(plan, err));
	settle_divisor(plan);
	layout_settle(plan);
	warn_of_arguments(plan);
	TRY(results_make(plan, arena, err));
	*made = plan;
	return LOSS_OK;
}

size_t loss_plan_elements(const struct loss_plan *plan)
{
	return plan->tensors[LOSS_ROLE_INPUT].count;
}

loss_dtype loss_plan_dtype(const struct loss_plan *plan)
{
	return plan->tensors[LOSS_ROLE_INPUT].dtype;
}

const char *loss_plan_isa(const struct loss_plan *plan)
{
	return plan->kernels->isa;
}

size_t loss_plan_rows(const struct loss_plan *plan)
{
	return plan->rows;
}

size_t loss_plan_blocks(const struct loss_plan *plan)
{
	return plan->n_blocks;
}

size_t loss_plan_block_rows(const struct loss_plan *plan)
{
	return plan->block_rows;
}
