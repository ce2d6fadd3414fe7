/* Sixteen rows of which every class has a coefficient. */
#ifndef LOSS_KERNEL_CE_SMOOTH_H
#define LOSS_KERNEL_CE_SMOOTH_H

#include "../rows.h"

/* Their losses without z_loss, and the gradients that are wanted; y is a class, or 0 beside
 * probabilities, negative where a row does not count. A bit for every lane that it leaves beside
 * the irregular ones. */
unsigned ce_evaluate_smooth(struct rows *rows, const int64_t *y, double *loss);

#endif
