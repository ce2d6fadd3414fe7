/* Arguments, outputs and names that are not what the table says. */
#include "case_spoil.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "describe.h"
#include "expect_rows.h"
#include "names.h"

static bool argument_is(const struct spoiled *spoiled, size_t i, const char *name)
{
	return strcmp(spoiled->loss->arguments[i]->name, name) == 0;
}

static void force(struct spoiled *spoiled, size_t i, struct loss_value value)
{
	struct loss_value *kept = expect_alloc(spoiled->draft->arena, 1, sizeof(value));
	*kept = value;
	spoiled->problem->arguments_given |= UINT64_C(1) << i;
	spoiled->problem->values[argument_row(spoiled->loss->arguments[i])->id] = value;
	spoiled->wrong->argument = i;
}

static struct loss_value make_value(struct spoiled *spoiled, loss_value_type type, double number)
{
	char *text = expect_alloc(spoiled->draft->arena, 64, 1);
	snprintf(text, 64, type == LOSS_VALUE_INTEGER ? "%.0f" : "%.17e", number);
	return (struct loss_value){.type = type, .number = number, .text = text};
}

static struct loss_value make_integer(struct spoiled *spoiled, double number)
{
	struct loss_value value = make_value(spoiled, LOSS_VALUE_INTEGER, number);
	value.integer_overflow = !(number >= -0x1p63 && number < 0x1p63);
	value.integer = value.integer_overflow ? 0 : (int64_t)number;
	return value;
}

/* Shapes are judged before arguments out of range, with the defaults of these: they must fit. */
static bool shapes_depend_on(const struct spoiled *spoiled, size_t i)
{
	if (argument_is(spoiled, i, "class_axis"))
		return spoiled->draft->class_last;
	return argument_is(spoiled, i, "reduction") &&
	       spoiled->problem->present[LOSS_ROLE_GRAD_OUTPUT];
}

bool spoil_wrong_type(struct spoiled *spoiled, size_t i)
{
	static const struct loss_value values[] = {
		[LOSS_ARGUMENT_BOOLEAN] = {LOSS_VALUE_INTEGER, .number = 2, .integer = 2,
					   .text = "2"},
		[LOSS_ARGUMENT_INTEGER] = {LOSS_VALUE_NUMBER, .number = 1.5, .text = "1.5"},
		[LOSS_ARGUMENT_NUMBER] = {LOSS_VALUE_BOOLEAN, .boolean = true, .text = "true"},
		[LOSS_ARGUMENT_CHOICE] = {LOSS_VALUE_INTEGER, .number = 2, .integer = 2,
					  .text = "2"},
	};
	const struct loss_argument_info *info = spoiled->loss->arguments[i];
	bool is_choice = info->type == LOSS_ARGUMENT_CHOICE; /* as text one that there is not */
	if (is_choice && shapes_depend_on(spoiled, i))
		return false;
	force(spoiled, i, values[info->type]);
	spoiled->wrong->value = &values[info->type];
	spoiled_blame(spoiled, LOSS_WRONG_TYPE, info->name);
	if (is_choice)
		spoiled->wrong->status_as_text = LOSS_ARGUMENT_OUT_OF_RANGE;
	return true;
}

/* Beyond an end of the range. */
static bool beyond(struct spoiled *spoiled, size_t i, double end, double direction, bool excluded)
{
	const struct loss_argument_info *info = spoiled->loss->arguments[i];
	bool is_integer = info->type == LOSS_ARGUMENT_INTEGER;
	double value = excluded ? end : nextafter(end, direction);
	if (is_integer)
		value = end + (direction > 0 ? 1 : -1);
	if (shapes_depend_on(spoiled, i))
		return false;
	if (is_integer && fabs(end) >= 0x1p63) /* no more int64s */
		value = 2 * end;
	force(spoiled, i,
	      is_integer ? make_integer(spoiled, value)
			 : make_value(spoiled, LOSS_VALUE_NUMBER, value));
	return spoiled_blame(spoiled, LOSS_ARGUMENT_OUT_OF_RANGE, info->name);
}

bool spoil_below_its_range(struct spoiled *spoiled, size_t i)
{
	const struct loss_range *range = &spoiled->loss->arguments[i]->range;
	return beyond(spoiled, i, range->min, -HUGE_VAL, range->min_excluded);
}

bool spoil_above_its_range(struct spoiled *spoiled, size_t i)
{
	const struct loss_range *range = &spoiled->loss->arguments[i]->range;
	return beyond(spoiled, i, range->max, HUGE_VAL, range->max_excluded);
}

bool spoil_an_excluded_zero(struct spoiled *spoiled, size_t i)
{
	const struct loss_argument_info *info = spoiled->loss->arguments[i];
	if (shapes_depend_on(spoiled, i))
		return false;
	force(spoiled, i, make_integer(spoiled, 0));
	return spoiled_blame(spoiled, LOSS_ARGUMENT_OUT_OF_RANGE, info->name);
}

bool spoil_no_choice(struct spoiled *spoiled, size_t i)
{
	const struct loss_argument_info *info = spoiled->loss->arguments[i];
	if (shapes_depend_on(spoiled, i))
		return false;
	force(spoiled, i, (struct loss_value){.type = LOSS_VALUE_STRING, .text = "nonsense"});
	return spoiled_blame(spoiled, LOSS_ARGUMENT_OUT_OF_RANGE, info->name);
}

