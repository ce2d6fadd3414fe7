/* Setting the fields of a problem by their names, for callers who write them themselves. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "problem.h"
#include "status.h"

/* There is no tensor, or no argument, of that name: it is of another kind, or of none. */
static loss_status unknown(const struct loss_problem *problem, const char *name, unsigned kind,
			   struct loss_error *err)
{
	const struct loss_info *loss = &problem->loss->info;
	const struct loss_place place = {.loss = loss,
					 .kinds = kind,
					 .to_tensors = "set it by loss_problem_set",
					 .to_arguments = "set it by loss_problem_set_number, "
							 "_integer, _boolean or _text",
					 .to_outputs = "ask for it by loss_problem_set_outputs"};
	char hint[LOSS_HINT_CHARS];
	if (!err)
		return LOSS_UNKNOWN_FIELD;
	loss_hint_name(&place, name, strlen(name), hint, sizeof hint);
	return loss_fail(err, LOSS_UNKNOWN_FIELD, name, "%s has no %s \"%.60s\"; %s", loss->name,
			 kind == LOSS_NAME_TENSOR ? "tensor" : "argument", name, hint);
}

loss_status loss_problem_set(struct loss_problem *problem, const char *name,
			     const struct loss_tensor *tensor, struct loss_error *err)
{
	int i = loss_find_tensor(&problem->loss->info, name, strlen(name));
	if (i < 0)
		return unknown(problem, name, LOSS_NAME_TENSOR, err);
	return loss_problem_set_tensor(problem, (size_t)i, tensor, err);
}

static loss_status set_argument(struct loss_problem *problem, const char *name,
				const struct loss_value *value, struct loss_error *err)
{
	int i = loss_find_argument(&problem->loss->info, name, strlen(name));
	if (i < 0)
		return unknown(problem, name, LOSS_NAME_ARGUMENT, err);
	return loss_problem_set_argument(problem, (size_t)i, value, err);
}

loss_status loss_problem_set_number(struct loss_problem *problem, const char *name, double value,
				    struct loss_error *err)
{
	char text[32];
	snprintf(text, sizeof text, "%.17g", value);
	return set_argument(
		problem, name,
		&(struct loss_value){.type = LOSS_VALUE_NUMBER, .number = value, .text = text},
		err);
}

loss_status loss_problem_set_integer(struct loss_problem *problem, const char *name, int64_t value,
				     struct loss_error *err)
{
	char text[32];
	snprintf(text, sizeof text, "%" PRId64, value);
	return set_argument(problem, name,
			    &(struct loss_value){.type = LOSS_VALUE_INTEGER,
						 .integer = value,
						 .number = (double)value,
						 .text = text},
			    err);
}

loss_status loss_problem_set_boolean(struct loss_problem *problem, const char *name, bool value,
				     struct loss_error *err)
{
	return set_argument(problem, name,
			    &(struct loss_value){.type = LOSS_VALUE_BOOLEAN,
						 .boolean = value,
						 .text = value ? "true" : "false"},
			    err);
}

loss_status loss_problem_set_text(struct loss_problem *problem, const char *name, const char *value,
				  struct loss_error *err)
{
	return set_argument(
		problem, name,
		&(struct loss_value){.type = value ? LOSS_VALUE_STRING : LOSS_VALUE_NULL,
				     .text = value},
		err);
}
