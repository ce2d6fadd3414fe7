/* The table of losses: the tensors, arguments and outputs of each, as data. Part of loss.h. */
#ifndef LOSS_LOSSES_PUBLIC_H
#define LOSS_LOSSES_PUBLIC_H

#include <stdbool.h>
#include <stddef.h>

#include "api.h"
#include "tensor.h"

LOSS_API_BEGIN

/*
 * What shape a tensor or an output has. The rows of a loss over classes are its input without the
 * class axis; those of an element-wise loss are the input's elements.
 */
typedef enum loss_extent {
	LOSS_EXTENT_SCALAR,    /* () */
	LOSS_EXTENT_CLASSES,   /* (C) */
	LOSS_EXTENT_ROWS,      /* the rows' */
	LOSS_EXTENT_INPUT,     /* that of the input, the loss's first tensor */
	LOSS_EXTENT_TARGETS,   /* the rows' for class indices, the input's for probabilities */
	LOSS_EXTENT_BROADCAST, /* one that broadcasts to the input's, never beyond */
	LOSS_EXTENT_LOSS,      /* the rows' where reduction is none, else () */
} loss_extent;

/* What the elements of a tensor are: bits, for targets may be one of two. */
typedef enum loss_kind {
	LOSS_KIND_NUMBER = 1,
	LOSS_KIND_INDEX = 2,       /* a class, 0 to C - 1 */
	LOSS_KIND_PROBABILITY = 4, /* of floats beside classes */
	LOSS_KIND_BOOLEAN = 8,
} loss_kind;

/* The places of tensors; each has one name per loss ("logits", or "log_probs" for nll_loss). A loss
 * whose tensors no other loss has gives them the last ones. */
typedef enum loss_role {
	LOSS_ROLE_INPUT,
	LOSS_ROLE_TARGETS,
	LOSS_ROLE_WEIGHT,
	LOSS_ROLE_POS_WEIGHT,
	LOSS_ROLE_ROW_WEIGHT,
	LOSS_ROLE_MASK,
	LOSS_ROLE_GRAD_OUTPUT,
	LOSS_ROLE_OWN_1,
	LOSS_ROLE_OWN_2,
	LOSS_ROLE_OWN_3,
	LOSS_ROLE_OWN_4,
	LOSS_N_ROLES
} loss_role;

/* Numbers from min to max; without bounds where both are 0. */
struct loss_range {
	double min, max;
	bool min_excluded;
	bool zero_excluded;
};

struct loss_tensor_info {
	const char *name;
	loss_role role;
	bool required;
	unsigned dtypes; /* LOSS_DTYPE_BITs of what it may be */
	unsigned kinds;  /* loss_kinds of its elements */
	loss_extent extent;
	bool extra_axis;         /* one more axis after those, of K >= 1, the same K in all of a
				    loss's tensors that have it */
	struct loss_range range; /* of every element that is read; of class indices a min of -1
				    allows -1, an empty place */
	const char *help;
};

typedef enum loss_argument_type {
	LOSS_ARGUMENT_BOOLEAN,
	LOSS_ARGUMENT_INTEGER,
	LOSS_ARGUMENT_NUMBER,
	LOSS_ARGUMENT_CHOICE, /* a string of a list */
} loss_argument_type;

struct loss_argument_info {
	const char *name;
	loss_argument_type type;
	const char *const *choices; /* NULL-terminated; of LOSS_ARGUMENT_CHOICE only */
	const char *default_json;   /* as JSON text: "null", "-100", "\"mean\"" */
	struct loss_range range;    /* of integers and numbers; NaN is in none */
	const char *help;
};

/* The element type of an output. */
typedef enum loss_dtype_rule {
	LOSS_DTYPE_OF_RESULTS, /* F64 for an F64 input, else F32 */
	LOSS_DTYPE_OF_INPUT,   /* the input's, or the argument grad_dtype */
	LOSS_DTYPE_F64,
	LOSS_DTYPE_I64,
	LOSS_DTYPE_BOOL,
} loss_dtype_rule;

/* What an output asks for. */
typedef enum loss_need {
	LOSS_NEEDS_NOTHING,
	LOSS_NEEDS_INDICES,     /* targets that are class indices */
	LOSS_NEEDS_GRAD_OUTPUT, /* the tensor grad_output */
} loss_need;

struct loss_output_info {
	const char *name;
	loss_dtype_rule dtype;
	loss_extent extent;
	loss_need needs;
	const char *help;
};

/* One row of the table of losses, as far as callers may see it. */
struct loss_info {
	const char *name;
	const char *summary;
	bool element_wise; /* there are no classes: every element of the input is a row */
	bool has_totals;   /* its rows have losses, which add up */
	size_t n_tensors;
	const struct loss_tensor_info *tensors; /* tensors[0] is the input */
	size_t n_arguments;
	const struct loss_argument_info *const *arguments;
	size_t n_outputs;
	const struct loss_output_info *const *outputs; /* outputs[0] is the default */
};

/* Everything that these return is static: it needs no freeing and never changes. Any thread. Names
 * are n bytes and need no end, so that they may lie in a text. */

/* The i-th loss; NULL past the last one. */
const struct loss_info *loss_at(size_t i);
/* NULL when there is none of that name, matched with case. */
const struct loss_info *loss_find(const char *name, size_t n);
/* The name nearest to a mistyped one, never NULL: among losses, or among the tensors, arguments and
 * "outputs" of one loss. */
const char *loss_nearest(const char *name, size_t n);
const char *loss_nearest_field(const struct loss_info *loss, const char *name, size_t n);
/* Likewise among n_names (at least one) names of the caller's own. */
const char *loss_nearest_of(const char *const *names, size_t n_names, const char *name, size_t n);
/* Indices into tensors / arguments, or -1. */
int loss_find_tensor(const struct loss_info *loss, const char *name, size_t n);
int loss_find_argument(const struct loss_info *loss, const char *name, size_t n);

/*
 * The facts for people, terminated, within `size` bytes (LOSS_PHRASE_CHARS suffice): the shape of
 * tensor i, "(C), (N, C) or ..."; the range of argument i, "0 to 1", "" where its type says it all;
 * the element type and the shape of output i.
 */
#define LOSS_PHRASE_CHARS 256
void loss_describe_tensor_shape(const struct loss_info *loss, size_t i, char *out, size_t size);
void loss_describe_argument_range(const struct loss_info *loss, size_t i, char *out, size_t size);
void loss_describe_output_dtype(const struct loss_info *loss, size_t i, char *out, size_t size);
void loss_describe_output_shape(const struct loss_info *loss, size_t i, char *out, size_t size);

LOSS_API_END

#endif
