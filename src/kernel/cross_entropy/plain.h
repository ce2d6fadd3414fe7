/* Gradients of sixteen rows of class indices without smoothing. */
#ifndef LOSS_KERNEL_CE_PLAIN_H
#define LOSS_KERNEL_CE_PLAIN_H

#include "../rows.h"

/* All but the gradients at what it leaves: a bit for every such lane beside the irregular ones.
 * Where rows have a factor of their own, p - e_y is multiplied by it; else it is NULL. */
unsigned ce_write_plain_grad(struct rows *rows, const struct lane_sums *factor);

#endif
