/*
 * The kernels over rows of classes, built once per instruction set from vector_template.h; every
 * build gives the same bits. They trust their arguments and cannot fail. cpu.c has the table that
 * picks one.
 *
 * Logits are held as floats, or as doubles where they are F64: one set of templates, two tables.
 *
 * A row's sum is kept relative to a power of two near its maximum: with reference N and the
 * number's OFFSET,
 *
 *     sum = 2^(OFFSET - N) * (sum of exp(x_c) over all classes but one of those that hold the
 *                             maximum)
 *
 * in double. Terms far below 2^N are dropped. See the derivation in sums_template.h.
 */
#ifndef LOSS_KERNEL_VECTOR_H
#define LOSS_KERNEL_VECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "elements.h"
#include "lane_count.h"
#include "loss.h"
#include "policies.h"

/* Up to this many classes a row takes one lane; beyond, its classes take all of them. */
#define FEW_CLASSES 256

/* Classes of a long row that are summed before the maxima are held against the reference. */
#define CLASSES_TOGETHER ((size_t)256)

/* An initializer of sixteen of the same. */
#define LANES_OF(x)                                                                                \
	{                                                                                          \
		x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x                                     \
	}

/* What values are added up to, and how many there may be. */
#define ADD_UP_PARTS 3
#define ADD_UP_MOST ((size_t)8192)

/* As the templates hold them. */
union numbers {
	_Alignas(64) float f[LANES];
	_Alignas(64) double d[LANES];
};

/* The sums of sixteen rows on the way, one a lane; or of one row, by classes modulo sixteen. */
struct lane_state {
	union numbers max, reference; /* the latter N, an integer */
	_Alignas(64) double sum[LANES], lost[LANES];
};

/* The sum of a row, or of a part of its classes. */
struct class_sum {
	double max, reference, sum, lost;
};

/* What the sums of sixteen rows come to. */
struct row_sums {
	_Alignas(64) double max[LANES];
	double residual[LANES];     /* sum of exp(x_c - max) over all classes but one maximum */
	double residual_low[LANES]; /* what it lacks; 0 where logits are floats */
	double log1p_residual[LANES];
	double inverse[LANES]; /* exp(max) = 2^exponent / inverse, inverse about 1 */
	double inverse_low[LANES];
	double exponent[LANES];
	unsigned regular; /* bit l: lane l is; the others are evaluated in kernel/row.c */
};

#define ALL_LANES ((1u << LANES) - 1)

static inline bool row_is_regular(const struct row_sums *sums, size_t lane)
{
	return sums->regular >> lane & 1;
}

