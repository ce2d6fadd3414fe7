/* Room for what a plan computes: its outputs and its row blocks. */
#include "results.h"

/* The tensor whose shape an output has. */
static const struct loss_tensor *output_shape(const struct loss_plan *plan, enum output output)
{
	static const struct loss_tensor scalar = {.count = 1};
	switch (output) {
	case OUTPUT_LOSS:
	case OUTPUT_Z_LOSS:
		return plan->reduction == REDUCTION_NONE ? &plan->rows_shape : &scalar;
	case OUTPUT_ACCURACY:
	case OUTPUT_PERPLEXITY:
	case OUTPUT_ECE:
		return &scalar;
	case OUTPUT_GRAD:
	case OUTPUT_LOG_PROBS:
	case OUTPUT_PROBS:
		return &plan->tensors[LOSS_ROLE_INPUT];
	default:
		return &plan->rows_shape;
	}
}

static loss_dtype output_dtype(const struct loss_plan *plan, enum output output)
{
	loss_dtype input = plan->tensors[LOSS_ROLE_INPUT].dtype;
	switch (output) {
	case OUTPUT_ACCURACY:
	case OUTPUT_PERPLEXITY:
	case OUTPUT_ECE:
		return LOSS_F64;
	case OUTPUT_PREDICTED:
	case OUTPUT_RANK:
		return LOSS_I64;
	case OUTPUT_CORRECT:
		return LOSS_BOOL;
	case OUTPUT_GRAD:
	case OUTPUT_LOG_PROBS:
	case OUTPUT_PROBS:
		return argument_given(&plan->args, ARGUMENT_GRAD_DTYPE) ? LOSS_F32 : input;
	default:
		return input == LOSS_F64 ? LOSS_F64 : LOSS_F32;
	}
}

static loss_status make_outputs(struct loss_plan *plan, struct loss_arena *arena,
				struct loss_error *err)
{
	for (size_t i = 0; i < plan->n_outputs; i++) {
		enum output output = plan->requested[i];
		struct loss_tensor *tensor = &plan->outputs[output];
		*tensor = *output_shape(plan, output);
		tensor->dtype = output_dtype(plan, output);
		tensor->data = loss_arena_alloc(arena, tensor->count,
						loss_dtype_info(tensor->dtype)->size);
		if (!tensor->data)
			return loss_arena_failure(arena, err);
	}
	return LOSS_OK;
}

/* Where nothing of a row is read but its target's logit, that takes as long as so many neighbours
 * would. */
#define ELEMENTS_OF_A_TARGET ((size_t)4)

static loss_status make_blocks(struct loss_plan *plan, struct loss_arena *arena,
			       struct loss_error *err)
{
	bool short_rows = plan->layout == LAYOUT_TARGETS && !plan->streams;
	plan->block_rows = BLOCK_ROWS(short_rows ? ELEMENTS_OF_A_TARGET : plan->classes);
	plan->n_blocks = plan->rows / plan->block_rows + (plan->rows % plan->block_rows != 0);
	if (plan->streams)
		plan->n_blocks = 1;
	plan->partials = loss_arena_array(arena, struct partial, plan->n_blocks);
	return plan->partials ? LOSS_OK : loss_arena_failure(arena, err);
}

loss_status results_make(struct loss_plan *plan, struct loss_arena *arena, struct loss_error *err)
{
	TRY(make_outputs(plan, arena, err));
	return make_blocks(plan, arena, err);
}

bool loss_plan_output(const struct loss_plan *plan, size_t i, struct loss_output *output)
{
	if (i >= plan->n_outputs)
		return false;
	*output = (struct loss_output){output_name(plan->requested[i]),
				       plan->outputs[plan->requested[i]]};
	return true;
}
