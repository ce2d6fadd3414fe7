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

#include "elements.h"
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
 * Groups of rows side by side: class c of row i, lane i % GROUP_ROWS of group i / GROUP_ROWS, is
 * x[c
 * * stride + i].
 */
struct positions {
	const void *x;
	loss_dtype dtype; /* F32, BF16 or F16 */
	size_t stride;
	size_t groups;
	size_t classes;
	size_t first; /* classes that the groups have taken already; 0 starts them */
	bool fetch;   /* the next classes from memory meanwhile, or the next rows */
};

/* What the targets of a group say, one entry a lane. */
struct row_targets {
	_Alignas(64) int64_t y[GROUP_ROWS]; /* negative: the row does not count */
	int32_t class[GROUP_ROWS];          /* the same: panels have no more classes than fit */
	float logit[GROUP_ROWS];            /* x_y */
	double weight[GROUP_ROWS];          /* only if `weighted`; else they are 1 */
	bool weighted;
};

/* What class indices are compared with: classes as unsigned numbers, so that negative values are
 * out of range as well. */
struct target_range {
	uint64_t classes;
	uint64_t ignored;    /* the bits of ignore_index */
	bool can_be_ignored; /* a negative ignore_index never matches an unsigned target */
};

#define TARGET_IGNORED (-1)
#define TARGET_INVALID (-2) /* neither a class nor ignore_index */

/* n of them: a class each, or one of the above; or how many are ignored, and whether all are valid.
 */
typedef void read_targets_fn(const void *data, size_t n, const struct target_range *range,
			     int64_t *classes);
typedef bool count_targets_fn(const void *data, size_t n, const struct target_range *range,
			      size_t *ignored);
struct target_reader {
	read_targets_fn *read;
	count_targets_fn *count;
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

/*
 * What is computed of logits in double, sixteen side by side: logit i of a chunk belongs to lane i
 * % GROUP_ROWS, whether the lanes are rows or neighbouring classes of one row, whose numbers then
 * stand in all lanes.
 */
struct dense_lanes {
	_Alignas(64) double max[GROUP_ROWS]; /* of the lane's row */
	float exponent[GROUP_ROWS];          /* the same: exp(max) is about 2^exponent */
	double factor[GROUP_ROWS], term[GROUP_ROWS];
	double sum[2][GROUP_ROWS];
	float value[GROUP_ROWS];
	int32_t limit[GROUP_ROWS];
	int32_t count[GROUP_ROWS];
};

struct dense_chunk {
	const float *x;
	const double *b; /* beside every logit; NULL where the operation has none */
	float *out;      /* of operations that write */
	size_t n;        /* a multiple of GROUP_ROWS */
	bool stream;     /* past the cache; out is aligned to GROUP_ROWS floats then */
};

typedef void dense_fn(struct dense_lanes *lanes, const struct dense_chunk *chunk);

/* Types whose elements are loaded as float lanes; narrower ones go through `load`. */
static inline bool vector_has_lanes(loss_dtype dtype)
{
	return dtype == LOSS_F32 || dtype == LOSS_BF16 || dtype == LOSS_F16;
}

struct vector_kernels {
	const char *isa;

	/* n elements of a float type narrower than F32, exactly. */
	void (*load)(loss_dtype dtype, const void *from, float *to, size_t n);

	/* One row of n > 0 contiguous classes, of any float type but F64, into lane `lane`. */
	void (*row_sum)(struct row_group *group, size_t lane, loss_dtype dtype, const void *x,
			size_t n);

	struct target_reader targets[LOSS_N_DTYPES]; /* of integer types */

	/* Rows side by side, and their target logits where targets are given. */
	void (*positions_sum)(struct row_group *groups, struct row_targets *targets,
			      const struct positions *positions);
	/* Whole groups of rows of a few contiguous classes: row i is x[i * classes]. */
	void (*rows_sum)(struct row_group *groups, struct row_targets *targets, size_t n_groups,
			 const float *x, size_t classes);
	/* residual and what follows from it, of all lanes; n is the number of classes. */
	void (*finish)(struct row_group *groups, size_t n_groups, size_t n);

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

	/*
	 * They add to the lanes' sums
	 *
	 *   entropy_sum   e (max - x)
	 *   gap_sums      b (max - x), a b of 0 making 0 of an infinite gap; and b
	 *   exp_sums      e b; and e
	 *
	 * or write, rounded once,
	 *
	 *   log_probs     (x - max) - term
	 *   combine       e factor + b term
	 *   scale_gap     e factor (b + term)
	 *
	 * with e = exp(x) 2^(60 - exponent), off by 0.3 ulp of a float, 0 below 2^-125.
	 */
	dense_fn *entropy_sum, *gap_sums, *exp_sums;
	dense_fn *log_probs, *combine, *scale_gap;

	/* count = the first k for which logit k of the lane's logits in the chunk is value, or
	 * INT32_MAX. */
	dense_fn *first_equal;
	/* count += the logits above value, and those equal to it among the lane's first `limit`. */
	dense_fn *count_before;

	/* n doubles: of a float type; scaled and shifted; multiplied by others. */
	void (*widen)(loss_dtype dtype, const void *from, double *to, size_t n);
	void (*affine)(double *b, double scale, double shift, size_t n);
	void (*multiply)(double *b, const double *by, size_t n);

	/* Losses and gradients of elements that need not be regular: see elements.h. */
	void (*elements[N_ELEMENT_KERNELS])(struct elements *elements);
};

extern const struct vector_kernels vector_kernels_base, vector_kernels_avx2, vector_kernels_avx512,
	vector_kernels_neon;

#endif