/* Sixteen rows side by side: class c of lane i is x[c * stride + i]; groups of them follow. */
struct lane_classes {
	const void *x;
	loss_dtype dtype; /* that of the numbers; or BF16 or F16, which become floats */
	size_t stride;
	size_t groups;
	size_t group_step; /* elements from a group to the next */
	size_t classes;
	bool fetch; /* what comes next from memory meanwhile */
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

/* What the targets of sixteen rows say, one entry a lane. */
struct row_targets {
	const int64_t *y;             /* negative: the row does not count */
	const double *logit, *weight; /* x_y, w_y; NULL: weights are 1 */
};

/*
 * What the gradients at the targets of sixteen rows are made of: with p' = own + rest and b = own +
 * base, (p p' - b) scale slope.
 */
struct target_gradients {
	struct lane_sums own;  /* what the target's class has beyond the others' */
	struct lane_sums rest; /* of the factor of p_c, what is not from there */
	struct lane_sums base; /* what the target's class has with the others */
	struct lane_sums scale;
	double p[LANES]; /* of the target */
	double slope[LANES];
};

/* What focal losses of sixteen rows come to. */
struct focal_lanes {
	_Alignas(64) double loss[LANES]; /* 0 where a row does not count */
	struct lane_sums factor;         /* of the gradient that a row has without gamma */
};

/*
 * Squared distances of sixteen rows from one-hot vectors. In the units of the operations' e: that
 * of the target, and the sums over the others of e and e^2. With T the sum of all, the gradient is
 * 2 / T^2 e (e + term), and at the target 2 own_grad.
 */
struct brier_lanes {
	struct lane_sums own, others, squares;
	struct lane_sums inverse_square, term, own_grad; /* these follow, as does the loss */
	_Alignas(64) double loss[LANES];                 /* 0 where a row does not count */
};

/* What the losses of sixteen rows of which every class has a coefficient b are made of. */
struct smooth_sums {
	struct lane_sums own;  /* what the target's class has beyond the others' */
	struct lane_sums gaps; /* sum over the classes of b (max - x), without own */
	struct lane_sums all;  /* and of b */
};

/* Logits within these bounds keep the range reduction exact enough; rows beyond are evaluated in
 * kernel/row.c. */
#define VECTOR_LARGEST 0x1p20

/*
 * What operations know of sixteen lanes: logit i of a chunk belongs to lane i % LANES, whether the
 * lanes are rows or neighbouring classes of one row, whose numbers then stand in all lanes.
 */
struct lanes {
	_Alignas(64) double max[LANES]; /* of the lane's row */
	double exponent[LANES];         /* the same: exp(max) is about 2^exponent */
	double factor[LANES], term[LANES];
	double factor_low[LANES], term_low[LANES]; /* what they lack, where numbers are doubles */
	double b[LANES]; /* beside every logit, where the chunk has none */
	double sum[2][LANES], lost[2][LANES];
	union numbers value;
	int64_t limit[LANES]; /* or which of the lane's logits in the chunk is left out, if any */
	int64_t count[LANES];
};

/* Vectors of LANES elements, `step` from one to the next: numbers, or BF16 or F16 that become
 * floats as they are loaded. */
struct vectors {
	const void *at;
	loss_dtype dtype;
	size_t step;
};

/* Whether a type is loaded so, by kernels for numbers of a size. */
static inline bool vectors_hold(loss_dtype dtype, size_t size)
{
	bool narrow = dtype == LOSS_F32 || dtype == LOSS_BF16 || dtype == LOSS_F16;
	return size == sizeof(double) ? dtype == LOSS_F64 : narrow;
}

/*
 * n vectors of logits, and what is written of them. Beside every logit stands b: of an array of
 * doubles without gaps; else t scale + shift; else the lanes'.
 */
struct class_chunk {
	struct vectors x, t; /* t.at may be NULL */
	const double *b;     /* or NULL */
	double scale, shift;
	void *out; /* vectors likewise */
	loss_dtype out_dtype;
	size_t out_step;
	size_t n;
	bool stream; /* past the cache: out are numbers, aligned to LANES floats, without gaps */
};

/*
 * With e = exp(x) 2^(OFFSET - exponent), 0 far below; for floats off by a quarter of an ulp, for
 * doubles by an ulp.
 *
 * They add to the lanes' sums, or write, rounded once. Those that sum come first.
 */
enum operation {
	SUM_ENTROPY,     /* e (max - x) */
	SUM_GAPS,        /* b (max - x), 0 where either is 0 whatever the other; and b */
	SUM_B,           /* b */
	SUM_EXP,         /* e b; and e */
	SUM_OTHERS,      /* e where x is not the maximum; and how many are */
	SUM_SQUARES,     /* e, and e^2, of all logits but the one left out */
	SUM_HINGES,      /* with z = max(0, x - max + b), 0 of NaN and of the logit left out: z, and
			    how many are above 0 */
	SUM_HINGES_2,    /* z^2, and z */
	WRITE_LOG_PROBS, /* (x - max) - term */
	WRITE_COMBINED,  /* e factor + b term */
	WRITE_GAPS,      /* e factor (b + term) */
	WRITE_SCALED,    /* e factor, in floats where the numbers are; factor / unit is 0 or
			    at least 2^-60 and below 2^60, and results below 2^-148 are 0 */
	WRITE_PROBS,     /* the same, but term where x = max */
	WRITE_SQUARES,   /* e (e + term) factor */
	WRITE_STEPS,     /* factor where z > 0, else 0; as if none were left out */
	WRITE_HINGES,    /* z factor where z > 0, else 0; likewise */
	FIND_FIRST,      /* count = the first k for which logit k of the lane's logits in the
			    chunk is value, or INT64_MAX */
	COUNT_BEFORE,    /* count += the logits above value, and those equal to it among the
			    lane's first `limit` */
	N_OPERATIONS
};

typedef void operation_fn(struct lanes *lanes, const struct class_chunk *chunk);

/* A value below which a logit adds nothing to a row that is regular: it stands after the last one,
 * up to a whole vector. */
#define SIDE_NOTHING (-VECTOR_LARGEST)

/* The sums of one row on the way, by classes modulo sixteen. Starts as side_sums_start says. */
struct side_sums {
	_Alignas(64) double sum[LANES], lost[LANES]; /* of exp(x - max), without the maxima */
	double maxima[LANES];                        /* how many those are */
	double max;
	bool regular; /* all are between -VECTOR_LARGEST and that */
};

/* Two rows side by side, x and y. With p and q their softmax, p = exp(x - x_max) x_scale and d =
 * log(p / q) = (x - y) - between. */
struct side_pair {
	const double *x, *y;
	double *out;
	double x_max, y_max, x_scale, y_scale, between;
	double mean;
	double beta, rest, rest_low; /* beta and 1 - beta, of mixtures m = beta p + rest q */
	_Alignas(64) double sum[3][LANES], lost[3][LANES];
};

/* Operations on n classes, whole vectors of them. With e = exp(x - x_max): */
enum side_operation {
	SIDE_DIVERGE, /* sum e psi(d): terms.h */
	SIDE_GAPS,    /* sum e (y_max - y) */
	SIDE_RATIOS,  /* sum e d; and e */
	SIDE_MIX,     /* sum beta p log(p / m) + rest q log(q / m); with e of y: e log(q / m), e */
	SIDE_WRITE_DIFFERENCES, /* q - p */
	SIDE_WRITE_RATIOS,      /* p (d - mean) */
	SIDE_WRITE_SHARES,      /* p */
	SIDE_WRITE_MIXED,       /* rest q (log(q / m) - mean) */
	N_SIDE_OPERATIONS
};

/* Classes that twins are added by: two vectors. */
#define TWIN_CLASSES ((size_t)2 * LANES)

/* Two rows of floats on the way, x and y, read once: what makes the sums of either, by classes
 * modulo sixteen, and of exp(x) psi(d), d = x - y - between. Logits may not be more than 40 above
 * what their reference, an integer that all lanes have, stands for. */
struct side_twins {
	struct lane_state x, y; /* without the exponentials of the maxima */
	_Alignas(64) float x_most[LANES], y_most[LANES]; /* which are these */
	float farthest[LANES];                           /* of |d|; NaN is not looked at */
	_Alignas(64) double sum[LANES];                  /* 2^(30 - reference of x) exp(x) psi(d) */
	float between, between_low;                      /* within 256 */
	float ratio;                                     /* exp(between), by the references */
};

/* p = exp(x - exponent ln2) 2^60 factor, likewise q. */
struct twin_shares {
	float x_exponent, x_factor, y_exponent, y_factor;
};

/* What stands between the logits given and those that everything is computed from. */
struct logits_transform;

/* Kernels over logits held as floats, or as doubles: `numbers`. Arrays of them are aligned to 64
 * bytes. */
struct number_kernels {
	size_t size; /* of a number */
	double unit; /* 2^-OFFSET: what an operation's e must be multiplied by */

