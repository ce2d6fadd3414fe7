/* Room for what a plan computes: its outputs and its row blocks. */
#include "results.h"

#include "bytes.h"
#include "calibration.h"
#include "groups.h"
#include "shapes.h"
#include "state.h"

static loss_dtype output_dtype(const struct loss_plan *plan, loss_dtype_rule rule)
{
	loss_dtype input = plan->tensors[LOSS_ROLE_INPUT].dtype;
	switch (rule) {
	case LOSS_DTYPE_OF_RESULTS:
		return input == LOSS_F64 ? LOSS_F64 : LOSS_F32;
	case LOSS_DTYPE_OF_INPUT:
		return argument_given(&plan->args, ARGUMENT_GRAD_DTYPE) ? LOSS_F32 : input;
	case LOSS_DTYPE_F64:
		return LOSS_F64;
	case LOSS_DTYPE_I64:
		return LOSS_I64;
	case LOSS_DTYPE_BOOL:
		break;
	}
	return LOSS_BOOL;
}

static loss_status make_outputs(struct loss_plan *plan, struct loss_arena *arena,
				struct loss_error *err)
{
	for (size_t i = 0; i < plan->n_outputs; i++) {
		const struct output_row *row = plan->requested[i];
		struct loss_tensor *tensor = &plan->outputs[row->id];
		shapes_of_output(plan, &row->info, tensor);
		tensor->dtype = output_dtype(plan, row->info.dtype);
		tensor->data = loss_arena_alloc(arena, tensor->count, dtype_size(tensor->dtype));
		if (!tensor->data)
			return loss_arena_failure(arena, err);
	}
	return LOSS_OK;
}

/* Where nothing of a row is read but its target's logit, that takes as long as so many neighbours
 * would. */
#define ELEMENTS_OF_A_TARGET ((size_t)4)

/* Numbers of every row, where something that is wanted adds them up by itself. */
static loss_status make_rows(struct loss_plan *plan, struct loss_arena *arena,
			     struct loss_error *err)
{
	bool plain = plan->wanted[OUTPUT_LOSS_QUANTILES];
	bool losses = plan->sequences.all || plan->wanted[OUTPUT_GROUP_LOSS_SUM] ||
		      plan->wanted[OUTPUT_GROUP_LOSS] ||
		      (groups_are_wanted(plan) && state_is_wanted(plan));
	bool nlls = plan->wanted[OUTPUT_BITS_PER_BYTE] && bytes_are_by_group(plan);
	if (losses && !(plan->row_losses = loss_arena_array(arena, double, plan->rows)))
		return loss_arena_failure(arena, err);
	if (nlls && !(plan->row_nlls = loss_arena_array(arena, double, plan->rows)))
		return loss_arena_failure(arena, err);
	if (plain && !(plan->row_plain = loss_arena_array(arena, double, plan->rows)))
		return loss_arena_failure(arena, err);
	plan->keeps_rows |= losses || nlls;
	return LOSS_OK;
}

/* The next of some feeds, where there is one. */
static struct exact_feed *take_feed(struct exact_feed **left, bool has)
{
	return has ? (*left)++ : NULL;
}

/* Of those sums that not all plans have. */
static loss_status make_partials(struct loss_plan *plan, struct loss_arena *arena,
				 struct loss_error *err)
{
	bool z = plan->args.z_loss > 0.0 || plan->wanted[OUTPUT_Z_LOSS];
	size_t all = (size_t)z + plan->scores + plan->wanted[OUTPUT_KL];
	struct exact_feed *feeds = NULL;
	plan->partials = loss_arena_array(arena, struct partial, plan->n_partials);
	if (all > 0)
		feeds = loss_arena_array(arena, struct exact_feed, all * plan->n_partials);
	if (!plan->partials || (all > 0 && !feeds))
		return loss_arena_failure(arena, err);
	for (size_t i = 0; i < plan->n_partials; i++) {
		plan->partials[i].z_loss = take_feed(&feeds, z);
		plan->partials[i].nll = take_feed(&feeds, plan->scores);
		plan->partials[i].kl = take_feed(&feeds, plan->wanted[OUTPUT_KL]);
	}
	return LOSS_OK;
}

static loss_status make_blocks(struct loss_plan *plan, struct loss_arena *arena,
			       struct loss_error *err)
{
	bool short_rows = plan->layout == LAYOUT_TARGETS && !plan->streams;
	plan->block_rows = BLOCK_ROWS(short_rows ? ELEMENTS_OF_A_TARGET : plan->classes);
	plan->n_blocks = plan->rows / plan->block_rows + (plan->rows % plan->block_rows != 0);
	plan->n_partials = plan->n_blocks < PLAN_PARTIALS ? plan->n_blocks : PLAN_PARTIALS;
	plan->n_partials += plan->n_partials == 0; /* of no rows */
	plan->taken = plan->used = 0;
	if (plan->streams) /* all of a block's input is held: blocks of its own */
		plan->n_blocks = 1;
	TRY(make_partials(plan, arena, err));
	return calibration_make(plan, arena, err);
}

loss_status results_make(struct loss_plan *plan, struct loss_arena *arena, struct loss_error *err)
{
	TRY(make_outputs(plan, arena, err));
	plan->keeps_rows = plan->wanted[OUTPUT_LOSS] && plan->reduction == REDUCTION_NONE;
	TRY(make_rows(plan, arena, err));
	TRY(make_blocks(plan, arena, err));
	return state_is_wanted(plan) ? state_make(plan, arena, err) : LOSS_OK;
}

bool loss_plan_output(const struct loss_plan *plan, size_t i, struct loss_output *output)
{
	if (i >= plan->n_outputs)
		return false;
	const struct output_row *row = plan->requested[i];
	*output = (struct loss_output){row->info.name, plan->outputs[row->id]};
	return true;
}
