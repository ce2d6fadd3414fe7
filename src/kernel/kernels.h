/* The kernels, one folder each. Every one is a loss_rows_fn (problem.h): it trusts its plan and
 * cannot fail. */
#ifndef LOSS_KERNELS_H
#define LOSS_KERNELS_H

#include "../plan.h"

loss_rows_fn cross_entropy_rows;
loss_rows_fn nll_loss_rows;
loss_rows_fn log_softmax_rows;
loss_rows_fn softmax_rows;
loss_rows_fn binary_cross_entropy_with_logits_rows;
loss_rows_fn binary_cross_entropy_rows;
loss_rows_fn kl_div_rows;
loss_rows_fn sigmoid_focal_loss_rows;
loss_rows_fn policy_gradient_rows;
loss_rows_fn divergence_rows;

#endif