	/* n elements of a float type to numbers, exactly; n numbers to elements, rounded once. */
	void (*load)(loss_dtype dtype, const void *from, void *to, size_t n);
	void (*store)(loss_dtype dtype, const void *from, void *to, size_t n);
	/* n classes, `stride` elements apart, of sixteen neighbours; and back. */
	void (*load_apart)(loss_dtype dtype, const void *from, size_t stride, void *to, size_t n);
	void (*store_apart)(loss_dtype dtype, const void *from, void *to, size_t stride, size_t n);

	/* u of n numbers, n a multiple of LANES, perhaps in place; and du/dx where it is not NULL.
	 */
	void (*transform)(const struct logits_transform *transform, const void *x, void *u,
			  void *slope, size_t n);
	/* n numbers times others. */
	void (*multiply)(void *x, const void *by, size_t n);

	/* n classes of sixteen rows that are `row` numbers apart become n times sixteen, a row a
	 * lane; and back. */
	void (*to_lanes)(const void *x, size_t row, void *lanes, size_t n);
	void (*from_lanes)(const void *lanes, void *x, size_t row, size_t n);

	/* All classes of groups of rows, one a lane: a state a group. */
	void (*sum_lanes)(struct lane_state *states, const struct lane_classes *classes);
	/* n more classes of one row, by classes: a multiple of CLASSES_TOGETHER but for the last
	 * ones. The first ones start the state. dtype as in lane_classes. */
	void (*sum_classes)(struct lane_state *state, loss_dtype dtype, const void *x, size_t n,
			    bool first);
	/* What such a state comes to. And a row with another part of it. */
	void (*fold_classes)(const struct lane_state *state, struct class_sum *sum);
	void (*add_part)(struct class_sum *row, const struct class_sum *part);
	/* What states of rows of n classes come to. */
	void (*finish)(const struct lane_state *states, struct row_sums *sums, size_t n_groups,
		       size_t n);
	/* What makes p_c times a factor of the operations' e: the lanes' factor. */
	void (*shares)(const struct row_sums *sums, const struct lane_sums *factors,
		       struct lanes *lanes);
	/* a b of each lane, rounded, or to twice the precision where numbers are doubles. */
	void (*products)(const struct lane_sums *a, const struct lane_sums *b,
			 struct lane_sums *to);
	/* Exactly there where p is close to 1. */
	void (*target_grads)(const struct row_sums *sums, const double *logit,
			     const struct target_gradients *gradients, double *grad);
	/* Of what SUM_EXP found: factor = 1 / the second sum, term = - the first over the second.
	 */
	void (*center)(struct lanes *lanes);
	/* y negative where a row does not count. */
	void (*brier)(const int64_t *y, struct brier_lanes *brier);

