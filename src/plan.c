/* What the fields of a problem mean together: in the order in which errors take precedence. */
#include "plan.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bytes.h"
#include "describe.h"
#include "errors.h"
#include "groups.h"
#include "layout.h"
#include "results.h"
#include "scalars.h"
#include "sequences.h"
#include "shapes.h"
#include "state.h"
#include "values.h"

/* ---------------------------------------------------------------- types and presence */

static loss_status check_dtype(const struct loss_tensor_info *info,
			       const struct loss_tensor *tensor, struct loss_error *err)
{
	if (info->dtypes & LOSS_DTYPE_BIT(tensor->dtype))
		return LOSS_OK;
	char allowed[96];
	dtypes_format(info->dtypes, allowed, sizeof allowed);
	bool one = (info->dtypes & (info->dtypes - 1)) == 0;
	return loss_fail(err, LOSS_DTYPE_MISMATCH, info->name, "%s is %s, but must be %s%s",
			 info->name, loss_dtype_info(tensor->dtype)->name, one ? "" : "one of ",
			 allowed);
}

static loss_status check_dtypes(const struct loss_problem *problem, struct errors errors)
{
	const struct loss_info *loss = &problem->loss->info;
	for (size_t i = 0; i < loss->n_tensors; i++) {
		const struct loss_tensor_info *info = &loss->tensors[i];
		if (problem->present[info->role])
			errors_note(&errors, check_dtype(info, &problem->tensors[info->role],
							 errors_place(&errors)));
	}
	return errors.status;
}

loss_status loss_problem_check_dtypes(const struct loss_problem *problem, struct loss_error *err)
{
	return check_dtypes(problem, errors_into(err, problem->arena));
}

static loss_status blame_missing(const struct loss_info *loss, size_t i, struct loss_error *err)
{
	char shape[LOSS_PHRASE_CHARS];
	loss_describe_tensor_shape(loss, i, shape, sizeof shape);
	return loss_fail(err, LOSS_MISSING_FIELD, loss->tensors[i].name, "%s needs %s, shape %s",
			 loss->name, loss->tensors[i].name, shape);
}

/* The gradient of something that is not a loss needs to know of what. */
static loss_status check_upstream(const struct loss_problem *problem, struct loss_error *err)
{
	const struct loss_info *loss = &problem->loss->info;
	for (size_t i = 0; i < problem->n_outputs; i++) {
		const struct output_row *output = problem->outputs[i].row;
		if (output && output->info.needs == LOSS_NEEDS_GRAD_OUTPUT &&
		    !problem->present[LOSS_ROLE_GRAD_OUTPUT])
			return loss_fail(
				err, LOSS_MISSING_FIELD, "grad_output",
				"the output %s of %s needs grad_output, of the shape of %s",
				output->info.name, loss->name, loss->tensors[0].name);
	}
	return LOSS_OK;
}

static loss_status check_presence(const struct loss_problem *problem, struct errors errors)
{
	const struct loss_info *loss = &problem->loss->info;
	for (size_t i = 0; i < loss->n_tensors; i++)
		if (loss->tensors[i].required && !problem->present[loss->tensors[i].role])
			errors_note(&errors, blame_missing(loss, i, errors_place(&errors)));
	errors_note(&errors, check_upstream(problem, errors_place(&errors)));
	return errors.status;
}

/* ---------------------------------------------------------------- arguments */

bool loss_has_output(const struct loss_row *loss, enum output id)
{
	for (size_t i = 0; i < loss->info.n_outputs; i++)
		if (output_row(loss->info.outputs[i])->id == id)
			return true;
	return false;
}

/* The name that one of the loss's outputs has. */
static const char *output_name(const struct loss_info *loss, enum output id)
{
	size_t i = 0;
	while (i + 1 < loss->n_outputs && output_row(loss->outputs[i])->id != id)
		i++;
	return loss->outputs[i]->name;
}

_Static_assert(N_OUTPUTS <= LOSS_MAX_OUTPUTS, "a result has room for every output");
_Static_assert(N_ARGUMENTS <= 64, "a problem has a bit for every argument");

/* The legacy arguments decide if one of them is given, as in PyTorch. */
static void settle_reduction(struct loss_plan *plan)
{
	const struct loss_args *args = &plan->args;
	bool has_reduce = argument_given(args, ARGUMENT_REDUCE);
	bool has_average = argument_given(args, ARGUMENT_SIZE_AVERAGE);
	plan->reduction = (enum reduction)args->reduction;
	if (plan->reduction == REDUCTION_ELEMENTWISE_MEAN)
		plan->reduction = REDUCTION_MEAN;
	else if (plan->reduction > REDUCTION_ELEMENTWISE_MEAN)
		plan->reduction = plan->loss->own_reduction;
	if (has_reduce && !args->reduce)
		plan->reduction = REDUCTION_NONE;
	else if (has_average && !args->size_average)
		plan->reduction = REDUCTION_SUM;
	else if (has_reduce || has_average)
		plan->reduction = REDUCTION_MEAN;
}

