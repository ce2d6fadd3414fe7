/*
 * Kernels over rows of float logits, built once per instruction set from vector_template.h; every
 * build gives the same bits. They trust their arguments and cannot fail. cpu.c has the table that
 * picks one.
 *
 * A row's sum is kept relative to a power of two near its maximum: with reference N and offset 60,
 *
 *     sum = 2^(60 - N) * (sum of exp(x_c) over all classes but one of those that hold the maximum)
 *
 * in double, of float exponentials. Terms below 2^-184 of 2^N are dropped. See the derivation in
 * the template.
 */
#ifndef LOSS_KERNEL_VECTOR_H
#define LOSS_KERNEL_VECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loss.h"

#define GROUP_ROWS 16   /* rows that are finished together, one a lane */
#define TILE_CLASSES 64 /* classes that a tile holds at a time */

/* The state of up to GROUP_ROWS rows. */
struct row_group {
	_Alignas(64) float max[GROUP_ROWS]; /* NaN only by accident: see `sum` */
	float reference[GROUP_ROWS];        /* N, an integer */
	double sum[GROUP_ROWS];             /* NaN where a logit is NaN */
	/* Filled by finish: */
	double residual[GROUP_ROWS];       /* sum of exp(x_c - max) over all but one maximum */
	double log1p_residual[GROUP_ROWS]; /* log(1 + residual) */
	double inverse[GROUP_ROWS];        /* exp(max) = 2^exponent / inverse, inverse about 1 */
	double exponent[GROUP_ROWS];
	bool regular; /* all lanes are: see row_group_regular */
};

/*
 * Sixteen rows side by side: class c of lane l is x[c * stride + l]. What will be needed next is
 * fetched meanwhile: the cache lines of next_n addresses from `next` on.
 */
struct tile {
	const float *x;
	size_t stride;
	size_t n; /* classes, at most TILE_CLASSES */
	const float *next;
	size_t next_stride, next_n;
};

/* What the targets of a group say, one entry a lane. */
struct row_targets {
	_Alignas(64) int64_t y[GROUP_ROWS]; /* negative: the row does not count */
	double logit[GROUP_ROWS];           /* x_y */
	double weight[GROUP_ROWS];          /* only if `weighted`; else they are 1 */
	bool weighted;
};

/*
 * A sum for each lane, with what rounding took from it: what a lane adds up does not wait for the
 * lane before, and the order is fixed all the same.
 */
struct lane_sums {
	_Alignas(64) double high[GROUP_ROWS];
	double low[GROUP_ROWS];
};

/* Logits within these bounds keep the range reduction exact enough; rows beyond are evaluated in
 * double. */
#define VECTOR_LARGEST 0x1p20f

static inline bool row_group_regular(const struct row_group *group, size_t lane)
{
	float max = group->max[lane];
	return max <= VECTOR_LARGEST && max >= -VECTOR_LARGEST &&
	       group->sum[lane] == group->sum[lane];
}

struct vector_kernels {
	const char *isa;

	/* n elements of a float type narrower than F32, exactly. */
	void (*load)(loss_dtype dtype, const void *from, float *to, size_t n);

	/* One row of n > 0 contiguous classes, of any float type but F64, into lane `lane`. */
	void (*row_sum)(struct row_group *group, size_t lane, loss_dtype dtype, const void *x,
			size_t n);

	/* Takes the tile's classes, more after those already in the group; `first` starts the
	 * group. */
	void (*tile_sum)(struct row_group *group, const struct tile *tile, bool first);
	/* residual and what follows from it, of all lanes; n is the number of classes. */
	void (*finish)(struct row_group *group, size_t n);

	/* The rows' losses, weight * -log p_y, 0 where a row does not count, and their sums. All
	 * lanes are regular. */
	void (*losses)(const struct row_group *group, const struct row_targets *targets,
		       double *loss, struct lane_sums *sums);

	/*
	 * out[c] = factor * exp(x_c) / exp(max) for n contiguous classes, factor 0 or 2^-60 <=
	 * |factor| < 2^60; below 2^-148 it is 0. `stream` bypasses the cache.
	 */
	void (*row_scale)(const struct row_group *group, size_t lane, double factor, const float *x,
			  float *out, size_t n, bool stream);

	/* The same for n classes of sixteen rows side by side, with a factor each; x and out have
	 * the same layout. */
	void (*tile_scale)(const struct row_group *group, const double *factor, const float *x,
			   float *out, size_t stride, size_t n);
};

extern const struct vector_kernels vector_kernels_base, vector_kernels_avx2, vector_kernels_avx512,
	vector_kernels_neon;

#endif
