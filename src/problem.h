/*
 * From a loss's name, tensors, arguments and outputs to a checked plan: every semantic rule of the
 * project is in problem.c (what a single field may be) and plan.c (what the fields mean together),
 * with shapes.c, scalars.c, values.c and targets.c, which read the table.
 * After them there are only asserts.
 */
#ifndef LOSS_PROBLEM_H
#define LOSS_PROBLEM_H

#include "arena.h"
#include "errors.h"
#include "kernel/vector/policies.h"
#include "reduce.h"
#include "tensor.h"

/* ---------------------------------------------------------------- arguments */

enum reduction {
	REDUCTION_NONE,
	REDUCTION_MEAN,
	REDUCTION_SUM,
	REDUCTION_ELEMENTWISE_MEAN,
	/* of some losses only, whose choice it is after those: own_reduction */
	REDUCTION_BATCHMEAN,
	REDUCTION_SEQUENCE_MEAN
};
enum empty_mean { EMPTY_MEAN_NAN, EMPTY_MEAN_ZERO };
enum ece_norm { ECE_L1, ECE_L2, ECE_MAX };
enum totals { TOTALS_PLAIN, TOTALS_EXACT };
enum divergence_kind { KIND_FORWARD, KIND_REVERSE, KIND_JSD, KIND_CROSS_ENTROPY };
enum tail { TAIL_BUCKET, TAIL_IGNORE, TAIL_RENORMALIZE, TAIL_RESTRICT };

/* Every argument of every loss. losses.c has a row for each, and one more where losses differ in
 * its choices or its default. */
enum argument {
	ARGUMENT_SIZE_AVERAGE,
	ARGUMENT_IGNORE_INDEX,
	ARGUMENT_REDUCE,
	ARGUMENT_REDUCTION,
	ARGUMENT_LABEL_SMOOTHING,
	ARGUMENT_DENOMINATOR,
	ARGUMENT_EMPTY_MEAN,
	ARGUMENT_CLASS_AXIS,
	ARGUMENT_GRAD_DTYPE,
	ARGUMENT_SOFTCAP,
	ARGUMENT_TEMPERATURE,
	ARGUMENT_Z_LOSS,
	ARGUMENT_SHIFT,
	ARGUMENT_LOG_TARGET,
	ARGUMENT_ALPHA,
	ARGUMENT_GAMMA,
	ARGUMENT_LOGIT_SCALE,
	ARGUMENT_K,
	ARGUMENT_ECE_BINS,
	ARGUMENT_ECE_NORM,
	ARGUMENT_N_GROUPS,
	ARGUMENT_TOTALS,
	ARGUMENT_OBJECTIVE,
	ARGUMENT_CLIP_LOW,
	ARGUMENT_CLIP_HIGH,
	ARGUMENT_KL_WEIGHT,
	ARGUMENT_KIND,
	ARGUMENT_BETA,
	ARGUMENT_TEMPERATURE_SQUARED,
	ARGUMENT_TAIL,
	ARGUMENT_HARD_WEIGHT,
	ARGUMENT_DELTA,
	ARGUMENT_QUANTILE,
	ARGUMENT_LOG_INPUT,
	ARGUMENT_FULL,
	ARGUMENT_EPS,
	ARGUMENT_P,
	ARGUMENT_MARGIN,
	N_ARGUMENTS
};

struct loss_args {
	uint64_t given; /* bits 1 << enum argument, of those that are not null */
	bool size_average;
	bool reduce;
	int64_t ignore_index;
	double label_smoothing;
	double denominator;
	int64_t class_axis;
	size_t reduction; /* of the loss's choices: enum reduction, but for its own */
	size_t empty_mean;
	size_t grad_dtype;
	double softcap; /* 0: none */
	double temperature;
	double z_loss;
	bool shift;
	bool log_target;
	double alpha;
	double gamma;
	double logit_scale;
	int64_t k; /* 0: not given */
	int64_t ece_bins;
	size_t ece_norm;  /* enum ece_norm */
	int64_t n_groups; /* -1: not given */
	size_t totals;    /* enum totals */
	size_t objective; /* enum objective */
	double clip_low, clip_high;
	double beta;
	double kl_weight;
	size_t kind; /* enum divergence_kind */
	bool temperature_squared;
	size_t tail; /* enum tail */
	double hard_weight;
	double delta;
	double quantile;
	bool log_input;
	bool full;
	double eps;
	int64_t p;
	double margin;
};

static inline bool argument_given(const struct loss_args *args, enum argument argument)
{
	return args->given >> (unsigned)argument & 1;
}

/* ---------------------------------------------------------------- outputs */

