/* One row in double: what the vector kernels leave. */
#ifndef LOSS_KERNEL_CE_ONE_ROW_H
#define LOSS_KERNEL_CE_ONE_ROW_H

#include "../row.h"

/* Loss of row r, of class y or SIZE_MAX with probabilities, with its z_loss apart; writes its
 * gradient where wanted. A row that does not count has gradient 0. */
double ce_evaluate_row(const struct loss_plan *plan, size_t r, size_t y, double *z_loss);
void ce_clear_grad(const struct loss_plan *plan, size_t r);
/* Of class y, without smoothing: the gradient of row r that is a factor times p - e_y. */
void ce_write_row_grad(const struct loss_plan *plan, const struct row *row, size_t r, size_t y,
		       struct sum factor);
/* z lse^2 of a row of finite max, where the sum of both parts may cancel. */
double ce_z_loss(const struct loss_plan *plan, struct sum lse);
struct sum ce_exact_lse(double max, struct sum total);

#endif
