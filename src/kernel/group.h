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

/* Reads rows [first, first + n). */
void group_read(struct group *group, const struct loss_plan *plan, size_t first, size_t n);

#define PANEL_ROWS ((size_t)128)
#define PANEL_STRIDE                                                                               \
	(PANEL_ROWS + GROUP_ROWS) /* no power of two: those fall into few places of a cache */

/*
 * Up to PANEL_ROWS rows of few classes, side by side: class c of row `first` + i is x[c * stride +
 * i]. Positions of floats are left where they are; rows that have to be transposed, or made floats
 * first, are copied.
 */
struct panel {
	size_t first, n;
	const float *x;
	size_t stride;
	size_t block; /* classes that are taken of all rows before the next */
	_Alignas(64) float copy[TILE_CLASSES * PANEL_STRIDE];
};

/* Whether panels make sense for this plan. */
bool panel_takes(const struct loss_plan *plan);

/*
 * Reads up to `most` rows from `first` on, all of one outer index, into panel->n: with contiguous
 * classes in whole groups, so none may be left for it.
 */
void panel_read(struct panel *panel, const struct loss_plan *plan, size_t first, size_t most);

#define PANEL_GROUPS (PANEL_ROWS / GROUP_ROWS)
#define IN_PLACE_CLASSES ((size_t)12)

/* Reads the panel's groups; group_finish completes each. */
void panel_sum(const struct panel *panel, const struct loss_plan *plan, struct group *groups);
void group_finish(struct group *group);

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

static inline void lane_sums_merge(const struct lane_sums *sums, struct sum *total)
{
	for (size_t lane = 0; lane < GROUP_ROWS; lane++)
		sum_merge(total, &(struct sum){sums->high[lane], sums->low[lane]});
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
