/*
 * What is computed of every logit of rows once their sums are made: the operations of
 * vector/vector.h over all classes of all lanes, in whatever layout they are. What comes of a lane
 * that is not regular has no meaning.
 */
#ifndef LOSS_KERNEL_OPERATE_H
#define LOSS_KERNEL_OPERATE_H

#include "../reduce.h"
#include "operands.h"

struct work {
	struct rows *rows;
	const struct operand *operand; /* NULL: the operation's b is that of the lanes */
	unsigned on;                   /* bit l: something of meaning is to be done for lane l */
	struct lanes lanes;            /* a row a lane: numbers in, sums out */
};

/* For all regular lanes, with maxima and exponents set, and factor to b 0. */
void work_start(struct work *work, struct rows *rows, const struct operand *operand);

/* The operation's sums, in lanes.sum and lanes.lost. */
void work_sum(struct work *work, enum operation operation);

/* What the operations that leave out a logit do: class y of each lane, none where that is negative.
 */
void work_leave_out(struct work *work, const int64_t *y);

/* Writes the operation's values, times the slopes of a softcap if `sloped`, into a tensor of the
 * input's shape. */
void work_write(struct work *work, enum operation operation, const struct loss_tensor *out,
		bool sloped);

/* FIND_FIRST of lanes.value: the first class that has it, INT64_MAX if none does; and
 * COUNT_BEFORE, with lanes.limit the class from which on equal ones do not count. In lanes.count.
 */
void work_find(struct work *work);
void work_count(struct work *work);

/* What FIND_FIRST and COUNT_BEFORE compare with: logits of the lanes. */
void work_seek(struct work *work, const double *logits);

static inline struct sum work_sum_of(const struct work *work, size_t i, size_t lane)
{
	return (struct sum){work->lanes.sum[i][lane], work->lanes.lost[i][lane]};
}

/* The operations' e times the lanes' factor is then p_c times this. */
static inline void work_set_factors(struct work *work, const struct lane_sums *factors)
{
	work->rows->numbers->shares(work->rows->sums, factors, &work->lanes);
}

/* Whether a factor of a gradient is such that what it makes of the smallest p_c that is not 0 is
 * nothing. */
static inline bool work_takes(double factor)
{
	return fabs(factor) < 0x1p60;
}

/* Whether WRITE_SCALED takes the lane's factor. */
static inline bool work_scales(const struct work *work, size_t lane)
{
	double size = fabs(work->lanes.factor[lane]) / work->rows->numbers->unit;
	return size == 0.0 || (size >= 0x1p-60 && size < 0x1p60);
}

#endif
