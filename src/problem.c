/* What a single field may be: given once, of the right type, in its range. */
#include "problem.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "names.h"

struct loss_problem *loss_problem_create(const struct loss_info *loss, struct loss_arena *arena)
{
	struct loss_problem *problem = loss_arena_array(arena, struct loss_problem, 1);
	if (!problem)
		return NULL;
	memset(problem, 0, offsetof(struct loss_problem, tensors));
	problem->loss = loss_row_of(loss);
	problem->arena = arena;
	return problem;
}

const struct loss_info *loss_problem_info(const struct loss_problem *problem)
{
	return &problem->loss->info;
}

void loss_problem_set_data(struct loss_problem *problem, size_t i, void *data)
{
	problem->tensors[problem->loss->info.tensors[i].role].data = data;
}

void loss_problem_set_beyond(struct loss_problem *problem, size_t i,
			     const struct loss_beyond *elements, size_t n)
{
	problem->beyond[problem->loss->info.tensors[i].role] = (struct beyond){elements, n};
}

void loss_problem_set_isa(struct loss_problem *problem, const char *isa)
{
	problem->isa = isa;
}

void loss_problem_set_max_elements(struct loss_problem *problem, uint64_t max_elements)
{
	problem->max_elements = max_elements;
}

void loss_problem_set_ones_are_scalars(struct loss_problem *problem)
{
	problem->ones_are_scalars = true;
}

const char *problem_tensor_name(const struct loss_problem *problem, loss_role role)
{
	const struct loss_tensor_info *info = names_tensor_of_role(&problem->loss->info, role);
	return info ? info->name : "";
}

/* Marks field i as given, once. */
static loss_status give(uint64_t *given, size_t i, const char *name, struct loss_error *err)
{
	if (*given & (UINT64_C(1) << i))
		return loss_fail(err, LOSS_DUPLICATE_FIELD, name, "%s is given twice; give it once",
				 name);
	*given |= UINT64_C(1) << i;
	return LOSS_OK;
}

loss_status loss_problem_set_tensor(struct loss_problem *problem, size_t i,
				    const struct loss_tensor *tensor, struct loss_error *err)
{
	const struct loss_tensor_info *info = &problem->loss->info.tensors[i];
	TRY(give(&problem->tensors_given, i, info->name, err));
	if (!tensor)
		return LOSS_OK;
	TRY(tensor_check(tensor, info->name, info->role == LOSS_ROLE_INPUT, err));
	problem->present[info->role] = true;
	problem->tensors[info->role] = *tensor;
	return LOSS_OK;
}

static bool type_fits(loss_argument_type type, loss_value_type value)
{
	switch (type) {
	case LOSS_ARGUMENT_BOOLEAN:
		return value == LOSS_VALUE_BOOLEAN;
	case LOSS_ARGUMENT_INTEGER:
		return value == LOSS_VALUE_INTEGER;
	case LOSS_ARGUMENT_NUMBER:
		return value == LOSS_VALUE_INTEGER || value == LOSS_VALUE_NUMBER;
	default:
		return value == LOSS_VALUE_STRING;
	}
}

static const char *type_phrase(loss_argument_type type)
{
	static const char *const phrases[] = {
		[LOSS_ARGUMENT_BOOLEAN] = "true or false",
		[LOSS_ARGUMENT_INTEGER] = "an integer, without fraction or exponent",
		[LOSS_ARGUMENT_NUMBER] = "a number",
		[LOSS_ARGUMENT_CHOICE] = "a string",
	};
	return phrases[type];
}

/* How a message shows a value: as it was written, strings in quotes. */
static void format_value(const struct loss_value *value, char *out, size_t size)
{
	bool quoted = value->type == LOSS_VALUE_STRING;
	snprintf(out, size, quoted ? "\"%.60s\"" : "%.60s", value->text ? value->text : "");
}

loss_status loss_problem_set_argument(struct loss_problem *problem, size_t i,
				      const struct loss_value *value, struct loss_error *err)
{
	const struct loss_argument_info *info = problem->loss->info.arguments[i];
	TRY(give(&problem->arguments_given, i, info->name, err));
	struct loss_value *kept = &problem->values[argument_row(info)->id];
	const char *text = NULL;
	/* What is refused is as good as absent: the problem may still be planned, for rows that
	 * arrive meanwhile, and the caller's text is gone by then. */
	*kept = (struct loss_value){.type = LOSS_VALUE_NULL};
	if (value->type == LOSS_VALUE_NULL)
		return LOSS_OK;
	if (!type_fits(info->type, value->type)) {
		char shown[80];
		format_value(value, shown, sizeof shown);
		return loss_fail(err, LOSS_WRONG_TYPE, info->name, "%s is %s, but must be %s",
				 info->name, shown, type_phrase(info->type));
	}
	if (value->text && !(text = arena_strdup(problem->arena, value->text)))
		return loss_arena_failure(problem->arena, err);
	*kept = *value;
	kept->text = text;
	return LOSS_OK;
}

