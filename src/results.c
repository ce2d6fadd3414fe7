/* Room for what a plan computes: its outputs and its row blocks. */
#include "results.h"

/* Elements of a row block: large enough that a block costs little to hand out, small enough to
 * share and to cancel. */
#define BLOCK_ELEMENTS ((size_t)65536)

static loss_dtype result_dtype(const struct loss_plan *plan)
{
	return plan->tensors[LOSS_ROLE_INPUT].dtype == LOSS_F64 ? LOSS_F64 : LOSS_F32;
}

static struct loss_tensor output_shape(const struct loss_plan *plan, enum output output)
{
	struct loss_tensor scalar = {.dtype = result_dtype(plan), .count = 1};
	struct loss_tensor rows = plan->rows_shape;
	rows.dtype = result_dtype(plan);
	struct loss_tensor dense = plan->tensors[LOSS_ROLE_INPUT];
	if (argument_given(&plan->args, ARGUMENT_GRAD_DTYPE))
		dense.dtype = LOSS_F32;
	switch (output) {
	case OUTPUT_LOSS:
		return plan->reduction == REDUCTION_NONE ? rows : scalar;
	case OUTPUT_ACCURACY:
		scalar.dtype = LOSS_F64;
		return scalar;
	case OUTPUT_PREDICTED:
		rows.dtype = LOSS_I64;
		return rows;
	case OUTPUT_CORRECT:
		rows.dtype = LOSS_BOOL;
		return rows;
	case OUTPUT_LSE:
		return rows;
	default:
		return dense;
	}
}

static loss_status make_outputs(struct loss_plan *plan, struct loss_arena *arena,
				struct loss_error *err)
{
	for (size_t i = 0; i < plan->n_outputs; i++) {
		enum output output = plan->requested[i];
		struct loss_tensor *tensor = &plan->outputs[output];
		*tensor = output_shape(plan, output);
		tensor->data = loss_arena_alloc(arena, tensor->count,
						loss_dtype_info(tensor->dtype)->size);
		if (!tensor->data)
			return loss_arena_failure(arena, err);
	}
	return LOSS_OK;
}

static loss_status make_blocks(struct loss_plan *plan, struct loss_arena *arena,
			       struct loss_error *err)
{
	plan->block_rows = plan->classes < BLOCK_ELEMENTS ? BLOCK_ELEMENTS / plan->classes : 1;
	plan->n_blocks = plan->rows / plan->block_rows + (plan->rows % plan->block_rows != 0);
	plan->partials = loss_arena_array(arena, struct partial, plan->n_blocks);
	return plan->partials ? LOSS_OK : loss_arena_failure(arena, err);
}

loss_status results_make(struct loss_plan *plan, struct loss_arena *arena, struct loss_error *err)
{
	TRY(make_outputs(plan, arena, err));
	return make_blocks(plan, arena, err);
}
