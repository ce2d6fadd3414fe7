/*
 * What a row's prediction is worth beside its target: the outputs correct and rank, and what
 * accuracy, perplexity and ece are made of.
 */
#ifndef LOSS_KERNEL_VERDICT_H
#define LOSS_KERNEL_VERDICT_H

#include "../row.h"

static inline bool verdict_wanted(const struct loss_plan *plan)
{
	return plan->wanted[OUTPUT_CORRECT] || plan->wanted[OUTPUT_RANK] ||
	       plan->wanted[OUTPUT_ACCURACY] || plan->wanted[OUTPUT_PERPLEXITY] ||
	       plan->wanted[OUTPUT_ECE];
}

/* Whether a row's prediction matters, for want of its rank. */
static inline bool verdict_predicts(const struct loss_plan *plan)
{
	return plan->wanted[OUTPUT_CORRECT] || plan->wanted[OUTPUT_ACCURACY] ||
	       plan->wanted[OUTPUT_ECE];
}

/* Writes and adds up whatever is wanted of row r, whose class is y, or SIZE_MAX where it does not
 * count. Class indices only. */
void verdict_row(const struct loss_plan *plan, const struct row *row, size_t r, size_t y,
		 struct partial *partial);

#endif