static void warn_of_groups(struct loss_plan *plan)
{
	bool groups = plan->present[LOSS_ROLE_GROUPS], bytes = plan->present[LOSS_ROLE_BYTES];
	bool bits = plan->wanted[OUTPUT_BITS_PER_BYTE];
	if (groups && !groups_are_wanted(plan) && !(bits && bytes_are_by_group(plan)))
		plan_warn(plan, "groups has no effect unless outputs has \"group_loss_sum\", "
				"\"group_denominator\", \"group_counted\" or \"group_loss\"");
	if (bytes && !bits)
		plan_warn(plan, "bytes has no effect unless outputs has \"bits_per_byte\"");
	if (!groups && argument_given(&plan->args, ARGUMENT_N_GROUPS))
		plan_warn(plan, "n_groups has no effect without groups");
}

static void warn_of_arguments(struct loss_plan *plan)
{
	const struct loss_args *args = &plan->args;
	if (argument_given(args, ARGUMENT_REDUCE) || argument_given(args, ARGUMENT_SIZE_AVERAGE))
		plan_warn(plan,
			  "size_average and reduce are deprecated and override reduction; use "
			  "reduction");
	else if (args->reduction == REDUCTION_ELEMENTWISE_MEAN)
		plan_warn(plan, "reduction \"elementwise_mean\" is deprecated; use \"mean\"");
	if (argument_given(args, ARGUMENT_DENOMINATOR) && plan->reduction != REDUCTION_MEAN)
		plan_warn(plan, "denominator has no effect unless reduction is \"mean\"");
	if (plan->present[LOSS_ROLE_GRAD_OUTPUT] && !plan->wanted[OUTPUT_GRAD])
		plan_warn(plan, "grad_output has no effect unless outputs has \"grad\"");
	if (plan_has_groups_or_bytes(plan) || argument_given(args, ARGUMENT_N_GROUPS))
		warn_of_groups(plan);
}

/* Arguments about an output that is not asked for. */
static loss_status warn_of_idle_arguments(struct loss_plan *plan, struct loss_arena *arena,
					  struct loss_error *err)
{
	const struct loss_info *loss = &plan->loss->info;
	for (size_t i = 0; plan->args.given && i < loss->n_arguments; i++) {
		const struct argument_row *row = argument_row(loss->arguments[i]);
		if (row->serves == OUTPUT_LOSS || plan->wanted[row->serves] ||
		    !argument_given(&plan->args, row->id))
			continue;
		const char *warning =
			loss_arena_printf(arena, "%s has no effect unless outputs has \"%s\"",
					  row->info.name, output_name(loss, row->serves));
		if (!warning)
			return loss_arena_failure(arena, err);
		plan_warn(plan, warning);
	}
	return LOSS_OK;
}

/* What a focal loss is made for. */
static loss_status check_gamma(const struct loss_plan *plan, struct loss_error *err)
{
	const struct loss_args *args = &plan->args;
	const char *beside = "probability targets";
	if (plan->loss->info.element_wise || !(args->gamma > 0.0))
		return LOSS_OK;
	if (plan->target_kind == TARGETS_INDICES) {
		if (args->label_smoothing == 0.0)
			return LOSS_OK;
		beside = "label_smoothing";
	}
	return loss_fail(err, LOSS_ARGUMENT_OUT_OF_RANGE, "gamma",
			 "gamma is %g, but must be 0 beside %s", args->gamma, beside);
}

/* 5, or all of fewer classes, unless given. */
static loss_status settle_k(struct loss_plan *plan, struct loss_error *err)
{
	int64_t classes = (int64_t)plan->classes, *k = &plan->args.k;
	if (!argument_given(&plan->args, ARGUMENT_K))
		*k = classes < 5 ? classes : 5;
	if (*k <= classes)
		return LOSS_OK;
	return loss_fail(err, LOSS_ARGUMENT_OUT_OF_RANGE, "k",
			 "k is %lld, but must be 1 to %zu, the number of classes", (long long)*k,
			 plan->classes);
}

/* What no tensor may have more of. */
static loss_status check_n_groups(const struct loss_plan *plan, struct loss_error *err)
{
	int64_t n = plan->args.n_groups;
	if (n < 0 || (uint64_t)n <= plan->max_groups)
		return LOSS_OK;
	return loss_fail(err, LOSS_ARGUMENT_OUT_OF_RANGE, "n_groups",
			 "n_groups is %lld, but must be 0 to %llu (max_elements)", (long long)n,
			 (unsigned long long)plan->max_groups);
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
			  "outputs[%zu] is \"%.60s\", %s", i, problem->outputs[i].name, why);
	loss_error_set_index(err, i, &(size_t){SIZE_MAX}, 1);
	return status;
}

