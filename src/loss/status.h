/* What goes wrong: statuses, and where and why. Part of loss.h. */
#ifndef LOSS_STATUS_PUBLIC_H
#define LOSS_STATUS_PUBLIC_H

#include <stdbool.h>
#include <stddef.h>

#include "api.h"

LOSS_API_BEGIN

/* Leading dimension N, the classes, and up to six more: (N, C, d1..d6). */
#define LOSS_MAX_RANK 8

/*
 * Every error of the library: name, code (a slug), title, and a paragraph for whoever looks the
 * code up. A function that finds several things wrong returns the first by the order of its own
 * checks.
 */
#define LOSS_STATUS_TABLE(X)                                                                       \
	X(LOSS_OK, "ok", "OK", "Nothing is wrong.")                                                \
	X(LOSS_OUT_OF_MEMORY, "out_of_memory", "An allocation failed",                             \
	  "The machine had no memory left. Nothing was evaluated.")                                \
	X(LOSS_TOO_MUCH_MEMORY_IN_FLIGHT, "too_much_memory_in_flight",                             \
	  "Too much memory in flight",                                                             \
	  "The arenas in use hold the whole budget that they share. Try again when one "           \
	  "of them is destroyed.")                                                                 \
	X(LOSS_TOO_LARGE_FOR_BUDGET, "too_large_for_budget",                                       \
	  "The problem can never fit the budget",                                                  \
	  "The arena alone needs more than the whole budget. Split the batch, ask for "            \
	  "fewer outputs, or raise the limit.")                                                    \
	X(LOSS_UNKNOWN_FIELD, "unknown_field", "Unknown field",                                    \
	  "The loss has no tensor or argument of that name. The detail says "                      \
	  "what it is called here, the nearest one, or what there is.")                            \
	X(LOSS_DUPLICATE_FIELD, "duplicate_field", "Field given twice",                            \
	  "A tensor or an argument of the problem was set before; each is set once.")              \
	X(LOSS_WRONG_TYPE, "wrong_type", "Value of the wrong type",                                \
	  "The value is not of the type that the argument takes.")                                 \
	X(LOSS_DTYPE_MISMATCH, "dtype_mismatch", "Tensor of the wrong dtype",                      \
	  "The tensor's element type is not one that it may have here, or a value does "           \
	  "not fit it.")                                                                           \
	X(LOSS_MISSING_FIELD, "missing_field", "A required field is missing",                      \
	  "A tensor that the loss needs is absent or null.")                                       \
	X(LOSS_SHAPE_MISMATCH, "shape_mismatch", "Shapes do not fit together",                     \
	  "The shapes of the tensors contradict each other or the loss.")                          \
	X(LOSS_ARGUMENT_OUT_OF_RANGE, "argument_out_of_range", "Argument out of range",            \
	  "The argument, or the element of a tensor, has the right type but a value "              \
	  "outside its range.")                                                                    \
	X(LOSS_TARGET_OUT_OF_BOUNDS, "target_out_of_bounds", "Target out of bounds",               \
	  "A target is neither a class index in [0, C) nor ignore_index, or an entry "             \
	  "of groups is beyond the last group. The index is that of the first one.")               \
	X(LOSS_CANCELLED, "cancelled", "Cancelled",                                                \
	  "The caller asked the evaluation to stop before it was complete. There is no "           \
	  "result.")

enum {
#define LOSS_STATUS_ENUM(name, code, title, help) name,
	LOSS_STATUS_TABLE(LOSS_STATUS_ENUM)
#undef LOSS_STATUS_ENUM
		LOSS_N_STATUS
};

/* One of the above. From LOSS_N_STATUS + 1 on the numbers are the caller's own, who may put them
 * into a struct loss_error by loss_fail too. */
typedef int loss_status;

struct loss_status_words {
	const char *code;  /* a slug, "shape_mismatch" */
	const char *title; /* a few words */
	const char *help;  /* a paragraph */
};

/* The row of a status of the library, static; NULL for any other number. Any thread. */
const struct loss_status_words *loss_status_info(loss_status status);

/*
 * What went wrong and where. `field` is the tensor's or argument's name, or "" where there is no
 * place. `detail` is a sentence for people that names the field, the value and the bound. Both are
 * terminated. Only what fails fills it: on LOSS_OK it is left as it was. A place inside a tensor
 * (or inside the list of outputs) is given both as a multi-index and as a flat, row-major index, so
 * that each wire format can point at it in its own way.
 *
 * Some functions find several things wrong at once that do not depend on each other, such as two
 * tensors of a wrong shape: they say so. `more` is then the next one, in the memory of the
 * problem's or the plan's arena, and so on: at most LOSS_MAX_ERRORS in all, at most one a field. It
 * is NULL where there is no other, or where there was no memory to tell it.
 */
#define LOSS_MAX_ERRORS 16

struct loss_error {
	loss_status status;
	char field[64];
	bool has_index;
	int index_rank; /* entries of index in use; 0 for a scalar tensor */
	size_t index[LOSS_MAX_RANK];
	size_t flat_index;
	char detail[512];
	const struct loss_error *more;
};

/* Fills err (which may be NULL) without an index and without more, and returns status; what is too
 * long is cut. `field` may be NULL or "". The library's own way to fail, and its callers' if they
 * like. */
LOSS_PRINTF(4, 5)
loss_status loss_fail(struct loss_error *err, loss_status status, const char *field,
		      const char *format, ...);

LOSS_API_END

#endif
