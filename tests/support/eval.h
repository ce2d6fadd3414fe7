/*
 * One evaluation through loss.h, in a few lines: eval_start, tensors and arguments by name,
 * eval_run, values, eval_end. Values go in and out as doubles or int64s whatever the dtype. Every
 * failure that a test does not ask about fails it (require).
 */
#ifndef TESTS_SUPPORT_EVAL_H
#define TESTS_SUPPORT_EVAL_H

#include "loss.h"

struct eval {
	struct loss_arena *arena;
	const struct loss_info *info;
	struct loss_problem *problem;
	struct loss_plan *plan; /* of eval_plan */
	struct loss_result result;
	struct loss_error error;
};

/* The instruction set that LOSSD_ISA names, which the machine must have; NULL without it. Every
 * evaluation uses it. */
const char *eval_isa(void);

void eval_start(struct eval *eval, const char *loss);
void eval_end(struct eval *eval);

/* Memory of the evaluation, zeroed; never NULL. */
void *eval_alloc(struct eval *eval, size_t n, size_t size);
#define eval_array(eval, type, n) ((type *)eval_alloc((eval), (n), sizeof(type)))

/* A tensor of float dtype from doubles (rounded), or of integer dtype from int64s (truncated). */
struct loss_tensor eval_floats(struct eval *eval, loss_dtype dtype, int rank, const size_t *shape,
			       const double *values);
struct loss_tensor eval_integers(struct eval *eval, loss_dtype dtype, int rank, const size_t *shape,
				 const int64_t *values);
void eval_set(struct eval *eval, const char *name, struct loss_tensor tensor);

void eval_number(struct eval *eval, const char *name, double value);
void eval_integer(struct eval *eval, const char *name, int64_t value);
void eval_boolean(struct eval *eval, const char *name, bool value);
void eval_string(struct eval *eval, const char *name, const char *value);
/* A list of outputs, NULL-terminated. */
void eval_outputs(struct eval *eval, const char *const *names);

void eval_run(struct eval *eval, int threads);
/* As eval_run, for errors: the status, with eval->error filled. */
loss_status eval_try(struct eval *eval);
/* Only plans; blocks are the caller's to run, then loss_plan_finish(eval->plan, &eval->result). */
void eval_plan(struct eval *eval);

/* The output of that name, which must be there. */
const struct loss_tensor *eval_output(const struct eval *eval, const char *name);
/* The i-th value of a float output, or of an I64 or BOOL one. */
double eval_value(const struct loss_tensor *tensor, size_t i);
int64_t eval_index(const struct loss_tensor *tensor, size_t i);
/* Whether two tensors have the same dtype, shape and bits. */
bool eval_same_bits(const struct loss_tensor *a, const struct loss_tensor *b);

#endif
