/*
 * What rows' predictions are worth beside their targets: the outputs correct and rank, and what
 * accuracy, perplexity and ece are made of.
 */
#ifndef LOSS_KERNEL_PREDICTION_H
#define LOSS_KERNEL_PREDICTION_H

#include "row.h"
#include "rows.h"

static inline bool predictions_wanted(const struct loss_plan *plan)
{
	return plan->wanted[OUTPUT_CORRECT] || plan->wanted[OUTPUT_RANK] ||
	       plan->wanted[OUTPUT_ACCURACY] || plan->wanted[OUTPUT_TOPK_ACCURACY] ||
	       plan->wanted[OUTPUT_PERPLEXITY] || plan->wanted[OUTPUT_ECE];
}

/* Writes and adds up whatever is wanted of rows of class indices. */
void predictions_write(struct rows *rows, struct partial *partial);

#endif
