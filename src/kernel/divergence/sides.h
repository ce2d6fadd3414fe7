/*
 * Rows of logits by vectors, however they lie: a few hundred classes at a time become doubles,
 * transformed, and go through the side operations of vector/vector.h, alone or beside those of
 * another model. Rows that are not regular are left to row.h.
 *
 * What is computed of a row depends on its classes and the types alone.
 */
#ifndef LOSS_KERNEL_SIDES_H
#define LOSS_KERNEL_SIDES_H

#include "../row.h"
#include "listed.h"

/* Classes that are taken at a time. */
#define SIDE_CLASSES ((size_t)512)

/* A row of one model. */
struct side {
	const struct loss_plan *plan;
	bool wide;                                /* exponentials are those of doubles */
	const struct loss_tensor *tensor;         /* of the input's shape */
	const struct logits_transform *transform; /* NULL: none */
	const struct listed *without;             /* classes that are left out, or NULL */
	size_t base;                              /* of the row's class 0 */

	size_t predicted; /* the first of the largest */
	double max;
	struct sum residual;   /* sum of exp(x - max) over all classes but the predicted one */
	double log1p_residual; /* the logarithm of 1 + that */
	double scale;          /* 1 / (1 + residual) */
};

/* Says which row it is of a side whose plan, `wide` and `without` are set, and makes its sums;
 * false where it is not regular. */
bool side_read(struct side *side, const struct loss_tensor *tensor,
	       const struct logits_transform *transform, size_t r);

/* The row as row_read fills it, of a side that is wide or whose results are floats. */
void side_fill(const struct side *side, struct row *row);

/* A logit, transformed; and its class's probability. */
double side_logit(const struct side *side, size_t c);
double side_prob(const struct side *side, size_t c);

/* The sums of an operation over two rows, x first. Of a mixture beta is that of p. */
void side_sum(enum side_operation operation, const struct side *x, const struct side *y,
	      struct sum beta, struct sum *sums);

/* -sum p log q, in parts that are never negative; and with itself. */
double side_cross_entropy(const struct side *p, const struct side *q);
static inline double side_entropy(const struct side *side)
{
	return side_cross_entropy(side, side);
}

/* One of the operations that write, with what its values are multiplied by: the factor, and the
 * slope of a transform. */
struct side_write {
	enum side_operation operation;
	const struct side *x, *y; /* y NULL: there is none */
	const struct side *of;    /* whose transform's slope it is */
	double mean, factor;
	struct sum beta;
	size_t own;       /* the class that has another value, or SIZE_MAX */
	double own_value; /* which is this */
};

/* Writes what some of them, up to SIDE_WRITES, add up to into the row's places of a tensor. */
#define SIDE_WRITES 3
void side_put(const struct side_write *writes, size_t n, const struct loss_tensor *out);

#endif
