/*
 * What rows' predictions are worth beside their targets: the outputs correct and rank, and what
 * accuracy, perplexity and ece are made of.
 */
#ifndef LOSS_KERNEL_PREDICTION_H
#define LOSS_KERNEL_PREDICTION_H

#include "row.h"
#include "rows.h"

/* Writes and adds up whatever is wanted of rows of class indices. */
void predictions_write(struct rows *rows, struct partial *partial);

#endif
