/* A whole evaluation as one struct: see loss/call.h. */
#include "problem.h"
#include "status.h"

static loss_status set_fields(struct loss_problem *problem, struct loss_call *call)
{
	for (size_t i = 0; i < call->loss->n_tensors; i++)
		if (call->tensors[i])
			TRY(loss_problem_set_tensor(problem, i, call->tensors[i], &call->error));
	for (size_t i = 0; i < call->loss->n_arguments; i++)
		if (call->arguments[i].type != LOSS_VALUE_NULL)
			TRY(loss_problem_set_argument(problem, i, &call->arguments[i],
						      &call->error));
	if (!call->outputs)
		return LOSS_OK;
	return loss_problem_set_outputs(problem, call->outputs, call->n_outputs, &call->error);
}

static double scalar_of(const struct loss_result *result)
{
	const struct loss_tensor *first = &result->outputs[0].tensor;
	if (result->n_outputs == 0 || first->rank > 0 ||
	    !(LOSS_DTYPE_BIT(first->dtype) & LOSS_FLOAT_DTYPES))
		return 0.0;
	return loss_float_get(first->dtype, first->data, 0);
}

loss_status loss_call_run(struct loss_call *call)
{
	if (call->size != sizeof *call)
		return LOSS_WRONG_TYPE;
	loss_arena_reset(call->arena);
	struct loss_problem *problem = loss_problem_create(call->loss, call->arena);
	if (!problem)
		return loss_arena_failure(call->arena, &call->error);
	TRY(set_fields(problem, call));
	TRY(loss_evaluate(problem, call->arena, call->threads, NULL, &call->result, &call->error));
	call->scalar = scalar_of(&call->result);
	return LOSS_OK;
}