	/* Rows of a policy: policies.h. */
	void (*policy)(const struct row_sums *sums, const struct row_targets *targets,
		       struct policy_lanes *lanes);

	operation_fn *operations[N_OPERATIONS];

	/* Of logits that are held as doubles, whatever these numbers are: with exponentials as
	 * exact as they. Adds n more classes, whole vectors, to the sums of a row. */
	void (*side_add)(struct side_sums *sums, const double *x, size_t n);
	void (*sides[N_SIDE_OPERATIONS])(struct side_pair *pair, size_t n);
};

struct vector_kernels {
	const char *isa;
	const struct number_kernels *floats, *doubles;

	struct target_reader targets[LOSS_N_DTYPES]; /* of integer types */

	/* n values, a multiple of LANES and at most ADD_UP_MOST, as so many whose sum is exactly
	 * the same; false where there are none, for values that differ too much in size or are no
	 * numbers. */
	bool (*add_up)(const double *values, size_t n, double parts[ADD_UP_PARTS]);

	/* The rows' losses, weight * -log p_y, 0 where a row does not count. */
	void (*losses)(const struct row_sums *sums, const struct row_targets *targets,
		       double *loss);

	/* The same where every class has a coefficient; y negative where a row does not count. */
	void (*smooth_losses)(const struct row_sums *sums, const int64_t *y, const double *logit,
			      const struct smooth_sums *smooth, double *loss);

	/* The focal form, of rows of floats; `others` is the sum over all classes but one maximum.
	 */
	void (*focal)(const struct row_sums *sums, const struct row_targets *targets,
		      const double *others, double gamma, struct focal_lanes *focal);

	/* n more classes of twins, TWIN_CLASSES or a multiple; and q - p of n, a multiple of LANES.
	 */
	void (*twins_add)(struct side_twins *twins, const float *x, const float *y, size_t n);
	void (*twins_write)(const struct twin_shares *shares, const float *x, const float *y,
			    float *out, size_t n, bool stream);

	/* n doubles of a float type. */
	void (*widen)(loss_dtype dtype, const void *from, double *to, size_t n);
	/* b = (b scale + shift) by, in this order; `by` may be NULL. */
	void (*scale)(double *b, double scale, double shift, const double *by, size_t n);

	/* exp(x - max) of n numbers, a multiple of LANES, none above max, which is finite: in
	 * place, and what that lacks in `low`. 0 below exp(-700). */
	void (*exponentials)(double *x, double *low, size_t n, double max);

	/* Losses and gradients of elements that need not be regular: see elements.h. */
	void (*elements[N_ELEMENT_KERNELS])(struct elements *elements);
};

extern const struct vector_kernels vector_kernels_base, vector_kernels_avx2, vector_kernels_avx512,
	vector_kernels_neon;

#endif
