/*
 * A checked problem with room for its results. Kernels read it and trust it.
 *
 * Geometry: the input is (outer, classes, inner) in row-major order, and row r, with r =
 * outer_index * inner + inner_index, has its classes `inner` elements apart. For element-wise
 * losses every element is a row of one class.
 */
#ifndef LOSS_PLAN_H
#define LOSS_PLAN_H

#include <assert.h>
#include <string.h>

#include "cpu.h"
#include "exact_feed.h"
#include "kernel/transform.h"
#include "problem.h"

/* A bin of the expected calibration error: calibration.h. */
struct calibration_bin {
	uint64_t confidence[3]; /* the sum of its rows', an integer */
	size_t correct, rows;
};

/* What some rows add up to: exactly, so that it does not matter which rows they are, nor in what
 * order they come. */
struct partial {
	struct exact_feed loss;
	/* NULL where there is none, or nobody wants it: that part of it; of counted rows,
	 * unweighted, -log p_y, and how far from its sampling a policy is. */
	struct exact_feed *z_loss, *nll;
	struct exact_feed *kl;
	size_t correct, top; /* rows of rank 0, and below k */
	size_t clipped;
	/* Of counted rows, where ece is wanted: args.ece_bins of them, and what bin 0 has beside.
	 */
	struct exact_sum tiny;
	struct calibration_bin *bins;
};

/* Threads that can each have a partial at a time: a bit each of a word. */
#define PLAN_PARTIALS 64

struct state;

/*
 * How the classes of a row lie, and so how rows are read. It follows from the loss, the number of
 * classes and their stride; never from how many rows there are, so that a row's bits do not depend
 * on its batch.
 */
enum layout {
	LAYOUT_ELEMENTS,   /* element-wise losses: rows of one class */
	LAYOUT_TARGETS,    /* nothing of a row is read but its target's logit */
	LAYOUT_FEW,        /* few classes side by side: sixteen rows at a time, one a lane */
	LAYOUT_FEW_APART,  /* few classes, `inner` apart: sixteen neighbouring rows, one a lane */
	LAYOUT_MANY,       /* many classes side by side: a row after the other, a class a lane */
	LAYOUT_MANY_APART, /* many classes, `inner` apart: sixteen neighbours become such rows */
};

/* The rows of each group, those that do not count left out: of group g they are those from
 * ends[g - 1], or 0, up to ends[g]. */
struct group_list {
	size_t n; /* groups */
	size_t *ends, *rows;
	bool finished; /* their outputs are there */
};

/* A sequence of rows, and the mean of their losses once that is there. */
struct sequence {
	struct sum weights; /* what its counted rows weigh */
	size_t counted;
	double mean;
};

/* Where the loss is a mean over sequences: one for each index of the rows' first axis. */
struct sequence_list {
	size_t n, rows; /* rows of each */
	struct sequence *all;
	bool finished; /* the means are there */
};

/* high 2^64 + low. */
struct byte_sum {
	uint64_t high, low;
};

enum target_kind { TARGETS_NONE, TARGETS_INDICES, TARGETS_PROBABILITIES, TARGETS_ELEMENTS };

struct loss_plan {
	/* These begin as zeros, and stay so where they do not apply; loss_plan_create sets all
	 * others. */
	size_t shift_rows; /* rows of a sequence, each scored against the next row's target; 0: not
			      shifted */
	enum target_kind target_kind;
	size_t extra;   /* K of tensors that have an axis more than their extent */
	int added_axes; /* of length 1, at the end of the tensor of LOSS_EXTENT_BROADCAST_ROWS */
	bool wanted[N_OUTPUTS];
	bool judges; /* what predictions of class indices are worth is asked for, in some way */
	bool scores; /* and the sum of -log p_y */
	size_t n_outputs;
	size_t n_warnings;
	double divisor_low;               /* what a double lacks of the divisor */
	bool weighed;                     /* the natural denominator is a sum of weights */
	bool streams;                     /* the input is still to come: loss_plan_run_rows */
	size_t first_row;                 /* of a view of some rows: the index of its row 0 */
	int team;                         /* threads that share a row's parts; 0 and 1: none do */
	const struct loss_cancel *cancel; /* of the run under way; NULL: it has none */
	struct group_list groups;         /* where there are groups */
	struct sequence_list sequences;   /* of reduction sequence_mean */
	struct byte_sum bytes;            /* of what counts, where there are bytes */
	double *row_losses; /* what each row adds to the loss, for groups and sequences; NULL:
			       nothing asks */
	double *row_nlls;   /* -log p of each target, for bytes of groups; NULL likewise */
	double *row_plain;  /* the losses before rows are weighed, for quantiles; NULL likewise */
	/* Of tensors with an extra axis that are class indices: for each row that counts their K
	 * places in the order of the classes, those that are empty last. NULL: nothing asks. */
	uint32_t *listed;
	bool keeps_rows; /* what rows add is written down: by plan_keep_losses */

