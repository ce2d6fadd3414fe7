/* Problems: a loss with its tensors, arguments and outputs. Part of loss.h. */
#ifndef LOSS_PROBLEM_PUBLIC_H
#define LOSS_PROBLEM_PUBLIC_H

#include <stdint.h>

#include "api.h"
#include "losses.h"
#include "memory.h"

LOSS_API_BEGIN

/* A scalar argument as the caller wrote it. `text` is what error messages show (the token itself).
 */
typedef enum loss_value_type {
	LOSS_VALUE_NULL,
	LOSS_VALUE_BOOLEAN,
	LOSS_VALUE_INTEGER, /* integer syntax; also fills number; integer_overflow when it is not an
			       int64 */
	LOSS_VALUE_NUMBER,  /* has a fraction or an exponent */
	LOSS_VALUE_STRING,  /* text is the string itself */
	LOSS_VALUE_OTHER,   /* an array or an object: always of the wrong type */
} loss_value_type;

struct loss_value {
	loss_value_type type;
	bool boolean;
	bool integer_overflow;
	int64_t integer;
	double number;
	const char *text; /* terminated; copied where it is kept */
};

/* A loss with its tensors, arguments and outputs, not yet checked against each other. Opaque; in
 * its arena, and on the thread of that. */
struct loss_problem;

/* `loss` is a row of the table, as loss_find gave it. NULL when there is no memory (see
 * loss_arena_failure). There is nothing to free but the arena. */
struct loss_problem *loss_problem_create(const struct loss_info *loss, struct loss_arena *arena);
const struct loss_info *loss_problem_info(const struct loss_problem *problem);

/* ---------------------------------------------------------------- by name */

/*
 * Sets the tensor, or the argument, of that name. Each may be set once: LOSS_DUPLICATE_FIELD the
 * second time. A name that is not one of the loss's, or of the other kind, is LOSS_UNKNOWN_FIELD,
 * and the sentence says what is meant, where it goes, or what there is (loss_hint_name).
 *
 * A tensor is one that loss_tensor_make could have made, else it is refused: LOSS_DTYPE_MISMATCH
 * for a dtype that is none, LOSS_SHAPE_MISMATCH for a rank out of 0 to LOSS_MAX_RANK or a count
 * that is not the shape's, LOSS_MISSING_FIELD for elements without data; only the input (the loss's
 * first tensor) may still be without, see loss_plan_create. Its shape, its elements and what the
 * loss needs of both are judged by loss_plan_create. The struct is copied, what `data` points to is
 * borrowed until the plan is finished. NULL means "null": the tensor is absent.
 */
loss_status loss_problem_set(struct loss_problem *problem, const char *name,
			     const struct loss_tensor *tensor, struct loss_error *err);
/*
 * A number for an argument of LOSS_ARGUMENT_NUMBER, which takes an integer too; text for one of
 * LOSS_ARGUMENT_CHOICE, terminated and copied; else LOSS_WRONG_TYPE. Ranges and choices are judged
 * by loss_plan_create, with NaN in no range. Also LOSS_OUT_OF_MEMORY and its kin.
 */
loss_status loss_problem_set_number(struct loss_problem *problem, const char *name, double value,
				    struct loss_error *err);
loss_status loss_problem_set_integer(struct loss_problem *problem, const char *name, int64_t value,
				     struct loss_error *err);
loss_status loss_problem_set_boolean(struct loss_problem *problem, const char *name, bool value,
				     struct loss_error *err);
/* NULL is "null": the argument has its default. */
loss_status loss_problem_set_text(struct loss_problem *problem, const char *name, const char *value,
				  struct loss_error *err);

/* What is to be computed, by names of the loss's outputs: n terminated strings, copied; n == 0 asks
 * for nothing. Without this it is the first output. Once (LOSS_DUPLICATE_FIELD); names are judged
 * by loss_plan_create. */
loss_status loss_problem_set_outputs(struct loss_problem *problem, const char *const *names,
				     size_t n, struct loss_error *err);

/* ---------------------------------------------------------------- by index */

/*
 * The same for readers of a format, who have found the field already: `i` is an index below the
 * loss's n_tensors or n_arguments. A null value counts as given. Types are checked here
 * (LOSS_WRONG_TYPE), ranges by loss_plan_create. What is refused is as good as absent, but given.
 */
loss_status loss_problem_set_tensor(struct loss_problem *problem, size_t i,
				    const struct loss_tensor *tensor, struct loss_error *err);
loss_status loss_problem_set_argument(struct loss_problem *problem, size_t i,
				      const struct loss_value *value, struct loss_error *err);

/* Gives the input, tensor i, which was set without its data, the data: for all its elements. */
void loss_problem_set_data(struct loss_problem *problem, size_t i, void *data);

/* An integer that fits no integer type, and so is no class: `text` is how messages show it. */
struct loss_beyond {
	size_t flat_index; /* whose place it has, below the tensor's count */
	const char *text;  /* terminated: "18446744073709551616" */
};
/*
 * Says which elements of tensor i, which holds class indices, are such integers, whatever is stored
 * in their places: n of them, in the order of their places, borrowed as the tensor's data is.
 * loss_plan_create refuses them as all others that are no classes, whatever ignore_index is: of the
 * rows that shift and mask leave, the first wrong one is reported. Once a tensor.
 */
void loss_problem_set_beyond(struct loss_problem *problem, size_t i,
			     const struct loss_beyond *elements, size_t n);

/* ---------------------------------------------------------------- how */

/* Makes the problem use kernels of a lower instruction set, as loss_isa_find gave it (NULL: of the
 * best); the results are the same bits. */
void loss_problem_set_isa(struct loss_problem *problem, const char *isa);

/* The most groups that there may be, whether n_groups asks for them or an entry of the tensor
 * groups: what a caller lets a tensor have. Without it, as many as memory has room for. */
void loss_problem_set_max_elements(struct loss_problem *problem, uint64_t max_elements);

/* Makes a tensor of shape (1) stand for a scalar wherever the loss needs one, for formats whose
 * writers have no shape (). */
void loss_problem_set_ones_are_scalars(struct loss_problem *problem);

/* What loss_plan_create says of the dtypes of the tensors that are set, for callers who have found
 * something else wrong and will not plan: LOSS_DTYPE_MISMATCH. */
loss_status loss_problem_check_dtypes(const struct loss_problem *problem, struct loss_error *err);

LOSS_API_END

#endif
