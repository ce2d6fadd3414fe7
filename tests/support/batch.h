/*
 * A batch of rows for property tests: logits, targets and arguments in one canonical order (row by
 * row, class by class, as doubles that the dtype holds exactly), evaluated in any layout, and the
 * oracle's answer to it.
 */
#ifndef TESTS_SUPPORT_BATCH_H
#define TESTS_SUPPORT_BATCH_H

#include "eval.h"
#include "random.h"

enum batch_layout {
	BATCH_ROWS,      /* (n, C) */
	BATCH_INNER,     /* (n, C, inner): rows are strided */
	BATCH_LAST,      /* (n, inner, C) with class_axis -1 */
	BATCH_UNBATCHED, /* (C): one row */
	BATCH_N_LAYOUTS
};

struct batch {
	struct loss_arena *arena;
	loss_dtype dtype; /* of the logits, and by default of all that is float */
	loss_dtype index_dtype;
	enum batch_layout layout;
	const char *distribution;
	size_t n, inner, rows, classes;
	double *x;           /* rows * classes */
	int64_t *y;          /* rows, unless t */
	double *t;           /* rows * classes, or NULL */
	double *weight;      /* classes, or NULL */
	double *grad_output; /* rows, one (mean, sum), or NULL; softmax: rows * classes */
	const char *reduction;
	double smoothing;
	double denominator; /* 0: absent */
	int64_t ignore_index;
	bool zero_empty_mean; /* empty_mean = "zero" */
	bool narrow_grad;     /* dtypes below F32: no grad_dtype=F32, which they have otherwise */
};

/* The dtype of losses: F64 of F64, else F32. */
loss_dtype batch_result_dtype(loss_dtype dtype);
/* The nearest value of the dtype; finite where value is. */
double batch_rounded(loss_dtype dtype, double value);

/* The ways in which logits are drawn; NULL past the last one. */
const char *batch_distribution(size_t i);

/*
 * A batch with logits of the distribution (NULL: normal) and index targets, all of them counted, no
 * weight, reduction none. BATCH_UNBATCHED needs n = inner = 1; BATCH_ROWS inner = 1.
 */
struct batch batch_make(struct random *random, loss_dtype dtype, const char *distribution,
			enum batch_layout layout, const size_t sizes[3]);
void batch_free(struct batch *batch);
/* Zeroed memory that lives as long as the batch. */
void *batch_alloc(struct batch *batch, size_t n, size_t size);
#define batch_array(batch, type, n) ((type *)batch_alloc((batch), (n), sizeof(type)))

/* Values in (0, 1], exact in the dtype; about one in eight 0 if zeros. */
void batch_add_weight(struct batch *batch, struct random *random, bool zeros);
/* n values in [-1, 1], exact in the dtype. */
void batch_add_grad_output(struct batch *batch, struct random *random, size_t n);
/* Turns about a part of the targets into ignore_index. */
void batch_ignore(struct batch *batch, struct random *random, double part);
/* Target probabilities instead of indices: positive, of sum about 1, with exact zeros among them.
 */
void batch_add_probabilities(struct batch *batch, struct random *random);

bool batch_ignored(const struct batch *batch, size_t row);

/* A batch of rows [first, first + n) of another, in layout BATCH_ROWS; shares its memory. */
struct batch batch_slice(const struct batch *batch, size_t first, size_t n);

/* Starts an evaluation of the loss with everything of the batch set, but outputs. */
void batch_start(struct eval *eval, const struct batch *batch, const char *loss);
/* batch_start, outputs, eval_run with one thread. */
void batch_eval(struct eval *eval, const struct batch *batch, const char *loss,
		const char *const *outputs);

/* Where class c of a row stands in a tensor of the logits' layout. */
size_t batch_place(const struct batch *batch, size_t row, size_t c);

/* The exact row of logits, for the oracle: classes long doubles. */
void batch_exact_row(const struct batch *batch, size_t row, long double *x);

/* The exact reduction: the losses' sum, the natural denominator, and how many rows counted. */
struct batch_exact {
	long double *loss; /* rows */
	long double sum, denominator;
	size_t counted;
};
struct batch_exact batch_exact_losses(struct batch *batch);
/* What the gradient of a row is multiplied by: grad_output / D, by reduction. */
long double batch_exact_scale(const struct batch *batch, const struct batch_exact *exact,
			      size_t row);

/*
 * How far a reduced loss may be off, in ulps of it, only because F64 losses of rows are rounded
 * into the subnormals before they are reduced.
 */
long double batch_underflow_slack(const struct batch *batch, const struct batch_exact *exact,
				  long double reduced);

#endif
