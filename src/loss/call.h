/* A whole evaluation as one struct and one call. Part of loss.h. */
#ifndef LOSS_CALL_PUBLIC_H
#define LOSS_CALL_PUBLIC_H

#include "api.h"
#include "evaluate.h"

LOSS_API_BEGIN

/*
 * For callers to whom every call into the library costs something, such as other languages: they
 * fill it once for problems of the same shapes and arguments, then set what changes (most often
 * `data` of the tensors) and call again. All that it points to is borrowed until the call returns.
 */
struct loss_call {
	size_t size;                  /* sizeof(struct loss_call), as the caller knows it */
	const struct loss_info *loss; /* a row of the table */
	struct loss_arena *arena;     /* for this call: see below */
	const struct loss_tensor *const *tensors; /* loss->n_tensors of them; NULL: absent */
	const struct loss_value *arguments;       /* loss->n_arguments of them; null: the default */
	const char *const *outputs;               /* NULL: the loss's first one */
	size_t n_outputs;
	int threads; /* as loss_plan_run has it */
	/* What comes of it. */
	double scalar; /* the first output where it is a float of shape (), exactly; else 0 */
	struct loss_result result; /* on LOSS_OK */
	struct loss_error error;   /* on all else */
};

/*
 * Resets the arena, so that what an earlier call left there is gone, then makes the problem, plans,
 * runs and finishes it. Errors: LOSS_WRONG_TYPE where `size` is another one, since the caller was
 * made for another version of the library, of whose struct nothing is touched; else those of
 * loss_problem_set_tensor, loss_problem_set_argument, loss_problem_set_outputs and loss_evaluate.
 * On the arena's thread.
 */
loss_status loss_call_run(struct loss_call *call);

LOSS_API_END

#endif
