/* The parts of cross_entropy: sixteen rows of class indices, or of a coefficient for every class;
 * and one row in double. */
#ifndef LOSS_KERNEL_CROSS_ENTROPY_H
#define LOSS_KERNEL_CROSS_ENTROPY_H

#include "../operate.h"
#include "../row.h"

/* Class indices without smoothing. */
static inline bool ce_is_plain(const struct loss_plan *plan)
{
	return plan->target_kind == TARGETS_INDICES && !(plan->args.label_smoothing > 0.0);
}

static inline bool ce_has_z_loss(const struct loss_plan *plan)
{
	return plan->args.z_loss > 0.0 || plan->wanted[OUTPUT_Z_LOSS];
}

/* Whether rows that are predicted well are played down; then it is plain. */
static inline bool ce_is_focal(const struct loss_plan *plan)
{
	return plan->args.gamma > 0.0;
}

/* Whether the gradient is multiplied by a slope of its own for every logit. */
static inline bool ce_is_sloped(const struct loss_plan *plan)
{
	return plan->transform.softcap > 0.0;
}

/* What of row r's gradient is the same for all its logits: upstream gradient over divisor and
 * temperature. */
static inline struct sum ce_scale(const struct loss_plan *plan, size_t r)
{
	struct sum scale = plan_scale(plan, r);
	if (plan->transform.on && !ce_is_sloped(plan))
		scale = transform_cool(&plan->transform, scale);
	return scale;
}

/* ---------------------------------------------------------------- gradient.c */

/* Whether a gradient is a difference or has a slope, where float exponentials lose too much: of all
 * types with z_loss, of F64 with a softcap. */
static inline bool ce_is_exact(const struct rows *rows)
{
	return rows->plan->args.z_loss > 0.0 || (ce_is_sloped(rows->plan) && rows_are_wide(rows));
}

/* ce_scale of all lanes. */
void ce_set_scales(const struct rows *rows, struct lane_sums *scales);
/* 2 z lse of the lanes that count, else 0. */
void ce_set_z_pulls(const struct rows *rows, const int64_t *y, struct lane_sums *pulls);
/* Of class indices: the gradients at the targets, exactly there where p_y is close to 1. Sets the
 * targets' p and slope. */
void ce_put_target_grads(const struct work *work, struct target_gradients *gradients);

/* ---------------------------------------------------------------- one_row.c */

/* Loss of row r, of class y or SIZE_MAX with probabilities, with its z_loss apart; writes its
 * gradient where wanted. A row that does not count has gradient 0. */
double ce_evaluate_row(const struct loss_plan *plan, size_t r, size_t y, double *z_loss);
void ce_clear_grad(const struct loss_plan *plan, size_t r);
/* z lse^2 of a row of finite max, where the sum of both parts may cancel. */
double ce_z_loss(const struct loss_plan *plan, struct sum lse);
struct sum ce_exact_lse(double max, struct sum total);

/* ---------------------------------------------------------------- focal.c */

/* Losses and factors of sixteen rows; a bit for every lane that it leaves, which then is not
 * regular any more. */
unsigned ce_evaluate_focal(struct rows *rows, struct focal_lanes *focal);

/* A row's loss without weights, and the factor of its gradient: both from its target's logit less
 * the maximum, and the sum R over all classes but the maximum. */
struct focal_row {
	struct sum loss, factor;
};
struct focal_row ce_focal_row(struct sum gap, struct sum others, double gamma);

/* ---------------------------------------------------------------- plain.c, smooth.c */

/* What is wanted of sixteen rows but for z_loss: the gradients, and of smooth ones the losses as
 * well. A bit for every lane that they leave beside the irregular ones. Plain ones have a factor of
 * their own where they are focal, else NULL. */
unsigned ce_write_plain_grad(struct rows *rows, const struct lane_sums *factor);
unsigned ce_evaluate_smooth(struct rows *rows, const int64_t *y, double *loss);

#endif
