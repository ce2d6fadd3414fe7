/*
 * One row of classes in double or better, logit by logit: its maximum, the sum of the others'
 * exponentials relative to it (rows.h), and what follows from these. For the rows that the vector
 * kernels leave: those that hold NaN, infinities or other extremes.
 */
#ifndef LOSS_KERNEL_ROW_H
#define LOSS_KERNEL_ROW_H

#include "../plan.h"
#include "elementary.h"
#include "transform.h"

struct row {
	const struct loss_plan *plan;
	const struct loss_tensor *input;
	const struct logits_transform *transform; /* NULL: none */
	size_t base;                              /* plan_row_base */
	size_t stride;                            /* between classes */
	size_t classes;

	size_t predicted; /* the first NaN, else the first maximum */
	bool invalid;     /* holds NaN or +infinity, or nothing but -infinity */
	double max;
	struct sum residual;     /* R */
	double scaled_residual;  /* 2^256 R: normal where R is a subnormal of a few bits */
	double log1p_residual;   /* log1p(R) */
	double total, total_low; /* 1 + R, the denominator of softmax, and what it lacks */
};

/* Reads row r of a plan and fills everything. And of another tensor of the input's shape, with its
 * transform, NULL where there is none or it is off. */
void row_read(struct row *row, const struct loss_plan *plan, size_t r);
void row_read_from(struct row *row, const struct loss_plan *plan, const struct loss_tensor *tensor,
		   const struct logits_transform *transform, size_t r);

/* -sum p_c log p_c; excluded classes add nothing. */
double row_entropy(const struct row *row);

/* How many classes stand before class y in the order of falling logits, the lower index of equal
 * ones first. */
size_t row_rank(const struct row *row, size_t y);

/* Writes what is wanted of the outputs that do not look at targets: log_probs, probs, lse, entropy,
 * predicted. */
void row_write_outputs(const struct row *row, const struct loss_plan *plan, size_t r);

static inline size_t row_index(const struct row *row, size_t c)
{
	return row->base + c * row->stride;
}

/* Whether to go on with class c: not beyond the last, nor where the run is cancelled. */
static inline bool row_has(const struct row *row, size_t c)
{
	return plan_has_class(row->plan, c);
}

/* What is given, and what it is transformed into: what everything else is about. */
static inline double row_given_logit(const struct row *row, size_t c)
{
	return tensor_number(row->input, row_index(row, c));
}

static inline double row_logit(const struct row *row, size_t c)
{
	double x = row_given_logit(row, c);
	return row->transform ? transform_logit(row->transform, x) : x;
}

/* Log-sum-exp, m + log1p(R): the sum may cancel. */
static inline struct sum row_lse(const struct row *row)
{
	struct sum lse;
	lse.high = two_sum(row->max, row->log1p_residual, &lse.low);
	return lse;
}

/*
 * exp(x_c - m) 2^shift and what it lacks; the part of x_c - m that rounding loses is carried into
 * the exponential.
 */
static inline double row_exp(const struct row *row, size_t c, int64_t shift, double *low)
{
	double lost;
	double gap = two_sum(row_logit(row, c), -row->max, &lost);
	return exp_parts(gap, lost == lost ? lost : 0.0, shift, low);
}

/* -log p_c >= 0, +infinity for an excluded class. */
static inline double row_nll(const struct row *row, size_t c)
{
	return (row->max - row_logit(row, c)) + row->log1p_residual;
}

/* factor * value, where a factor of 0 makes 0 also of an infinite value; NaN stays NaN. */
static inline double weigh(double factor, double value)
{
	return factor == 0.0 && value == value ? 0.0 : factor * value;
}

/* The same to twice the precision. */
static inline struct sum weigh_parts(struct sum factor, struct sum value)
{
	bool off = factor.high == 0.0 && value.high == value.high;
	return off ? (struct sum){0} : product(factor, value);
}

/* factor * (m - x_c), also where the difference alone is beyond the largest double; 0 at the
 * maximum, whatever the factor. */
static inline double row_weighted_gap(const struct row *row, size_t c, double factor)
{
	double x = row_logit(row, c);
	double gap = row->max - x;
	if (gap == 0.0)
		return 0.0;
	bool overflows = gap == HUGE_VAL && x > -HUGE_VAL;
	return overflows ? factor * row->max - factor * x : weigh(factor, gap);
}

/* factor * log1p(R), also where R is subnormal and only the product is not. */
static inline double row_weighted_tail(const struct row *row, double factor)
{
	if (row->residual.high < 0x1p-900)
		return weigh(factor, row->scaled_residual) * 0x1p-256;
	return weigh(factor, row->log1p_residual);
}

/* p_c to more than double precision: what the quotient lacks is found by multiplying back. */
static inline struct sum row_prob_parts(const struct row *row, size_t c)
{
	double low;
	double e = row_exp(row, c, 0, &low);
	struct sum p = quotient(e, row->total, row->total_low);
	p.low += low / row->total;
	return p;
}

static inline double row_prob(const struct row *row, size_t c)
{
	struct sum p = row_prob_parts(row, c);
	return p.high + p.low;
}

/* 1 - p_c, without cancellation: the other classes' exponentials over the total. */
double row_other_probs(const struct row *row, size_t c);

#endif