static loss_status unknown_output(const struct loss_problem *problem, size_t i,
				  struct loss_error *err)
{
	const struct loss_info *loss = &problem->loss->info;
	const char *name = problem->outputs[i].name;
	const struct loss_place place = {.loss = loss,
					 .kinds = LOSS_NAME_OUTPUT,
					 .to_tensors =
						 "give it with the others, and leave it out here",
					 .to_arguments = "give it as one, and leave it out here"};
	char hint[LOSS_HINT_CHARS], why[LOSS_HINT_CHARS + 80];
	loss_hint_name(&place, name, strlen(name), hint, sizeof hint);
	snprintf(why, sizeof why, "which %s does not have; %s", loss->name, hint);
	return bad_output(problem, i, why, err);
}

static loss_status want_output(struct loss_plan *plan, const struct loss_problem *problem, size_t i,
			       struct loss_error *err)
{
	const struct output_row *output = problem->outputs[i].row;
	if (!output)
		return unknown_output(problem, i, err);
	const struct loss_output_info *info = &output->info;
	if (plan->wanted[output->id])
		return bad_output(problem, i, "which is asked for twice", err);
	if ((info->needs & LOSS_NEEDS_INDICES) && plan->target_kind != TARGETS_INDICES)
		return bad_output(problem, i,
				  "which needs class indices, but the targets are probabilities",
				  err);
	plan->wanted[output->id] = true;
	plan->judges |= (info->needs & LOSS_NEEDS_INDICES) != 0;
	plan->requested[plan->n_outputs++] = output;
	return LOSS_OK;
}

static loss_status check_outputs(struct loss_plan *plan, const struct loss_problem *problem,
				 struct loss_error *err)
{
	if (!problem->outputs_given) {
		plan->requested[0] = output_row(plan->loss->info.outputs[0]);
		plan->wanted[plan->requested[0]->id] = true;
		plan->n_outputs = 1;
		return LOSS_OK;
	}
	for (size_t i = 0; i < problem->n_outputs; i++)
		TRY(want_output(plan, problem, i, err));
	return LOSS_OK;
}

static loss_status lacks(const struct loss_problem *problem, const struct loss_output_info *output,
			 const struct needed_tensor *needed, struct loss_error *err)
{
	const struct loss_info *loss = &problem->loss->info;
	const char *name = problem_tensor_name(problem, needed->role);
	return loss_fail(err, LOSS_MISSING_FIELD, name, "the output %s of %s needs %s, %s%s%s",
			 output->name, loss->name, name, needed->form, loss->tensors[0].name,
			 needed->more);
}

/* Tensors that only some outputs need. */
static loss_status check_needs(const struct loss_problem *problem, struct loss_error *err)
{
	for (size_t i = 0; i < problem->n_outputs; i++) {
		const struct output_row *output = problem->outputs[i].row;
		for (size_t k = 0; output && output->info.needs && k < N_NEEDED_TENSORS; k++)
			if ((output->info.needs & needed_tensors[k].need) &&
			    !problem->present[needed_tensors[k].role])
				return lacks(problem, &output->info, &needed_tensors[k], err);
	}
	return LOSS_OK;
}

/* ---------------------------------------------------------------- what follows */

/* A state always has what class indices are scored by. */
static void settle_predictions(struct loss_plan *plan)
{
	bool state = state_is_wanted(plan) && plan->target_kind == TARGETS_INDICES;
	plan->scores = plan->wanted[OUTPUT_PERPLEXITY] || plan->wanted[OUTPUT_BITS_PER_BYTE] ||
		       (state && plan->loss->scores);
	plan->judges = plan->judges || (state && loss_has_output(plan->loss, OUTPUT_CORRECT));
}

