/* The table of losses: the tensors, arguments and outputs of each, as data. Part of loss.h. */
#ifndef LOSS_LOSSES_PUBLIC_H
#define LOSS_LOSSES_PUBLIC_H

#include <stdbool.h>
#include <stddef.h>

#include "api.h"
#include "tensor.h"

LOSS_API_BEGIN

/* Of rows' losses: the minimum, 0.001, 0.01, 0.05, 0.1, 0.5, 0.9, 0.95, 0.99, 0.999, the maximum.
 */
#define LOSS_N_QUANTILES 11

/*
 * What shape a tensor or an output has. The rows of a loss over classes are its input without the
 * class axis; those of an element-wise loss are the input's elements.
 */
typedef enum loss_extent {
	LOSS_EXTENT_SCALAR,         /* () */
	LOSS_EXTENT_CLASSES,        /* (C) */
	LOSS_EXTENT_ROWS,           /* the rows' */
	LOSS_EXTENT_INPUT,          /* that of the input, the loss's first tensor */
	LOSS_EXTENT_TARGETS,        /* the rows' for class indices, the input's for probabilities */
	LOSS_EXTENT_BROADCAST,      /* one that broadcasts to the input's, never beyond */
	LOSS_EXTENT_LOSS,           /* the rows' where reduction is none, else () */
	LOSS_EXTENT_GROUPS,         /* (G): an entry for each group */
	LOSS_EXTENT_ROWS_OR_GROUPS, /* the rows', or (G) beside the tensor groups */
	LOSS_EXTENT_QUANTILES,      /* (LOSS_N_QUANTILES) */
	LOSS_EXTENT_LISTED,         /* that of the loss's class indices with an extra axis, where
				       they are given; else the input's */
	/* As LOSS_EXTENT_BROADCAST, or the input's without its last axis: one for all of that. */
	LOSS_EXTENT_BROADCAST_ROWS,
} loss_extent;

/* What the elements of a tensor are: bits, for targets may be one of two. */
typedef enum loss_kind {
	LOSS_KIND_NUMBER = 1,
	LOSS_KIND_INDEX = 2,       /* a class, 0 to C - 1 */
	LOSS_KIND_PROBABILITY = 4, /* of floats beside classes */
	LOSS_KIND_BOOLEAN = 8,
	LOSS_KIND_GROUP = 16, /* the group that a row is of, 0 to G - 1; below 0: of none */
	LOSS_KIND_COUNT = 32, /* an integer, 0 or more */
} loss_kind;

/* The kinds that are integers whatever stands beside them. */
#define LOSS_INTEGER_KINDS (LOSS_KIND_INDEX | LOSS_KIND_GROUP | LOSS_KIND_COUNT)

/* The places of tensors; each has one name per loss ("logits", or "log_probs" for nll_loss). A loss
 * whose tensors no other loss has gives them the last ones. */
typedef enum loss_role {
	LOSS_ROLE_INPUT,
	LOSS_ROLE_TARGETS,
	LOSS_ROLE_WEIGHT,
	LOSS_ROLE_POS_WEIGHT,
	LOSS_ROLE_ROW_WEIGHT,
	LOSS_ROLE_MASK,
	LOSS_ROLE_GROUPS,
	LOSS_ROLE_BYTES,
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
	bool min_excluded, max_excluded;
	bool zero_excluded;
	bool nan_allowed; /* else NaN is in none that has bounds */
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

/* What an output asks for: bits. */
typedef enum loss_need {
	LOSS_NEEDS_NOTHING = 0,
	LOSS_NEEDS_INDICES = 1,     /* targets that are class indices */
	LOSS_NEEDS_GRAD_OUTPUT = 2, /* the tensor grad_output */
	LOSS_NEEDS_GROUPS = 4,      /* the tensor groups */
	LOSS_NEEDS_BYTES = 8,       /* the tensor bytes */
	LOSS_NEEDS_OWN_1 = 16,      /* the loss's first tensor of its own */
	LOSS_NEEDS_TARGETS = 32,    /* the tensor targets, of losses that do without */
} loss_need;

struct loss_output_info {
	const char *name;
	loss_dtype_rule dtype;
	loss_extent extent;
	unsigned needs; /* loss_needs */
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
/* Indices into tensors / arguments, or -1. */
int loss_find_tensor(const struct loss_info *loss, const char *name, size_t n);
int loss_find_argument(const struct loss_info *loss, const char *name, size_t n);

/*
 * Half a sentence about a name that is none where it stands; what goes before it ends with "; ".
 * Letters of either case are the same to it, and so are '_', '-', '.' and a space, of which none is
 * needed. The first of these that is so:
 *
 *  - It is the name of something that stands elsewhere: "it is an output: name it in outputs".
 *  - A name of the caller's own is one letter away: `the nearest is "outputs"`.
 *  - Other libraries, or other losses, call so what the loss has: `use "targets": class indices`.
 *    What the loss does not have is never offered.
 *  - A name that may stand there is at most a third of its length away, rounded down, by
 *    insertions, deletions and substitutions of a byte: one for three to five bytes, two for six to
 *    eight; none for fewer than three, or more than 40: `the nearest is "logits"`.
 *  - Else the list of what may stand there, as far as there is room: "there are a, b and c".
 *
 * Terminated, within `size` bytes (LOSS_HINT_CHARS are always enough for all but the list).
 */
#define LOSS_HINT_CHARS 384

/* The kinds of names that a loss has. */
enum { LOSS_NAME_TENSOR = 1, LOSS_NAME_ARGUMENT = 2, LOSS_NAME_OUTPUT = 4 };

/* A name of the caller's own, and where it goes: "outputs", "it is a member of the request". */
struct loss_word {
	const char *name, *advice;
};

/* What may stand in a place, and what to tell of the rest. */
struct loss_place {
	const struct loss_info *loss; /* NULL: names of a loss mean nothing there */
	unsigned kinds;               /* LOSS_NAME_s that may stand there */
	const char *to_tensors, *to_arguments, *to_outputs; /* what to do with those that may not,
							       "give it in the body" */
	const char *const *names; /* the caller's own that may stand there */
	size_t n_names;
	const struct loss_word *words; /* the caller's own that go elsewhere */
	size_t n_words;
	bool options; /* names are shown as --name */
};
void loss_hint_name(const struct loss_place *place, const char *name, size_t n, char *out,
		    size_t size);
/* Likewise about the name of a loss. What stands before a last dot in it does not count:
 * "F.cross_entropy". */
void loss_hint_loss(const char *name, size_t n, char *out, size_t size);
/* The nearest of some names, by the same distances, or NULL. */
const char *loss_nearest(const char *const *names, size_t n_names, const char *name, size_t n);

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
