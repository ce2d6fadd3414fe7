/* Problems: a loss with its tensors, arguments and outputs. Part of loss.h. */
#ifndef LOSS_PROBLEM_PUBLIC_H
#define LOSS_PROBLEM_PUBLIC_H

#include <stdint.h>

#include "losses.h"
#include "memory.h"

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

/* A loss with its tensors, arguments and outputs, not yet checked against each other. Opaque. */
struct loss_problem;

struct loss_problem *loss_problem_create(const struct loss_info *loss, struct loss_arena *arena);
const struct loss_info *loss_problem_info(const struct loss_problem *problem);

/*
 * Each may be called once a field: LOSS_DUPLICATE_FIELD the second time (a null value counts as
 * given). `i` is an index into the loss's tensors or arguments. Types are checked here
 * (LOSS_WRONG_TYPE), ranges by loss_plan_create. Tensor data is borrowed until the plan is
 * finished. A tensor of NULL means "null": absent.
 */
loss_status loss_problem_set_tensor(struct loss_problem *problem, size_t i,
				    const struct loss_tensor *tensor, struct loss_error *err);
loss_status loss_problem_set_argument(struct loss_problem *problem, size_t i,
				      const struct loss_value *value, struct loss_error *err);
/* names: n terminated strings, copied; n == 0 asks for nothing. Names are judged by
 * loss_plan_create. */
loss_status loss_problem_set_outputs(struct loss_problem *problem, const char *const *names,
				     size_t n, struct loss_error *err);

/* Gives tensor i, which was set without its data, the data. */
void loss_problem_set_data(struct loss_problem *problem, size_t i, void *data);

/* Makes the problem use kernels of a lower instruction set, as loss_isa_find gave it; the results
 * are the same bits. */
void loss_problem_set_isa(struct loss_problem *problem, const char *isa);

/* Makes a tensor of shape (1) stand for a scalar wherever the loss needs one, for formats whose
 * writers have no shape (). */
void loss_problem_set_ones_are_scalars(struct loss_problem *problem);

#endif
