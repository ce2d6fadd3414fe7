/*
 * Differential fuzzing of the kernels against the oracle. A family draws a batch of random rows of
 * one loss, evaluates it with the kernels of every instruction set, and judges every value of every
 * output by the accuracy contract (docs/numerics.md). A batch follows from the seed and its number
 * alone. Batches may run on any thread: what is found is noted in the thread's own tally.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdio.h>

#include "../support/random.h"
#include "kernel/oracle.h"
#include "loss.h"

#define FUZZ_MAX_ISAS 4
#define FUZZ_MAX_NOTES 256
#define FUZZ_UNJUDGED ((long double)INFINITY) /* a limit for what the contract says nothing of */

/* The worst error of one quantity of one dtype, in ulp. */
struct fuzz_note {
	const char *quantity; /* "cross_entropy loss, index" */
	loss_dtype dtype;
	long double limit, worst;
	size_t values;
	uint64_t worst_batch;
};

struct fuzz_tally {
	size_t n_notes;
	struct fuzz_note notes[FUZZ_MAX_NOTES];
	size_t rows, violations;
};

struct fuzz_result;

enum fuzz_layout { FUZZ_ROWS, FUZZ_INNER, FUZZ_LAST, FUZZ_UNBATCHED, FUZZ_N_LAYOUTS };

/* A batch in canonical order: row by row, class by class, exact in its dtypes. */
struct fuzz_batch {
	struct loss_arena *arena;
	struct random random;
	uint64_t number;
	struct fuzz_tally *tally;
	const struct loss_info *loss;
	loss_dtype dtype;  /* of the input */
	loss_dtype result; /* that errors are judged in: F64 for F64, else F32 */
	enum fuzz_layout layout;
	const char *distribution;
	size_t n, classes, inner, rows;
	double *x;
	int64_t *y;
	double *t;           /* rows * classes, or NULL */
	double *weight;      /* classes, or NULL; element-wise: rows * classes */
	double *pos_weight;  /* element-wise only */
	double *grad_output; /* rows, rows * classes, or one */
	size_t n_grad_output;
	const char *reduction;                                       /* NULL where there is none */
	double smoothing, denominator, temperature, softcap, z_loss; /* 0: absent */
	double alpha, gamma;
	bool log_target;
	FILE *dump; /* where batches go that PyTorch can evaluate, or NULL */
};

/* Draws a batch, evaluates and judges it. */
typedef void fuzz_family(struct fuzz_batch *batch);
fuzz_family fuzz_cross_entropy, fuzz_softmax, fuzz_log_softmax, fuzz_nll_loss, fuzz_elements;

/*
 * Judges the outputs of softmax that were asked for: log_probs, probs, lse, entropy, predicted.
 * Where the row's logits may each be `slack` off, errors count apart and limits are larger.
 */
void fuzz_judge_softmax(struct fuzz_batch *batch, const struct oracle_row *row, long double slack,
			const struct fuzz_result *result, size_t r);

/* ---------------------------------------------------------------- drawing: fuzz_draw.c */

/* Memory of the batch, zeroed. */
void *fuzz_alloc(struct fuzz_batch *batch, size_t n, size_t size);
#define fuzz_array(batch, type, n) ((type *)fuzz_alloc((batch), (n), sizeof(type)))

double fuzz_rounded(loss_dtype dtype, double value);
/* Loss, dtype, layout, sizes, logits. */
void fuzz_draw_logits(struct fuzz_batch *batch, const char *loss);
/* n values, exact in the batch's dtype. */
double *fuzz_draw_uniform(struct fuzz_batch *batch, size_t n, double low, double high);
bool fuzz_chance(struct fuzz_batch *batch, double probability);

/* ---------------------------------------------------------------- evaluating: fuzz_eval.c */

/* The results of one evaluation, by the batch's arena. */
struct fuzz_result {
	struct loss_result result;
	loss_status status;
	struct loss_error error;
};

/*
 * Evaluates the batch with the kernels of every instruction set of the machine. What comes out is
 * that of the best one; a difference between any two is a violation.
 */
void fuzz_evaluate(struct fuzz_batch *batch, const char *const *outputs,
		   struct fuzz_result *result);
size_t fuzz_isas(const char **isas); /* FUZZ_MAX_ISAS of them at most, best first */

/* The output of that name, which must be there; whether it is. */
const struct loss_tensor *fuzz_output(const struct fuzz_result *result, const char *name);
bool fuzz_has_output(const struct fuzz_result *result, const char *name);
/* Where class c of a row stands in a tensor of the logits' layout, and its value there. */
size_t fuzz_place(const struct fuzz_batch *batch, size_t row, size_t c);
double fuzz_value(const struct loss_tensor *tensor, size_t i);

/* ---------------------------------------------------------------- judging: fuzz_kernels.c */

/* Notes an error; one beyond the limit is a violation, and printed. */
void fuzz_judge(struct fuzz_batch *batch, const char *quantity, size_t row, long double error,
		long double limit);
/* A violation that is no matter of ulps. */
__attribute__((format(printf, 2, 3))) void fuzz_violation(struct fuzz_batch *batch,
							  const char *format, ...);

/* A line after it, of what else there is to know. */
__attribute__((format(printf, 2, 3))) void fuzz_detail(struct fuzz_batch *batch, const char *format,
						       ...);

/* As ulp_error_floored, with the floor that goes with a gradient's factor (1 or more). */
long double fuzz_grad_error(loss_dtype dtype, double got, long double exact, long double scale,
			    long double factor);

/* A record for pytorch_errors.py: see there. Values are written as doubles, exact ones as two. */
void fuzz_dump_start(struct fuzz_batch *batch);
void fuzz_dump(struct fuzz_batch *batch, double value);
void fuzz_dump_exact(struct fuzz_batch *batch, long double value);

#endif
