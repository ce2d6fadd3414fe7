/* Inside of case_wrong.h: the ways of spoiling a problem. */
#ifndef TESTS_SUPPORT_CASE_SPOIL_H
#define TESTS_SUPPORT_CASE_SPOIL_H

#include "../../src/problem.h"
#include "case_wrong.h"

/* A problem that is being made wrong. */
struct spoiled {
	struct case_draft *draft;
	struct loss_problem *problem;
	const struct loss_info *loss;
	struct case_wrong *wrong;
};

/* One way: of tensor, argument or output i, which by the table can be wrong so. False where the
 * problem can not: it does not have the tensor, or is not of the shape. */
typedef bool spoil_fn(struct spoiled *spoiled, size_t i);

spoil_fn spoil_another_dtype, spoil_dtype_of_the_other_kind, spoil_another_rank, spoil_another_size,
	spoil_broadcast_beyond, spoil_missing, spoil_element_out_of_range,
	spoil_class_out_of_bounds, spoil_group_out_of_bounds, spoil_count_below_0;
spoil_fn spoil_wrong_type, spoil_below_its_range, spoil_above_its_range, spoil_an_excluded_zero,
	spoil_no_choice, spoil_not_beside_the_rest;
spoil_fn spoil_output_twice, spoil_output_of_unmet_need, spoil_unknown_output, spoil_unknown_tensor,
	spoil_unknown_argument;

/* The problem's tensor; NULL where it has none. */
struct loss_tensor *spoiled_tensor(const struct spoiled *spoiled, size_t i);
/* What it will be refused with. Returns true. */
bool spoiled_blame(struct spoiled *spoiled, loss_status status, const char *field);

#endif
