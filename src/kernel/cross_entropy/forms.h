/* Which form of cross entropy a plan's is, and what of its gradients is the same for all logits. */
#ifndef LOSS_KERNEL_CE_FORMS_H
#define LOSS_KERNEL_CE_FORMS_H

#include "../operate.h"

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

/* Whether a gradient is a difference or has a slope, where float exponentials lose too much: of all
 * types with z_loss, of F64 with a softcap. */
static inline bool ce_is_exact(const struct rows *rows)
{
	return rows->plan->args.z_loss > 0.0 || (ce_is_sloped(rows->plan) && rows_are_wide(rows));
}

#endif
