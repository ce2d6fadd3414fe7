/* What gradients of sixteen rows are made of. */
#ifndef LOSS_KERNEL_CE_GRADIENT_H
#define LOSS_KERNEL_CE_GRADIENT_H

#include "../operate.h"

/* ce_scale of all lanes. */
void ce_set_scales(const struct rows *rows, struct lane_sums *scales);
/* 2 z lse of the lanes that count, else 0. */
void ce_set_z_pulls(const struct rows *rows, const int64_t *y, struct lane_sums *pulls);
/* Of class indices: the gradients at the targets, exactly there where p_y is close to 1. Sets the
 * targets' p and slope. */
void ce_put_target_grads(const struct work *work, struct target_gradients *gradients);

#endif
