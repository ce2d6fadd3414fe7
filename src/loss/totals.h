/* Totals of parts of a data set, and how they become those of the whole. Part of loss.h. */
#ifndef LOSS_TOTALS_PUBLIC_H
#define LOSS_TOTALS_PUBLIC_H

#include "api.h"
#include "evaluate.h"

LOSS_API_BEGIN

/*
 * With the argument totals="exact", totals have a state: all that the reduction has come to,
 * without any rounding. States of parts, in any order and merged in any tree, come to the same bits
 * as one evaluation of all rows. They are text (base64), and the same on every machine.
 *
 * They merge if they are of the same loss with the same arguments and class weights. These may
 * differ: reduction and what else says how to reduce (size_average, reduce, denominator,
 * empty_mean), class_axis, grad_dtype, ignore_index, k, n_groups, totals; the types, where results
 * of one that are F64 make them F64; and what outputs were asked for.
 */

/* States on their way to one. Opaque, in its arena, and on the thread of that. */
struct loss_merger;

/* NULL when there is no memory: loss_arena_failure. */
struct loss_merger *loss_merger_create(struct loss_arena *arena);
/* The most groups that a state may have: what a caller lets a tensor have. Without it, as many as
 * memory has room for. */
void loss_merger_set_max_elements(struct loss_merger *merger, uint64_t max_elements);

/*
 * Adds a state, n characters that need no end. One of no rows changes nothing. Errors are about the
 * i-th one that is given, good or not, from 0, which is the index in them, with the field "totals";
 * what was added before stays: LOSS_WRONG_TYPE where it is none or damaged,
 * LOSS_ARGUMENT_OUT_OF_RANGE where it is of another loss, of other arguments or class weights,
 * brings rows to more than 2^63 - 1, or has too many groups; and those of memory.
 */
loss_status loss_merger_add(struct loss_merger *merger, const char *state, size_t n,
			    struct loss_error *err);

/*
 * What all of them come to, as an evaluation of all their rows has it: the outputs "loss" (the mean
 * over the natural denominator: NaN where it is 0), and where all states with rows have what they
 * are made from, "accuracy", "perplexity", "ece", and "group_loss_sum", "group_denominator",
 * "group_counted" and "group_loss" of as many groups as the largest of them has; and totals with
 * their state. It stays right until the next one is added. LOSS_ARGUMENT_OUT_OF_RANGE where there
 * was none; those of memory.
 */
loss_status loss_merger_finish(struct loss_merger *merger, struct loss_result *result,
			       struct loss_error *err);

/* All at once: n states, each terminated. */
loss_status loss_totals_merge(const char *const *states, size_t n, struct loss_arena *arena,
			      struct loss_result *result, struct loss_error *err);

LOSS_API_END

#endif