static const struct output_row *find_output(const struct loss_info *loss, const char *name)
{
	for (size_t i = 0; i < loss->n_outputs; i++)
		if (loss->outputs[i]->name[0] == name[0] &&
		    strcmp(loss->outputs[i]->name, name) == 0)
			return output_row(loss->outputs[i]);
	return NULL;
}

/* What is known has its name from the table. */
static bool make_wish(const struct loss_problem *problem, const char *name, struct wish *wish)
{
	wish->row = find_output(&problem->loss->info, name);
	wish->name = wish->row ? wish->row->info.name : arena_strdup(problem->arena, name);
	return wish->name;
}

loss_status loss_problem_set_outputs(struct loss_problem *problem, const char *const *names,
				     size_t n, struct loss_error *err)
{
	if (problem->outputs_given)
		return loss_fail(err, LOSS_DUPLICATE_FIELD, "outputs",
				 "outputs is given twice; give it once");
	problem->outputs_given = true;
	problem->outputs = loss_arena_array(problem->arena, struct wish, n);
	if (!problem->outputs)
		return loss_arena_failure(problem->arena, err);
	for (size_t i = 0; i < n; i++)
		if (!make_wish(problem, names[i], &problem->outputs[i]))
			return loss_arena_failure(problem->arena, err);
	problem->n_outputs = n;
	return LOSS_OK;
}

/* ---------------------------------------------------------------- ranges */

static loss_status out_of_range(const struct loss_argument_info *info,
				const struct loss_value *value, const char *range,
				struct loss_error *err)
{
	char shown[80];
	format_value(value, shown, sizeof shown);
	return loss_fail(err, LOSS_ARGUMENT_OUT_OF_RANGE, info->name, "%s is %s, but must be %s",
			 info->name, shown, range);
}

/* NaN is in no range. */
static bool in_range(const struct loss_argument_info *info, double value)
{
	const struct loss_range *range = &info->range;
	bool above = range->min_excluded ? value > range->min : value >= range->min;
	bool below = range->max_excluded ? value < range->max : value <= range->max;
	return above && below && !(range->zero_excluded && value == 0.0);
}

static loss_status read_choice(const struct loss_argument_info *info,
			       const struct loss_value *value, size_t *choice,
			       struct loss_error *err)
{
	char range[160] = "";
	size_t used = 0;
	for (size_t i = 0; info->choices[i]; i++) {
		if (strcmp(info->choices[i], value->text) == 0) {
			*choice = i;
			return LOSS_OK;
		}
		used += (size_t)snprintf(range + used, sizeof range - used, "%s\"%s\"",
					 i                  ? ", "
					 : info->choices[1] ? "one of "
							    : "",
					 info->choices[i]);
	}
	return out_of_range(info, value, range, err);
}

/* A value that has the argument's type. */
static loss_status read_argument(const struct loss_problem *problem, size_t i,
				 const struct loss_value *value, void *field,
				 struct loss_error *err)
{
	const struct loss_argument_info *info = problem->loss->info.arguments[i];
	bool fits = true;
	char range[LOSS_PHRASE_CHARS];
	switch (info->type) {
	case LOSS_ARGUMENT_BOOLEAN:
		*(bool *)field = value->boolean;
		break;
	case LOSS_ARGUMENT_INTEGER:
		fits = !value->integer_overflow && in_range(info, (double)value->integer);
		if (fits)
			*(int64_t *)field = value->integer;
		break;
	case LOSS_ARGUMENT_NUMBER:
		fits = in_range(info, value->number);
		if (fits)
			*(double *)field = value->number;
		break;
	case LOSS_ARGUMENT_CHOICE:
		return read_choice(info, value, field, err);
	}
	if (fits)
		return LOSS_OK;
	loss_describe_argument_range(&problem->loss->info, i, range, sizeof range);
	size_t used = strlen(range);
	if (argument_row(info)->advice)
		snprintf(range + used, sizeof range - used, "; %s", argument_row(info)->advice);
	return out_of_range(info, value, range, err);
}

loss_status problem_arguments(const struct loss_problem *problem, struct loss_args *args,
			      struct errors errors)
{
	const struct loss_info *loss = &problem->loss->info;
	memcpy(args, argument_presets(problem->loss), sizeof *args);
	for (size_t i = 0; problem->arguments_given >> i; i++) {
		const struct argument_row *row = argument_row(loss->arguments[i]);
		const struct loss_value *value = &problem->values[row->id];
		if (!(problem->arguments_given >> i & 1) || value->type == LOSS_VALUE_NULL)
			continue;
		args->given |= UINT64_C(1) << (unsigned)row->id;
		errors_note(&errors, read_argument(problem, i, value, (char *)args + row->offset,
						   errors_place(&errors)));
	}
	return errors.status;
}
