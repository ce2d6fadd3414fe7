/* The outputs that do not look at targets: log_probs, probs, lse, entropy, predicted. */
#ifndef LOSS_KERNEL_OUTPUTS_H
#define LOSS_KERNEL_OUTPUTS_H

#include "rows.h"

/* Writes what is wanted of them. */
void outputs_write(struct rows *rows);

#endif
