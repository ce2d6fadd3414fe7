#include "describe.h"

#include <float.h>
#include <stdio.h>
#include <string.h>

#include "problem.h"

#define ROWS_SHAPE "the input's without its class axis: (), (N) or (N, d1..d6)"

static const char *input_name(const struct loss_info *loss)
{
	return loss->tensors[0].name;
}

/* A shape that follows from the input's. */
static void describe_extent(const struct loss_info *loss, loss_extent extent, char *out,
			    size_t size)
{
	const char *input = input_name(loss);
	switch (extent) {
	case LOSS_EXTENT_SCALAR:
		snprintf(out, size, "()");
		break;
	case LOSS_EXTENT_CLASSES:
		snprintf(out, size, "(C)");
		break;
	case LOSS_EXTENT_ROWS:
		snprintf(out, size, loss->element_wise ? "that of %s" : ROWS_SHAPE, input);
		break;
	case LOSS_EXTENT_INPUT:
		snprintf(out, size, "that of %s", input);
		break;
	case LOSS_EXTENT_TARGETS:
		snprintf(out, size, ROWS_SHAPE " for class indices, that of %s for probabilities",
			 input);
		break;
	case LOSS_EXTENT_BROADCAST:
		snprintf(out, size, "one that broadcasts to that of %s", input);
		break;
	case LOSS_EXTENT_BROADCAST_ROWS:
		snprintf(out, size,
			 "one that broadcasts to that of %s, or that without its last axis", input);
		break;
	case LOSS_EXTENT_GROUPS:
		snprintf(out, size, "(G)");
		break;
	case LOSS_EXTENT_QUANTILES:
		snprintf(out, size, "(%d)", LOSS_N_QUANTILES);
		break;
	case LOSS_EXTENT_ROWS_OR_GROUPS:
		snprintf(out, size, ROWS_SHAPE ", or (G) beside groups");
		break;
	case LOSS_EXTENT_LISTED:
		snprintf(out, size, "that of %s, or beside class indices of K a row theirs", input);
		break;
	case LOSS_EXTENT_LOSS:
		snprintf(out, size, "() for mean and sum; for none %s %s",
			 loss->element_wise ? "that of" : "that of the rows of", input);
		break;
	}
}

const struct needed_tensor needed_tensors[N_NEEDED_TENSORS] = {
	{LOSS_NEEDS_GRAD_OUTPUT, LOSS_ROLE_GRAD_OUTPUT, "of the shape of ", ""},
	{LOSS_NEEDS_GROUPS, LOSS_ROLE_GROUPS, "an integer for each row of ", ""},
	{LOSS_NEEDS_BYTES, LOSS_ROLE_BYTES, "an integer for each row of ", ", or for each group"},
	{LOSS_NEEDS_OWN_1, LOSS_ROLE_OWN_1, "a number for each row of ", ""},
	{LOSS_NEEDS_TARGETS, LOSS_ROLE_TARGETS, "a class for each row of ", ""},
};

/* LOSS_NEEDS_NOTHING where no output may need it. */
static loss_need need_of(loss_role role)
{
	for (size_t i = 0; i < N_NEEDED_TENSORS; i++)
		if (needed_tensors[i].role == role)
			return needed_tensors[i].need;
	return LOSS_NEEDS_NOTHING;
}

/* The outputs that need this tensor. */
static void list_needing(const struct loss_info *loss, const struct loss_tensor_info *tensor,
			 char *out, size_t size)
{
	const char *before = "; required for ";
	size_t used = 0;
	for (size_t i = 0; i < loss->n_outputs && used < size; i++)
		if (loss->outputs[i]->needs & need_of(tensor->role)) {
			used += (size_t)snprintf(out + used, size - used, "%s%s", before,
						 loss->outputs[i]->name);
			before = ", ";
		}
}

void loss_describe_tensor_shape(const struct loss_info *loss, size_t i, char *out, size_t size)
{
	const struct loss_tensor_info *tensor = &loss->tensors[i];
	if (i > 0)
		describe_extent(loss, tensor->extent, out, size);
	else if (loss->element_wise)
		snprintf(out, size, "any");
	else if (loss_row_of(loss)->most_axes == 2)
		snprintf(out, size, "(C) or (N, C)");
	else if (argument_presets(loss_row_of(loss))->class_axis == -1)
		snprintf(out, size, "(C), (N, C) or (N, d1..d6, C)");
	else
		snprintf(out, size, "(C), (N, C) or (N, C, d1..d6); with class_axis -1, C is last");
	size_t used = strlen(out);
	if (tensor->extra_axis)
		snprintf(out + used, size - used, ", and an axis of K after those");
	else
		list_needing(loss, tensor, out + used, size - used);
}

/* The integers of a range, where these are few: the largest first. */
static void list_integers(const struct loss_range *range, char *out, size_t size)
{
	size_t used = 0;
	for (int value = (int)range->max; value >= (int)range->min && used < size; value--)
		if (value != 0 || !range->zero_excluded)
			used += (size_t)snprintf(out + used, size - used, "%s%d",
						 used ? " or " : "", value);
}

void describe_range(const struct loss_range *range, bool integers, char *out, size_t size)
{
	if (!range_is_bounded(range))
		snprintf(out, size, "%s", "");
	else if (range->min == -0x1p63)
		snprintf(out, size, "any 64-bit integer");
	else if (integers && range->max - range->min <= 2.0)
		list_integers(range, out, size);
	else if (range->max == 0x1p63 || range->max > DBL_MAX)
		snprintf(out, size, "%g or greater", range->min);
	else if (range->min == -DBL_MAX && range->max == DBL_MAX)
		snprintf(out, size, "finite");
	else if (range->min == -DBL_MAX)
		snprintf(out, size, "at most %g, finite", range->max);
	else if (range->max == DBL_MAX && range->min_excluded)
		snprintf(out, size, "greater than %g, finite", range->min);
	else if (range->max == DBL_MAX)
		snprintf(out, size, "%g or greater, finite", range->min);
	else if (range->min_excluded && range->max_excluded)
		snprintf(out, size, "greater than %g and less than %g", range->min, range->max);
	else
		snprintf(out, size, "%g to %g", range->min, range->max);
}

void loss_describe_argument_range(const struct loss_info *loss, size_t i, char *out, size_t size)
{
	const struct loss_argument_info *argument = loss->arguments[i];
	describe_range(&argument->range, argument->type == LOSS_ARGUMENT_INTEGER, out, size);
}

void loss_describe_output_dtype(const struct loss_info *loss, size_t i, char *out, size_t size)
{
	switch (loss->outputs[i]->dtype) {
	case LOSS_DTYPE_OF_RESULTS:
		snprintf(out, size, "F64 where %s is F64, else F32", input_name(loss));
		break;
	case LOSS_DTYPE_OF_INPUT:
		snprintf(out, size, "that of %s, or grad_dtype", input_name(loss));
		break;
	case LOSS_DTYPE_F64:
		snprintf(out, size, "F64");
		break;
	case LOSS_DTYPE_I64:
		snprintf(out, size, "I64");
		break;
	case LOSS_DTYPE_BOOL:
		snprintf(out, size, "BOOL");
		break;
	}
}

void loss_describe_output_shape(const struct loss_info *loss, size_t i, char *out, size_t size)
{
	describe_extent(loss, loss->outputs[i]->extent, out, size);
}
