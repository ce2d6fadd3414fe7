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
loss_rows_fn mse_loss_rows;
loss_rows_fn l1_loss_rows;
loss_rows_fn smooth_l1_loss_rows;
loss_rows_fn huber_loss_rows;
loss_rows_fn poisson_nll_loss_rows;
loss_rows_fn gaussian_nll_loss_rows;
loss_rows_fn quantile_loss_rows;
loss_rows_fn multi_margin_loss_rows;
loss_rows_fn multilabel_soft_margin_loss_rows;
loss_rows_fn brier_score_rows;

#endif
