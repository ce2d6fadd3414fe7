/*
 * The classes of a row as doubles, some at a time: for losses that are sums over them. What they
 * come to follows from the row alone, in whatever layout it lies.
 */
#ifndef LOSS_KERNEL_CLASSES_H
#define LOSS_KERNEL_CLASSES_H

#include <string.h>

#include "rows.h"

#define CLASSES_AT_A_TIME ((size_t)512)

/* How many of a row's classes are next, from class c on. */
static inline size_t classes_left(const struct loss_plan *plan, size_t c)
{
	size_t left = plan->classes - c;
	return left < CLASSES_AT_A_TIME ? left : CLASSES_AT_A_TIME;
}

/* n classes of row r of the input, from class c on. */
static inline void classes_load(const struct loss_plan *plan, size_t r, size_t c, size_t n,
				double *to)
{
	const struct loss_tensor *input = &plan->tensors[LOSS_ROLE_INPUT];
	size_t at = plan_row_base(plan, r) + c * plan->inner;
	if (plan->inner == 1)
		plan->kernels->widen(input->dtype, tensor_at(input, at), to, n);
	else
		for (size_t i = 0; i < n; i++)
			to[i] = tensor_number(input, at + i * plan->inner);
}

/* The same of their gradients; what is narrower than F32 is rounded to that on the way. */
static inline void classes_store(const struct loss_plan *plan, size_t r, size_t c, size_t n,
				 const double *from)
{
	const struct loss_tensor *grad = &plan->outputs[OUTPUT_GRAD];
	size_t at = plan_row_base(plan, r) + c * plan->inner;
	unsigned char *to = (unsigned char *)grad->data + at * dtype_size(grad->dtype);
	float floats[CLASSES_AT_A_TIME];
	if (plan->inner > 1) {
		for (size_t i = 0; i < n; i++)
			tensor_put(grad, at + i * plan->inner, from[i]);
	} else if (grad->dtype == LOSS_F64) {
		memcpy(to, from, n * sizeof *from);
	} else {
		for (size_t i = 0; i < n; i++)
			floats[i] = (float)from[i];
		plan->kernels->floats->store(grad->dtype, floats, to, n);
	}
}

/* Gradients of a row that does not count, or that is NaN. */
static inline void classes_fill(const struct loss_plan *plan, size_t r, double value)
{
	double all[CLASSES_AT_A_TIME];
	for (size_t i = 0; i < CLASSES_AT_A_TIME; i++)
		all[i] = value;
	for (size_t c = 0; plan_has_class(plan, c); c += classes_left(plan, c))
		classes_store(plan, r, c, classes_left(plan, c), all);
}

/* Adds n values, each to the lane of its class; behind them there is room for whole lanes. */
static inline void classes_add(struct lane_sums *sums, double *values, size_t n)
{
	for (size_t i = n; i % LANES != 0; i++)
		values[i] = 0.0;
	for (size_t i = 0; i < n; i += LANES)
		for (size_t lane = 0; lane < LANES; lane++) {
			double error;
			sums->high[lane] = two_sum(sums->high[lane], values[i + lane], &error);
			sums->low[lane] += error;
		}
}

static inline struct sum classes_total(const struct lane_sums *sums)
{
	struct sum total = {0};
	lane_sums_merge(sums, LANES, &total);
	return total;
}

#endif
