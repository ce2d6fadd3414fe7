/*
 * What is computed of every logit of a group's rows beside its sums, by vector kernels in double:
 * log-probabilities, entropies, and gradients with a term of its own for every class. All of it is
 * for regular lanes (vector.h); the others are evaluated row by row.
 */
#ifndef LOSS_KERNEL_DENSE_H
#define LOSS_KERNEL_DENSE_H

#include "group.h"

/* b_c = (t_c scale + shift) weight_c, with t of a tensor, or 1 at class y and 0 elsewhere. */
struct dense_operand {
	const struct loss_tensor *tensor; /* of the input's shape, or NULL */
	size_t ahead;                     /* elements by which the tensor's rows are ahead */
	size_t y[GROUP_ROWS];             /* without a tensor; SIZE_MAX: nowhere */
	double scale, shift;
	const struct loss_tensor *weight; /* one a class, or NULL */
};

/* The classes that operations take at a time, and what stands beside them. */
#define DENSE_CHUNK ((size_t)(TILE_CLASSES * GROUP_ROWS))
struct dense_buffer {
	_Alignas(64) float x[DENSE_CHUNK], out[DENSE_CHUNK];
	double b[DENSE_CHUNK];
};

struct dense_work {
	const struct group *group;
	const struct dense_operand *operand; /* NULL where the operation has none */
	bool on[GROUP_ROWS];                 /* for the other lanes nothing of meaning is done */
	struct dense_lanes lanes;
	bool kept; /* `tile` has all classes of all lanes */
	struct dense_buffer tile;
};

/* For all regular lanes, with nothing but their maxima set. */
void dense_start(struct dense_work *work, const struct group *group,
		 const struct dense_operand *operand);

/* lanes.sum of every lane becomes the operation's sums over its row. */
void dense_sum(struct dense_work *work, dense_fn *operation);

/* Writes the operation's values into a tensor of the input's shape. */
void dense_write(struct dense_work *work, dense_fn *operation, const struct loss_tensor *out);

/* What makes p_c of the operations' e. */
static inline double dense_unit(const struct group *group, size_t lane)
{
	return group->sums.inverse[lane] * 0x1p-60 / (1.0 + group->sums.residual[lane]);
}

/* Whether a factor of a gradient is such that what it makes of p_c = 2^-184 is nothing. */
static inline bool dense_takes(double factor)
{
	return fabs(factor) < 0x1p60;
}

/* The first maximum of every regular lane, SIZE_MAX for the others. */
void dense_predicted(const struct group *group, size_t *predicted);

/* row_rank of every regular lane with a class y that is not negative, SIZE_MAX for the others. */
void dense_rank(const struct group *group, const int64_t *y, size_t *rank);

/* row_write_outputs for all of the group's rows. */
void dense_write_outputs(const struct group *group);

#endif