/* What is in its range but not beside the rest of the problem. */
bool spoil_not_beside_the_rest(struct spoiled *spoiled, size_t i)
{
	struct loss_value value;
	bool apart = spoiled->draft->probabilities || spoiled->draft->smoothed;
	if (argument_is(spoiled, i, "ignore_index") && spoiled->draft->probabilities)
		value = make_integer(spoiled, 0);
	else if (argument_is(spoiled, i, "gamma") && spoiled->draft->by_class && apart)
		value = make_value(spoiled, LOSS_VALUE_NUMBER, 1);
	else if (argument_is(spoiled, i, "k"))
		value = make_integer(spoiled, (double)spoiled->draft->classes + 1);
	else
		return false;
	force(spoiled, i, value);
	return spoiled_blame(spoiled, LOSS_ARGUMENT_OUT_OF_RANGE,
			     spoiled->loss->arguments[i]->name);
}

/* ---------------------------------------------------------------- outputs */

/* One more, after those that there are. */
static bool add_output(struct spoiled *spoiled, const char *name)
{
	struct loss_problem *problem = spoiled->problem;
	size_t n = problem->outputs_given ? problem->n_outputs : 0;
	const char **names = expect_alloc(spoiled->draft->arena, n + 1, sizeof(*names));
	for (size_t i = 0; i < n; i++)
		names[i] = problem->outputs[i].name;
	names[n] = name;
	problem->outputs_given = false;
	loss_problem_set_outputs(problem, names, n + 1, NULL);
	spoiled->wrong->has_index = true;
	spoiled->wrong->index = n;
	return spoiled_blame(spoiled, LOSS_ARGUMENT_OUT_OF_RANGE, "outputs");
}

bool spoil_output_twice(struct spoiled *spoiled, size_t i)
{
	const struct loss_problem *problem = spoiled->problem;
	for (size_t k = 0; problem->outputs_given && k < problem->n_outputs; k++)
		if (strcmp(problem->outputs[k].name, spoiled->loss->outputs[i]->name) == 0)
			return add_output(spoiled, problem->outputs[k].name);
	return false;
}

bool spoil_output_of_unmet_need(struct spoiled *spoiled, size_t i)
{
	const struct loss_output_info *info = spoiled->loss->outputs[i];
	for (size_t k = 0; k < N_NEEDED_TENSORS; k++) {
		loss_role role = needed_tensors[k].role;
		if (!(info->needs & needed_tensors[k].need) || spoiled->problem->present[role])
			continue;
		add_output(spoiled, info->name);
		spoiled->wrong->has_index = false;
		return spoiled_blame(spoiled, LOSS_MISSING_FIELD,
				     names_tensor_of_role(spoiled->loss, role)->name);
	}
	return (info->needs & LOSS_NEEDS_INDICES) && spoiled->draft->probabilities &&
	       add_output(spoiled, info->name);
}

/* A name that no output has, near that of this one. */
bool spoil_unknown_output(struct spoiled *spoiled, size_t i)
{
	char *name = expect_alloc(spoiled->draft->arena, 80, 1);
	snprintf(name, 80, "%sx", spoiled->loss->outputs[i]->name);
	return add_output(spoiled, name);
}

/* ---------------------------------------------------------------- names */

/* A copy of the loss's row, for whoever writes the problem down. */
static struct loss_row *copy_row(struct spoiled *spoiled)
{
	struct loss_row *copy = expect_alloc(spoiled->draft->arena, 1, sizeof(*copy));
	*copy = *spoiled->problem->loss;
	spoiled->problem->loss = copy;
	spoiled->wrong->is_name = true;
	return copy;
}

static const char *longer(struct spoiled *spoiled, const char *name)
{
	char *text = expect_alloc(spoiled->draft->arena, 80, 1);
	snprintf(text, 80, "%sx", name);
	return text;
}

/* Of zeros: JSON takes NaN and infinities in known tensors only. */
bool spoil_unknown_tensor(struct spoiled *spoiled, size_t i)
{
	const struct loss_info *loss = spoiled->loss;
	const struct loss_tensor *tensor = spoiled_tensor(spoiled, i);
	if (tensor == NULL)
		return false;
	memset(tensor->data, 0, tensor->count * loss_dtype_info(tensor->dtype)->size);
	struct loss_tensor_info *tensors =
		expect_alloc(spoiled->draft->arena, loss->n_tensors, sizeof(*tensors));
	memcpy(tensors, loss->tensors, loss->n_tensors * sizeof(*tensors));
	tensors[i].name = longer(spoiled, tensors[i].name);
	copy_row(spoiled)->info.tensors = tensors;
	return spoiled_blame(spoiled, LOSS_UNKNOWN_FIELD, tensors[i].name);
}

bool spoil_unknown_argument(struct spoiled *spoiled, size_t i)
{
	const struct loss_info *loss = spoiled->loss;
	if (!(spoiled->problem->arguments_given >> i & 1))
		return false;
	const struct loss_argument_info **arguments =
		expect_alloc(spoiled->draft->arena, loss->n_arguments, sizeof(*arguments));
	struct argument_row *row = expect_alloc(spoiled->draft->arena, 1, sizeof(*row));
	memcpy(arguments, loss->arguments, loss->n_arguments * sizeof(*arguments));
	*row = *argument_row(arguments[i]);
	row->info.name = longer(spoiled, row->info.name);
	arguments[i] = &row->info;
	copy_row(spoiled)->info.arguments = arguments;
	return spoiled_blame(spoiled, LOSS_UNKNOWN_FIELD, row->info.name);
}