	const struct loss_row *loss;
	const struct vector_kernels *kernels;
	struct loss_args args;
	enum reduction reduction; /* what the arguments come to */
	struct logits_transform transform;
	enum layout layout;
	bool divisible;     /* threads can share a row: it is read in several parts */
	double nanoseconds; /* what it may take on one thread: cost.h */
	bool in_place; /* the vector kernels take the input as it lies: without a transform, and of
			  a type that they load */

	size_t rows;
	size_t classes;
	size_t inner;
	struct loss_tensor rows_shape; /* the shape of what has an entry per row; no data */

	size_t counted, ignored;
	double denominator; /* the natural one */
	double divisor;     /* of losses and gradients: 1 unless mean; NaN where the mean is */

	size_t block_rows;
	size_t n_blocks; /* of a plan that streams 1 */
	/* Whoever runs rows takes one of the partials meanwhile: bits of those that are taken, and
	 * of those that have been before and so hold something. */
	struct partial *partials;
	size_t n_partials;
	uint64_t taken, used;
	/* What they come to without any rounding, where that is wanted: state.h. */
	struct state *state;
	unsigned char *state_bytes, *group_bytes;
	char *state_text;
	struct exact_sum weights; /* where rows are weighed: what the denominator is rounded from */

	/* Set where they are present, wanted, or among the first n. */
	bool present[LOSS_N_ROLES];
	struct loss_tensor tensors[LOSS_N_ROLES];
	struct loss_tensor outputs[N_OUTPUTS];
	const struct output_row *requested[N_OUTPUTS]; /* in the order asked for */
	const char *warnings[LOSS_MAX_WARNINGS];
	const struct beyond *beyond; /* of the problem, by role; for the checks of values */
	uint64_t max_groups;         /* that there may be, for the same */
};

/* Adds a warning to the reply. */
static inline void plan_warn(struct loss_plan *plan, const char *warning)
{
	assert(plan->n_warnings < LOSS_MAX_WARNINGS);
	plan->warnings[plan->n_warnings++] = warning; /* static, or in the arena */
}

/* Whether it is one of the outputs that the loss offers. */
bool loss_has_output(const struct loss_row *loss, enum output id);

static inline bool plan_is_cancelled(const struct loss_plan *plan)
{
	return plan->cancel && loss_cancel_requested(plan->cancel);
}

/* How often a row of many classes asks whether it is still wanted, in classes. */
#define CANCEL_CLASSES ((size_t)65536)

/* Whether to go on with class c of a row that is walked class by class: there is one, and the run
 * is not cancelled, as far as it is asked. */
static inline bool plan_has_class(const struct loss_plan *plan, size_t c)
{
	return c < plan->classes && (c % CANCEL_CLASSES != 0 || !plan_is_cancelled(plan));
}

/* Index of class 0 of row r in the input, and in outputs of the input's shape. */
static inline size_t plan_row_base(const struct loss_plan *plan, size_t r)
{
	if (plan->inner <= 1) /* divisions are slow */
		return r * plan->classes;
	return r / plan->inner * plan->classes * plan->inner + r % plan->inner;
}

/* Whether row r is the last of a sequence, which has no target of its own. */
static inline bool plan_is_last(const struct loss_plan *plan, size_t r)
{
	return plan->shift_rows && (plan->first_row + r) % plan->shift_rows == plan->shift_rows - 1;
}

/* The row whose target row r is scored against, unless it is the last. */
static inline size_t plan_target_row(const struct loss_plan *plan, size_t r)
{
	return r + (plan->shift_rows > 0);
}

static inline double plan_class_weight(const struct loss_plan *plan, size_t c)
{
	return plan->present[LOSS_ROLE_WEIGHT] ? tensor_number(&plan->tensors[LOSS_ROLE_WEIGHT], c)
					       : 1.0;
}

/* Whether rows add more or less than 1 to the denominator. */
static inline bool plan_weighs_rows(const struct loss_plan *plan)
{
	return (plan->present[LOSS_ROLE_WEIGHT] && !plan->loss->counts_rows) ||
	       plan->present[LOSS_ROLE_ROW_WEIGHT];
}

