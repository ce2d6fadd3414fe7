/* From a problem to results. Part of loss.h. */
#ifndef LOSS_EVALUATE_PUBLIC_H
#define LOSS_EVALUATE_PUBLIC_H

#include "api.h"
#include "problem.h"

LOSS_API_BEGIN

#define LOSS_MAX_OUTPUTS 32
#define LOSS_MAX_WARNINGS 16

struct loss_output {
	const char *name;
	struct loss_tensor tensor; /* in the plan's arena */
};

/* What lets batches add up: sum of loss_sum over sum of denominator is the mean of the whole. */
struct loss_totals {
	double loss_sum;
	double denominator; /* the natural one, never the argument */
	size_t rows;        /* rows, or elements for element-wise losses */
	size_t counted;
	size_t ignored;
	const char *state; /* totals="exact": without any rounding, see loss/totals.h; else NULL */
};

/* What has come of a problem. The struct is the caller's; names and warnings are static or in the
 * arena, tensors in the arena. */
struct loss_result {
	size_t n_outputs;
	struct loss_output outputs[LOSS_MAX_OUTPUTS]; /* in the order asked for */
	bool has_totals;                              /* as its loss_info says */
	struct loss_totals totals;
	size_t n_warnings;
	const char *warnings[LOSS_MAX_WARNINGS];
};

/* A checked problem with room for its results. Opaque; in its arena. */
struct loss_plan;

/* How a caller stops a run. Start it as {0}; it may be used for several runs, or have none. */
struct loss_cancel {
	int requested; /* for the functions below only */
};
/* From any thread and from a signal handler, before or while it runs. There is no way back. */
void loss_cancel_request(struct loss_cancel *cancel);
bool loss_cancel_requested(const struct loss_cancel *cancel);

/*
 * Every semantic check: types, required tensors, shapes, arguments, target range, in this order.
 * The plan belongs to the arena, and reads the problem's tensors until it is finished. Errors:
 * LOSS_DTYPE_MISMATCH, LOSS_MISSING_FIELD, LOSS_SHAPE_MISMATCH, LOSS_ARGUMENT_OUT_OF_RANGE,
 * LOSS_TARGET_OUT_OF_BOUNDS, and those of memory. Of types, required tensors, shapes and ranges of
 * arguments all that are wrong are told, in the arena (loss_error.more): what comes after them in
 * that order is not looked at.
 *
 * An input (the first tensor) that has elements but no data is still to come. Where each row can be
 * evaluated by itself as it arrives (class indices, contiguous classes, no output of the input's
 * shape), the plan is one for loss_plan_run_rows; else *made is NULL: set the data and plan again.
 * It is NULL on error too.
 */
loss_status loss_plan_create(const struct loss_problem *problem, struct loss_arena *arena,
			     struct loss_plan **made, struct loss_error *err);
/* The i-th output that it will have, in the order asked for, not computed yet; false past the last.
 */
bool loss_plan_output(const struct loss_plan *plan, size_t i, struct loss_output *output);
/* Elements of the first tensor. */
size_t loss_plan_elements(const struct loss_plan *plan);
/*
 * What a scheduler weighs: nanoseconds that running it takes on one thread. An estimate, from the
 * shape, the types and what is asked for, most often within a factor of two on a server's
 * processor; rows that hold NaN, infinities or other extremes take up to a hundred times as long.
 */
uint64_t loss_plan_cost_ns(const struct loss_plan *plan);
loss_dtype loss_plan_dtype(const struct loss_plan *plan);
/* The instruction set of the kernels that it runs. */
const char *loss_plan_isa(const struct loss_plan *plan);
size_t loss_plan_rows(const struct loss_plan *plan);
/* Row blocks: their number depends on the loss, the shape and the arguments, never on threads. */
size_t loss_plan_blocks(const struct loss_plan *plan);

/* Evaluates blocks [first, first + n) on the calling thread. Each block once, in any order, from
 * any thread. Not of a plan for loss_plan_run_rows. */
void loss_plan_run_blocks(struct loss_plan *plan, size_t first, size_t n);

/*
 * Evaluates all blocks with a team of up to `threads` (1, or less, opens no parallel region),
 * stopping at the next block once *cancel (may be NULL) is requested, in a row of many classes at
 * the next 65,536 or so of them: LOSS_CANCELLED, and nothing more is to be done with the plan. No
 * other error. The calling thread is one of the team, which OpenMP keeps.
 */
loss_status loss_plan_run(struct loss_plan *plan, int threads, const struct loss_cancel *cancel,
			  struct loss_error *err);
/*
 * The same in slices, so that something else may be done between them: some of the blocks from
 * *next on, about as many as `cost_ns` is worth (loss_plan_cost_ns) and one at least, all of them
 * for UINT64_MAX, and moves *next after them. It begins as 0, and loss_plan_blocks(plan) says that
 * all have run. The results are the bits that one run gives.
 */
loss_status loss_plan_run_slice(struct loss_plan *plan, size_t *next, uint64_t cost_ns, int threads,
				const struct loss_cancel *cancel, struct loss_error *err);
/* Rows of a block; the last one may have fewer. */
size_t loss_plan_block_rows(const struct loss_plan *plan);
/*
 * Evaluates rows [first, first + n) of a plan whose input is still to come: `rows` is where the
 * first of them begins. Each row once, in whole blocks, in any order and on several threads at the
 * same time; the results are the bits that all blocks at once give.
 */
void loss_plan_run_rows(struct loss_plan *plan, size_t first, size_t n, const void *rows);

/* Reduces, and fills result. All blocks must have run. Once, on one thread. */
void loss_plan_finish(struct loss_plan *plan, struct loss_result *result);

/* Plan, run, finish in one call, of a problem whose tensors are all there. Errors of
 * loss_plan_create, LOSS_MISSING_FIELD for an input without data, and LOSS_CANCELLED. */
loss_status loss_evaluate(const struct loss_problem *problem, struct loss_arena *arena, int threads,
			  const struct loss_cancel *cancel, struct loss_result *result,
			  struct loss_error *err);

/* ---------------------------------------------------------------- the machine */

/* The name of the best instruction set that kernels exist for and this machine has: "avx512",
 * "avx2", "neon", "base". */
const char *loss_isa(void);
/* The i-th instruction set that this build has kernels for, best first, whether the machine has it
 * or not; NULL past the last. */
const char *loss_isa_at(size_t i);
/* The name itself, static, if this build and this machine have that instruction set, else NULL. */
const char *loss_isa_find(const char *name);

LOSS_API_END

#endif