enum output {
	OUTPUT_LOSS,
	OUTPUT_GRAD,
	OUTPUT_LOG_PROBS,
	OUTPUT_PROBS,
	OUTPUT_LSE,
	OUTPUT_PREDICTED,
	OUTPUT_CORRECT,
	OUTPUT_ACCURACY,
	OUTPUT_ENTROPY,
	OUTPUT_Z_LOSS,
	OUTPUT_RANK,
	OUTPUT_PERPLEXITY,
	OUTPUT_ECE,
	OUTPUT_TOPK_ACCURACY,
	OUTPUT_GROUP_LOSS_SUM,
	OUTPUT_GROUP_DENOMINATOR,
	OUTPUT_GROUP_COUNTED,
	OUTPUT_GROUP_LOSS,
	OUTPUT_BITS_PER_BYTE,
	OUTPUT_LOSS_QUANTILES,
	OUTPUT_LOG_PROB,
	OUTPUT_RATIO,
	OUTPUT_CLIP_FRACTION,
	OUTPUT_KL,
	OUTPUT_AGREES,
	OUTPUT_AGREEMENT,
	OUTPUT_TEACHER_ENTROPY,
	OUTPUT_DELTA_PROB,
	N_OUTPUTS
};

/* ---------------------------------------------------------------- losses */

struct loss_plan;
struct partial;

/* Evaluates rows [first, first + n) of a plan, in order, into its outputs and `partial`. */
typedef void loss_rows_fn(const struct loss_plan *plan, size_t first, size_t n,
			  struct partial *partial);

/* What a loss's own fields mean together, after everything else about them has been checked; it may
 * warn (plan_warn). */
typedef loss_status loss_check_fn(struct loss_plan *plan, struct loss_error *err);

/* Rows of the tables, of which callers see what is called info: it comes first. */
struct argument_row {
	struct loss_argument_info info;
	enum argument id;
	size_t offset;      /* of its field in struct loss_args */
	enum output serves; /* the output that it is about; OUTPUT_LOSS: all */
	bool apart;         /* parts of one whole may differ in it: state.h */
	const char *advice; /* what else to say of a value out of range, or NULL */
};
struct output_row {
	struct loss_output_info info;
	enum output id;
};
/* What the table does not say of a loss: which tensors and arguments go together, and what the
 * elements that count may be beside one another, once all else is checked. */
typedef loss_status loss_fields_fn(const struct loss_plan *plan, struct loss_error *err);
typedef loss_status loss_elements_fn(struct loss_plan *plan, struct loss_arena *arena,
				     struct loss_error *err);

struct loss_row {
	struct loss_info info;
	const struct loss_args *presets; /* what its arguments come to; NULL: the usual */
	bool reads_targets_only;         /* of a row it reads nothing but the target's element */
	bool scores;                     /* of class indices it can say -log p_y */
	enum reduction own_reduction;    /* its choice beyond those that all losses have */
	loss_check_fn *check;            /* NULL: there is nothing */
	bool wide;                       /* transformed logits are doubles, whatever their type */
	loss_fields_fn *fields;          /* NULL: the table says it all */
	loss_elements_fn *elements;      /* likewise */
	bool counts_rows; /* its mean divides by the number of rows, whatever the classes weigh, and
			     no target is ignored */
	int most_axes;    /* of its input; 0: any number */
	bool sums_nothing; /* of a row's classes it needs no sums of exponentials */
	bool weighs_mean;  /* element-wise: its mean divides by the sum of the weights */
	loss_rows_fn *rows;
};

static inline const struct argument_row *argument_row(const struct loss_argument_info *argument)
{
	return (const struct argument_row *)(const void *)argument; /* its first member */
}

static inline const struct output_row *output_row(const struct loss_output_info *output)
{
	return (const struct output_row *)(const void *)output; /* likewise */
}

/* The arguments of a problem that gives none. */
const struct loss_args *argument_presets(const struct loss_row *loss);

static inline const struct loss_row *loss_row_of(const struct loss_info *info)
{
	return (const struct loss_row *)(const void *)info; /* its first member */
}

/* ---------------------------------------------------------------- problems */

/* An output that is asked for. */
struct wish {
	const char *name;
	const struct output_row *row; /* NULL: the loss has none of that name */
};

/* Elements of a tensor that fit no integer type, in order. */
struct beyond {
	const struct loss_beyond *elements;
	size_t n;
};

struct loss_problem {
	const struct loss_row *loss;
	struct loss_arena *arena;
	uint64_t tensors_given;   /* bits by index into info.tensors, null included */
	uint64_t arguments_given; /* bits by index into info.arguments, null included */
	bool present[LOSS_N_ROLES];
	const char *isa;       /* NULL: the best */
	uint64_t max_elements; /* 0: any number */
	bool ones_are_scalars; /* tensors of shape (1) where the loss needs () */
	bool outputs_given;
	size_t n_outputs;
	struct wish *outputs;
	struct beyond beyond[LOSS_N_ROLES];
	/* Not set where they are not present or given. */
	struct loss_tensor tensors[LOSS_N_ROLES];
	struct loss_value values[N_ARGUMENTS];
};

/* The name that a tensor of this role has for this problem's loss. */
const char *problem_tensor_name(const struct loss_problem *problem, loss_role role);

/* Converts and range-checks every argument (defaults where none is given, or where one is out of
 * range: all the others are converted nevertheless, since what their error ranks after is checked
 * with them). */
loss_status problem_arguments(const struct loss_problem *problem, struct loss_args *args,
			      struct errors errors);

#endif