static void settle_divisor(struct loss_plan *plan)
{
	plan->ignored = plan->rows - plan->counted;
	bool given = argument_given(&plan->args, ARGUMENT_DENOMINATOR);
	bool natural = plan->reduction > REDUCTION_ELEMENTWISE_MEAN ||
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

/* Which axis -1 is is what a wrong class_axis wants to know. */
static void tell_last_axis(const struct loss_plan *plan, struct loss_error *err)
{
	int rank = plan->tensors[LOSS_ROLE_INPUT].rank;
	size_t used = strlen(err->detail);
	if (strcmp(err->field, "class_axis") == 0)
		snprintf(err->detail + used, sizeof err->detail - used,
			 "; -1 is the last axis, which is %d here", rank - 1);
}

static loss_status check(struct loss_plan *plan, const struct loss_problem *problem,
			 struct loss_arena *arena, struct loss_error *err)
{
	struct loss_error argument_error;
	loss_status arguments =
		problem_arguments(problem, &plan->args, errors_into(&argument_error, arena));
	settle_reduction(plan);
	TRY(check_dtypes(problem, errors_into(err, arena)));
	TRY(check_presence(problem, errors_into(err, arena)));
	TRY(check_needs(problem, err));
	if (plan->loss->fields)
		TRY(plan->loss->fields(plan, err));
	if (problem->ones_are_scalars)
		scalars_shrink(plan);
	TRY(shapes_check(plan, errors_into(err, arena)));
	if (arguments != LOSS_OK && err) {
		*err = argument_error;
		tell_last_axis(plan, err);
	}
	TRY(arguments);
	TRY(check_ignore_index(plan, err));
	TRY(check_gamma(plan, err));
	TRY(settle_k(plan, err));
	TRY(check_n_groups(plan, err));
	TRY(check_outputs(plan, problem, err));
	return plan->loss->check ? plan->loss->check(plan, err) : LOSS_OK;
}

/* Of more groups than this not even their number of rows could be written down. */
#define MOST_GROUPS ((uint64_t)SIZE_MAX / 64)

/* The input has not come yet. */
static bool input_is_awaited(const struct loss_plan *plan)
{
	const struct loss_tensor *input = &plan->tensors[LOSS_ROLE_INPUT];
	return input->count > 0 && !input->data;
}

/* Whether there is such a tensor, which is as large as the input. */
static bool has_input_shape(const struct loss_plan *plan, const struct loss_tensor_info *info)
{
	bool listed = info->extent == LOSS_EXTENT_LISTED && !shapes_have_extra(plan, info);
	return plan->present[info->role] && (listed || info->extent == LOSS_EXTENT_INPUT);
}

/*
 * Whether rows can be evaluated one after the other, each knowing nothing of the input but itself.
 * There must be targets, or what has an extra axis: what is reserved for rows is then bounded by
 * bytes that have come.
 */
static bool rows_stand_alone(const struct loss_plan *plan)
{
	const struct loss_info *loss = &plan->loss->info;
	bool alone = !loss->element_wise && plan->inner == 1 &&
		     (plan->target_kind == TARGETS_INDICES || plan->extra > 0) &&
		     !range_is_bounded(&loss->tensors[0].range);
	for (size_t i = 1; i < loss->n_tensors; i++)
		alone = alone && !has_input_shape(plan, &loss->tensors[i]);
	for (size_t i = 0; i < plan->n_outputs; i++)
		alone = alone && plan->requested[i]->info.extent != LOSS_EXTENT_INPUT;
	return alone;
}

static void take_tensors(struct loss_plan *plan, const struct loss_problem *problem)
{
	const struct loss_info *loss = &problem->loss->info;
	memcpy(plan->present, problem->present, sizeof plan->present);
	for (size_t i = 0; i < loss->n_tensors; i++) {
		loss_role role = loss->tensors[i].role;
		if (problem->present[role])
			plan->tensors[role] = problem->tensors[role];
	}
}

loss_status loss_plan_create(const struct loss_problem *problem, struct loss_arena *arena,
			     struct loss_plan **made, struct loss_error *err)
{
	struct loss_plan *plan = loss_arena_array(arena, struct loss_plan, 1);
	*made = NULL;
	if (!plan)
		return loss_arena_failure(arena, err);
	memset(plan, 0, offsetof(struct loss_plan, loss));
	plan->transform.on = plan->transform.steep = false;
	plan->transform.softcap = 0.0;
	plan->loss = problem->loss;
	plan->kernels = cpu_kernels(problem->isa);
	plan->beyond = problem->beyond;
	plan->max_groups = problem->max_elements ? problem->max_elements : MOST_GROUPS;
	take_tensors(plan, problem);
	TRY(check(plan, problem, arena, err));
	plan->streams = input_is_awaited(plan);
	if (plan->streams && !rows_stand_alone(plan))
		return LOSS_OK;
	TRY(values_check(plan, err));
	if (plan->loss->elements)
		TRY(plan->loss->elements(plan, arena, err));
	if (plan_has_groups_or_bytes(plan)) {
		TRY(groups_list(plan, arena, err));
		TRY(bytes_count(plan, err));
	}
	TRY(sequences_make(plan, arena, err));
	settle_divisor(plan);
	layout_settle(plan);
	warn_of_arguments(plan);
	TRY(warn_of_idle_arguments(plan, arena, err));
	settle_predictions(plan);
	TRY(results_make(plan, arena, err));
	*made = plan;
	return LOSS_OK;
}

size_t loss_plan_elements(const struct loss_plan *plan)
{
	return plan->tensors[LOSS_ROLE_INPUT].count;
}

uint64_t loss_plan_cost_ns(const struct loss_plan *plan)
{
	return plan->nanoseconds < 0x1p63 ? (uint64_t)plan->nanoseconds : UINT64_C(1) << 63;
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
