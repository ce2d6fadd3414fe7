/*
 * cross_entropy, in double or better throughout, rounded once. With e = label smoothing, w = class
 * weights, y = the target and t = the target probabilities, of which class indices have only t_y =
 * 1:
 *
 *   t' = (1-e) t + e/C,  b = w t',  A = sum_c b_c
 *   loss = sum_c b_c nll_c,  grad_c = p_c A - b_c
 *
 * nll_c = (m - x_c) + log1p(R) (row.h), so the loss is sum_c b_c (m - x_c) + A log1p(R): two sums
 * of terms that are not negative for non-negative weights. Without smoothing the gradient at an
 * index is -w_y (1 - p_y), of which 1 - p_y comes from the residual. Meaning:
 * torch.nn.functional.cross_entropy.
 *
 * z_loss adds z lse^2 to the loss and 2 z lse p_c to the gradient. All of this is about the
 * transformed logits (transform.h); their slope is the last factor of the gradient.
 */
#include "cross_entropy.h"

#include "../../targets.h"
#include "../kernels.h"

static void evaluate_group(const struct group *group, const struct row_targets *targets,
			   struct partial *partial, struct lane_sums *lanes)
{
	if (ce_is_plain(group->plan))
		ce_evaluate_plain(group, targets, partial, lanes);
	else
		ce_evaluate_smooth(group, partial);
}

/* Whether there is nothing to do but the rows' losses. */
static bool wants_losses_only(const struct loss_plan *plan)
{
	return ce_is_plain(plan) && !ce_has_z_loss(plan) && !plan->wanted[OUTPUT_GRAD] &&
	       !ce_wants_rows(plan);
}

static void evaluate_panel(const struct panel *panel, struct partial *partial,
			   struct lane_sums *lanes)
{
	const struct loss_plan *plan = panel->plan;
	bool simple = wants_losses_only(plan);
	panel_read(panel);
	for (size_t g = 0; g < panel_groups(panel); g++) {
		size_t r = panel->first + g * GROUP_ROWS;
		const struct row_targets *targets = panel->targets ? &panel->targets[g] : NULL;
		if (simple && panel->sums[g].regular) {
			double loss[GROUP_ROWS];
			plan->kernels->losses(&panel->sums[g], targets, loss, lanes);
			ce_put_losses(plan, r, panel_lanes(panel, g), loss);
			continue;
		}
		struct group group;
		group_take(&group, plan, r, panel_lanes(panel, g), &panel->sums[g]);
		evaluate_group(&group, targets, partial, lanes);
	}
}

/* Small problems do not pay for the frame of large ones. */
__attribute__((noinline)) static void
evaluate_many(const struct panel *rows, struct partial *partial, struct lane_sums *lanes)
{
	struct row_group sums[PANEL_GROUPS];
	struct row_targets targets[PANEL_GROUPS];
	struct panel panel = *rows;
	panel.sums = sums;
	panel.targets = ce_is_plain(panel.plan) ? targets : NULL;
	evaluate_panel(&panel, partial, lanes);
}

__attribute__((noinline)) static void evaluate_few(const struct panel *rows,
						   struct partial *partial, struct lane_sums *lanes)
{
	struct row_group sums;
	struct row_targets targets;
	struct panel panel = *rows;
	panel.sums = &sums;
	panel.targets = ce_is_plain(panel.plan) ? &targets : NULL;
	evaluate_panel(&panel, partial, lanes);
}

static void evaluate_one_group(const struct loss_plan *plan, size_t first, size_t n,
			       struct partial *partial, struct lane_sums *lanes)
{
	struct group group;
	struct row_targets targets;
	group_read(&group, plan, first, n);
	if (ce_is_plain(plan)) {
		int64_t y[GROUP_ROWS];
		targets_read(plan, first, n, y);
		for (size_t lane = n; lane < GROUP_ROWS; lane++)
			y[lane] = TARGET_IGNORED;
		row_targets_set(plan, y, &targets);
		ce_read_logits(&group, &targets);
	}
	evaluate_group(&group, &targets, partial, lanes);
}

static void evaluate_groups(const struct loss_plan *plan, size_t first, size_t n,
			    struct partial *partial)
{
	struct lane_sums lanes = {{0}, {0}};
	size_t end = first + n;
	size_t taken;
	for (size_t r = first; r < end; r += taken) {
		taken = panel_takes(plan, r, end - r);
		if (taken > 0) {
			struct panel panel = {.plan = plan, .first = r, .n = taken};
			(taken > GROUP_ROWS ? evaluate_many : evaluate_few)(&panel, partial,
									    &lanes);
			continue;
		}
		taken = end - r < GROUP_ROWS ? end - r : GROUP_ROWS;
		evaluate_one_group(plan, r, taken, partial, &lanes);
	}
	lane_sums_merge(&lanes, n, &partial->loss);
}

void cross_entropy_rows(const struct loss_plan *plan, size_t first, size_t n,
			struct partial *partial)
{
	if (group_takes(plan)) {
		evaluate_groups(plan, first, n, partial);
		return;
	}
	for (size_t r = first; r < first + n; r++) {
		struct row row;
		row_read(&row, plan, r);
		ce_evaluate_row(plan, &row, r, partial);
	}
}
