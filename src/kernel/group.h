/*
 * Up to sixteen rows of float logits at a time, evaluated by the vector kernels. Two layouts: long
 * rows whose classes are contiguous, one after the other; and tiles, sixteen rows side by side, for
 * few classes and for classes that are not contiguous.
 */
#ifndef LOSS_KERNEL_GROUP_H
#define LOSS_KERNEL_GROUP_H

#include "row.h"

struct group {
	const struct loss_plan *plan;
	size_t first; /* row of lane 0 */
	size_t n;     /* rows, 1 to GROUP_ROWS; the other lanes hold nothing of meaning */
	size_t base[GROUP_ROWS];
	struct row_group sums;
};

/*
 * Whether the vector kernels take this plan's input. A handful of logits is evaluated in double:
 * that takes no longer, and its totals have all their digits.
 */
static inline bool group_takes(const struct loss_plan *plan)
{
	const struct loss_tensor *input = &plan->tensors[LOSS_ROLE_INPUT];
	return input->dtype != LOSS_F64 && input->count > 32 && !plan->transform.on;
}

/* Few classes are read sixteen rows at a time, and so are classes that are not contiguous. */
static inline bool group_is_tiled(const struct loss_plan *plan)
{
	return plan->inner > 1 || plan->classes <= TILE_CLASSES;
}

/* Whether the lanes' rows are neighbouring positions. */
static inline bool group_is_together(const struct group *group)
{
	return group->plan->inner > 1 && group->n == GROUP_ROWS &&
	       group->base[GROUP_ROWS - 1] == group->base[0] + GROUP_ROWS - 1;
}

/* Outputs of this size and more do not fit a cache beside the input: they are written past it. */
#define STREAM_BYTES ((size_t)1 << 22)

/* n elements of the input as floats: in place where they are, else in the buffer. */
const float *group_load(const struct loss_plan *plan, size_t i, size_t n, float *buffer);

/* n floats, rounded once where the tensor's type is narrower, to its elements from i on. */
void group_store(const struct loss_tensor *out, size_t i, const float *values, size_t n);

/* Classes [c, c + n) of every lane into a tile of GROUP_ROWS floats a class, n <= TILE_CLASSES;
 * lanes without a row get zeros. And back, for the lanes in use. */
void group_gather(const struct group *group, size_t c, size_t n, float *tile);
void group_scatter(const struct group *group, size_t c, size_t n, const float *tile,
		   const struct loss_tensor *out);

/* Reads rows [first, first + n). */
void group_read(struct group *group, const struct loss_plan *plan, size_t first, size_t n);

/* The same from sums that are finished already. */
void group_take(struct group *group, const struct loss_plan *plan, size_t first, size_t n,
		const struct row_group *sums);

/* The classes of GROUP_ROWS rows, as targets_read gives them, and their weights. Not the logits. */
void row_targets_set(const struct loss_plan *plan, const int64_t *y, struct row_targets *targets);

/* The row in a lane, as row_read would give it but for rounding: in double where the lane is not
 * regular. */
void group_row(const struct group *group, size_t lane, struct row *row);

/* Logit of class c of a lane, as a double. */
static inline double group_logit(const struct group *group, size_t lane, size_t c)
{
	return tensor_number(&group->plan->tensors[LOSS_ROLE_INPUT],
			     group->base[lane] + c * group->plan->inner);
}

static inline void lane_sums_add(struct lane_sums *sums, size_t lane, double value)
{
	double error;
	sums->high[lane] = two_sum(sums->high[lane], value, &error);
	sums->low[lane] += error;
}

/* Adds up the first n lanes, the others being 0, by halves: a tree waits less than a chain. */
static inline void lane_sums_merge(const struct lane_sums *sums, size_t n, struct sum *total)
{
	struct lane_sums tree = *sums;
	for (size_t half = GROUP_ROWS / 2; half > 0; half /= 2)
		for (size_t lane = 0; half < n && lane < half; lane++) {
			double error;
			tree.high[lane] = two_sum(tree.high[lane], tree.high[lane + half], &error);
			tree.low[lane] += tree.low[lane + half] + error;
		}
	sum_merge(total, &(struct sum){tree.high[0], tree.low[0]});
}

/*
 * out = factor[lane] * exp(x_c - max) for every class of every lane, into a tensor of the
 * input's shape. Lanes that are not group_scales are written with zeros.
 */
void group_scale(const struct group *group, const double *factor, const struct loss_tensor *out);

/* Whether group_scale can write this lane with this factor. */
static inline bool group_scales(const struct group *group, size_t lane, double factor)
{
	double size = fabs(factor);
	return row_group_regular(&group->sums, lane) &&
	       (size == 0.0 || (size >= 0x1p-60 && size < 0x1p60));
}

#endif