/* Whether the mask leaves out row r of a loss over classes, which is not the last of a sequence. */
static inline bool plan_is_masked(const struct loss_plan *plan, size_t r)
{
	const unsigned char *mask = plan->tensors[LOSS_ROLE_MASK].data;
	return plan->present[LOSS_ROLE_MASK] && !mask[plan_target_row(plan, r)];
}

/* The factor of row r; of the last of a sequence it has no meaning. */
static inline double plan_row_weight(const struct loss_plan *plan, size_t r)
{
	if (!plan->present[LOSS_ROLE_ROW_WEIGHT] || plan_is_last(plan, r))
		return 1.0;
	return tensor_number(&plan->tensors[LOSS_ROLE_ROW_WEIGHT], plan_target_row(plan, r));
}

/* The sequence that row r is of. */
static inline size_t plan_sequence(const struct loss_plan *plan, size_t r)
{
	return (plan->first_row + r) / plan->sequences.rows;
}

/* What row r's loss is divided by: of a mean of means also by its own. */
static inline struct sum plan_divisor(const struct loss_plan *plan, size_t r)
{
	struct sum divisor = {plan->divisor, plan->divisor_low};
	if (!plan->sequences.all)
		return divisor;
	return product(divisor, plan->sequences.all[plan_sequence(plan, r)].weights);
}

/* What the gradient of row r's loss is multiplied by: upstream gradient over divisor, times the
 * row's weight. */
static inline struct sum plan_scale(const struct loss_plan *plan, size_t r)
{
	double upstream = 1.0;
	if (plan->present[LOSS_ROLE_GRAD_OUTPUT])
		upstream = tensor_number(&plan->tensors[LOSS_ROLE_GRAD_OUTPUT],
					 plan->reduction == REDUCTION_NONE ? r : 0);
	struct sum weighted = {upstream, 0.0};
	if (plan->present[LOSS_ROLE_ROW_WEIGHT]) /* before: the divisor may be as small */
		weighted = product(weighted, sum_from(plan_row_weight(plan, r)));
	struct sum divisor = plan_divisor(plan, r);
	struct sum scale = quotient(weighted.high, divisor.high, divisor.low);
	if (weighted.low != 0.0)
		scale.low += weighted.low / divisor.high;
	return scale;
}

/* Whether the gradients' scale differs from row to row. */
static inline bool plan_scales_rows(const struct loss_plan *plan)
{
	return plan->present[LOSS_ROLE_ROW_WEIGHT] || plan->sequences.all ||
	       (plan->present[LOSS_ROLE_GRAD_OUTPUT] && plan->reduction == REDUCTION_NONE);
}

/* Whether some rows are added up by themselves, or count bytes. */
static inline bool plan_has_groups_or_bytes(const struct loss_plan *plan)
{
	return plan->present[LOSS_ROLE_GROUPS] || plan->present[LOSS_ROLE_BYTES];
}

/* Writes down what n rows from r on add to the loss. Of a plan that keeps rows. */
static inline void plan_keep_losses(const struct loss_plan *plan, size_t r, size_t n,
				    const double *loss)
{
	bool put = plan->wanted[OUTPUT_LOSS] && plan->reduction == REDUCTION_NONE;
	for (size_t i = 0; put && i < n; i++)
		tensor_put(&plan->outputs[OUTPUT_LOSS], r + i, loss[i]);
	for (size_t i = 0; plan->row_losses && i < n; i++)
		plan->row_losses[r + i] = loss[i];
}

/* Writes down the losses of n rows from r on, before they are weighed by the rows' own weights.
 * Those of rows that do not count may be anything. */
static inline void plan_keep_plain(const struct loss_plan *plan, size_t r, size_t n,
				   const double *loss)
{
	if (plan->row_plain)
		memcpy(plan->row_plain + r, loss, n * sizeof *loss);
}

/* Adds the loss of row r to the total, and writes it down where rows are asked for. */
static inline void plan_put_loss(const struct loss_plan *plan, size_t r, double loss,
				 struct partial *partial)
{
	exact_feed_add(&partial->loss, plan->kernels, loss);
	if (plan->keeps_rows)
		plan_keep_losses(plan, r, 1, &loss);
}

/* Where the rows of group g begin in the list; of the one after the last, how many there are. */
static inline size_t plan_group_first(const struct group_list *groups, size_t g)
{
	return g > 0 ? groups->ends[g - 1] : 0;
}

#endif
