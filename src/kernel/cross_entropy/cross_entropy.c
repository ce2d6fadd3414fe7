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
#include "../../targets.h"
#include "../group.h"
#include "../kernels.h"
#include "verdict.h"

/* What the coefficients b_c of a row are made of. */
struct coefficients {
	const struct loss_plan *plan;
	const struct row *row;
	size_t y;             /* class indices: the target; SIZE_MAX for probabilities */
	struct sum kept;      /* 1 - e */
	struct sum per_class; /* e / C */
};

static bool has_probabilities(const struct coefficients *k)
{
	return k->y == SIZE_MAX;
}

static struct coefficients coefficients_of(const struct loss_plan *plan, const struct row *row,
					   size_t y)
{
	double smoothing = plan->args.label_smoothing;
	struct coefficients k = {.plan = plan, .row = row, .y = y};
	k.kept.high = two_sum(1.0, -smoothing, &k.kept.low);
	k.per_class = quotient(smoothing, (double)plan->classes, 0.0);
	return k;
}

static struct sum coefficient(const struct coefficients *k, size_t c)
{
	const struct loss_tensor *targets = &k->plan->tensors[LOSS_ROLE_TARGETS];
	size_t next = k->plan->shift_rows ? k->row->classes : 0;
	double t = has_probabilities(k) ? tensor_number(targets, row_index(k->row, c) + next)
					: (double)(c == k->y);
	struct sum smoothed = product(k->kept, sum_from(t));
	sum_merge(&smoothed, &k->per_class);
	return product(smoothed, sum_from(plan_class_weight(k->plan, c)));
}

/* sum_c b_c nll_c, and A. */
static double weighted_loss(const struct coefficients *k, struct sum *coefficient_sum)
{
	const struct row *row = k->row;
	struct sum gaps = {0};
	*coefficient_sum = (struct sum){0};
	for (size_t c = 0; c < row->classes; c++) {
		struct sum b = coefficient(k, c);
		sum_add(&gaps, row_weighted_gap(row, c, sum_value(&b)));
		sum_merge(coefficient_sum, &b);
	}
	return sum_value(&gaps) + row_weighted_tail(row, sum_value(coefficient_sum));
}

/* Class indices without smoothing. */
static double index_loss(const struct row *row, size_t y, double weight)
{
	return row_weighted_gap(row, y, weight) + row_weighted_tail(row, weight);
}

/* Where m and log1p(R) cancel, F64's loss needs digits of it that a double does not hold. */
static struct sum lse_of(const struct row *row)
{
	if (row->input->dtype != LOSS_F64)
		return row_lse(row);
	return plus(sum_from(row->max), log_parts((struct sum){row->total, row->total_low}));
}

/* z lse^2, NaN for an invalid row. */
static double z_loss_of(const struct loss_plan *plan, const struct row *row)
{
	if (row->invalid)
		return (double)NAN;
	struct sum lse = lse_of(row);
	/* In this order: lse^2 alone may overflow. */
	struct sum z_loss = product(product(sum_from(plan->args.z_loss), lse), lse);
	return sum_value(&z_loss);
}

/* What the slope with respect to u_c is multiplied by: scale du_c/dx_c. */
static struct sum scale_at(const struct row *row, size_t c, struct sum scale)
{
	if (!row->transform)
		return scale;
	return product(scale, transform_slope(row->transform, row_given_logit(row, c)));
}

/* grad + 2 z lse p_c scale: what z_loss adds to a gradient. */
static double add_z_grad(const struct coefficients *k, size_t c, struct sum scale, double grad)
{
	double z = k->plan->args.z_loss;
	struct sum p = z > 0.0 ? row_prob_parts(k->row, c) : (struct sum){0};
	if (p.high == 0.0)
		return grad;
	/* In this order: 2 lse alone may overflow. */
	struct sum term = product(product(product(p, sum_from(z)), scale), row_lse(k->row));
	return grad + 2.0 * sum_value(&term);
}

static void fill_grad(const struct row *row, const struct loss_tensor *grad, double value)
{
	for (size_t c = 0; c < row->classes; c++)
		tensor_put(grad, row_index(row, c), value);
}

static void write_smooth_grad(const struct coefficients *k, const struct sum *coefficient_sum,
			      size_t r)
{
	const struct row *row = k->row;
	const struct loss_tensor *grad = &k->plan->outputs[OUTPUT_GRAD];
	struct sum scale = plan_scale(k->plan, r);
	/* p A may be larger than each of the terms it stands for: it takes more than a double. */
	for (size_t c = 0; c < row->classes; c++) {
		struct sum at = scale_at(row, c, scale);
		double slope = difference(product(row_prob_parts(row, c), *coefficient_sum),
					  coefficient(k, c));
		tensor_put(grad, row_index(row, c), add_z_grad(k, c, at, times(slope, at)));
	}
}

/* The gradient at class c of class indices without smoothing. */
static double index_grad(const struct coefficients *k, size_t c, struct sum scale)
{
	const struct row *row = k->row;
	double p = c == k->y ? 0.0 - row_other_probs(row, c) : row_prob(row, c);
	double factor = times(plan_class_weight(k->plan, k->y), scale);
	return add_z_grad(k, c, scale, p * factor);
}

static void write_index_grad(const struct coefficients *k, size_t r)
{
	const struct row *row = k->row;
	struct sum scale = plan_scale(k->plan, r);
	for (size_t c = 0; c < row->classes; c++)
		tensor_put(&k->plan->outputs[OUTPUT_GRAD], row_index(row, c),
			   index_grad(k, c, scale_at(row, c, scale)));
}

/* Loss of a row that counts; writes its gradient where wanted. */
static double evaluate(const struct coefficients *k, size_t r)
{
	const struct loss_plan *plan = k->plan;
	const struct row *row = k->row;
	bool grad = plan->wanted[OUTPUT_GRAD];
	if (row->invalid) {
		if (grad)
			fill_grad(row, &plan->outputs[OUTPUT_GRAD], (double)NAN);
		return (double)NAN;
	}
	if (!has_probabilities(k) && plan->args.label_smoothing == 0.0) {
		if (grad)
			write_index_grad(k, r);
		return index_loss(row, k->y, plan_class_weight(plan, k->y));
	}
	struct sum coefficient_sum;
	double loss = weighted_loss(k, &coefficient_sum);
	if (grad)
		write_smooth_grad(k, &coefficient_sum, r);
	return loss;
}

/* Row r's z_loss: added up and written. */
static void note_z_loss(const struct loss_plan *plan, size_t r, double z_loss,
			struct partial *partial)
{
	sum_add(&partial->z_loss, z_loss);
	if (plan->wanted[OUTPUT_Z_LOSS] && plan->reduction == REDUCTION_NONE)
		tensor_put(&plan->outputs[OUTPUT_Z_LOSS], r, z_loss);
}

/* What is wanted of a row beside its loss and gradient; y is SIZE_MAX where it does not count. */
static void write_row(const struct loss_plan *plan, const struct row *row, size_t r, size_t y,
		      struct partial *partial)
{
	if (plan->target_kind == TARGETS_INDICES && verdict_wanted(plan))
		verdict_row(plan, row, r, y, partial);
	row_write_outputs(row, plan, r);
}

/* One row, with everything that may be asked of it. */
static void evaluate_row(const struct loss_plan *plan, const struct row *row, size_t r,
			 struct partial *partial)
{
	size_t y = SIZE_MAX;
	bool counts = plan->target_kind == TARGETS_PROBABILITIES ? !plan_is_last(plan, r)
								 : plan_target(plan, r, &y);
	double loss = 0.0;
	double z_loss = 0.0;
	if (counts) {
		struct coefficients k = coefficients_of(plan, row, y);
		loss = evaluate(&k, r);
		z_loss = z_loss_of(plan, row);
	} else if (plan->wanted[OUTPUT_GRAD]) {
		fill_grad(row, &plan->outputs[OUTPUT_GRAD], 0.0);
	}
	plan_put_loss(plan, r, loss + z_loss, partial);
	note_z_loss(plan, r, z_loss, partial);
	write_row(plan, row, r, y, partial);
}

/* ---------------------------------------------------------------- sixteen rows at a time */

/* Class indices without smoothing: loss and gradient come from the vector kernels. */
static bool is_plain(const struct loss_plan *plan)
{
	return plan->target_kind == TARGETS_INDICES && !(plan->args.label_smoothing > 0.0);
}

static bool has_z_loss(const struct loss_plan *plan)
{
	return plan->args.z_loss > 0.0 || plan->wanted[OUTPUT_Z_LOSS];
}

static double lane_weight(const struct row_targets *targets, size_t lane)
{
	return targets->weighted ? targets->weight[lane] : 1.0;
}

/* The rows' weights and where their targets are; the logits follow. */
static void read_targets(const struct group *group, struct row_targets *targets)
{
	const struct loss_plan *plan = group->plan;
	targets_read(plan, group->first, group->n, targets->y);
	for (size_t lane = group->n; lane < GROUP_ROWS; lane++)
		targets->y[lane] = TARGET_IGNORED;
	targets->weighted = plan->present[LOSS_ROLE_WEIGHT];
	for (size_t lane = 0; targets->weighted && lane < GROUP_ROWS; lane++) {
		bool counts = targets->y[lane] >= 0;
		targets->weight[lane] =
			counts ? plan_class_weight(plan, (size_t)targets->y[lane]) : 0.0;
	}
}

static size_t target_class(const struct row_targets *targets, size_t lane)
{
	return targets->y[lane] < 0 ? 0 : (size_t)targets->y[lane];
}

static void read_target_logits(const struct group *group, struct row_targets *targets)
{
	for (size_t lane = 0; lane < GROUP_ROWS; lane++)
		targets->logit[lane] = group_logit(group, lane, target_class(targets, lane));
}

/* The same for the group at row i of a panel. */
static void read_panel_logits(const struct panel *panel, size_t i, struct row_targets *targets)
{
	for (size_t lane = 0; lane < GROUP_ROWS; lane++) {
		size_t y = target_class(targets, lane);
		targets->logit[lane] = (double)panel->x[y * panel->stride + i + lane];
	}
}

/* Lanes that the vector kernels can not finish, and their sums. */
static void irregular_losses(const struct group *group, const struct row_targets *targets,
			     double *loss, struct lane_sums *sums)
{
	for (size_t lane = 0; lane < group->n; lane++) {
		struct row row;
		loss[lane] = 0.0;
		if (targets->y[lane] < 0)
			continue;
		group_row(group, lane, &row);
		loss[lane] = row.invalid ? (double)NAN
					 : index_loss(&row, (size_t)targets->y[lane],
						      lane_weight(targets, lane));
		lane_sums_add(sums, lane, loss[lane]);
	}
}

/* At the target the gradient is -(1 - p_y) times factor: the one place where p - 1 would cancel. */
static void write_target_grad(const struct group *group, const struct row_targets *targets,
			      size_t lane, double factor)
{
	const struct loss_plan *plan = group->plan;
	size_t y = (size_t)targets->y[lane];
	struct row row;
	group_row(group, lane, &row);
	bool scales = group_scales(group, lane, factor / row.total);
	if (scales && !(plan->args.z_loss > 0.0)) {
		tensor_put(&plan->outputs[OUTPUT_GRAD], row_index(&row, y),
			   (0.0 - row_other_probs(&row, y)) * factor);
		return;
	}
	struct coefficients k = coefficients_of(plan, &row, y);
	if (scales)
		tensor_put(&plan->outputs[OUTPUT_GRAD], row_index(&row, y),
			   index_grad(&k, y, plan_scale(plan, group->first + lane)));
	else
		evaluate(&k, group->first + lane);
}

/* p_c is multiplied by this, c not the target. */
static double lane_factor(const struct group *group, const struct row_targets *targets, size_t lane)
{
	const struct loss_plan *plan = group->plan;
	struct sum scale = plan_scale(plan, group->first + lane);
	if (!(plan->args.z_loss > 0.0))
		return times(lane_weight(targets, lane), scale);
	struct row row;
	group_row(group, lane, &row);
	struct sum pull = product(sum_from(2.0 * plan->args.z_loss), row_lse(&row));
	return times(plus(sum_from(lane_weight(targets, lane)), pull).high, scale);
}

static void write_plain_grad(const struct group *group, const struct row_targets *targets)
{
	const struct loss_plan *plan = group->plan;
	double factor[GROUP_ROWS] = {0};
	double scale[GROUP_ROWS] = {0};
	for (size_t lane = 0; lane < group->n; lane++) {
		if (targets->y[lane] < 0)
			continue;
		factor[lane] = lane_factor(group, targets, lane);
		scale[lane] = factor[lane] / (1.0 + group->sums.residual[lane]);
	}
	group_scale(group, scale, &plan->outputs[OUTPUT_GRAD]);
	for (size_t lane = 0; lane < group->n; lane++)
		if (targets->y[lane] >= 0)
			write_target_grad(group, targets, lane, factor[lane]);
}

/* Whether anything is asked for beyond the loss and its gradient. */
static bool wants_rows(const struct loss_plan *plan)
{
	return plan->n_outputs > (size_t)plan->wanted[OUTPUT_LOSS] + plan->wanted[OUTPUT_GRAD];
}

static void write_other_outputs(const struct group *group, const struct row_targets *targets,
				struct partial *partial)
{
	for (size_t lane = 0; lane < group->n; lane++) {
		struct row row;
		group_row(group, lane, &row);
		size_t y = targets->y[lane] < 0 ? SIZE_MAX : (size_t)targets->y[lane];
		write_row(group->plan, &row, group->first + lane, y, partial);
	}
}

/* The part that z_loss adds to each lane's loss, and to the sums. */
static void add_z_losses(const struct group *group, const struct row_targets *targets, double *loss,
			 struct lane_sums *lanes, struct partial *partial)
{
	for (size_t lane = 0; lane < group->n; lane++) {
		double z_loss = 0.0;
		if (targets->y[lane] >= 0) {
			struct row row;
			group_row(group, lane, &row);
			z_loss = z_loss_of(group->plan, &row);
			loss[lane] += z_loss;
			lane_sums_add(lanes, lane, z_loss);
		}
		note_z_loss(group->plan, group->first + lane, z_loss, partial);
	}
}

static void evaluate_plain(const struct group *group, const struct row_targets *targets,
			   struct partial *partial, struct lane_sums *lanes)
{
	const struct loss_plan *plan = group->plan;
	double loss[GROUP_ROWS];
	if (group->sums.regular)
		plan->kernels->losses(&group->sums, targets, loss, lanes);
	else
		irregular_losses(group, targets, loss, lanes);
	if (has_z_loss(plan))
		add_z_losses(group, targets, loss, lanes, partial);
	if (plan->wanted[OUTPUT_LOSS] && plan->reduction == REDUCTION_NONE)
		for (size_t lane = 0; lane < group->n; lane++)
			tensor_put(&plan->outputs[OUTPUT_LOSS], group->first + lane, loss[lane]);
	if (plan->wanted[OUTPUT_GRAD])
		write_plain_grad(group, targets);
	if (wants_rows(plan))
		write_other_outputs(group, targets, partial);
}

static void evaluate_rows(const struct group *group, struct partial *partial)
{
	for (size_t lane = 0; lane < group->n; lane++) {
		struct row row;
		group_row(group, lane, &row);
		evaluate_row(group->plan, &row, group->first + lane, partial);
	}
}

static void evaluate_group(const struct group *group, const struct row_targets *targets,
			   struct partial *partial, struct lane_sums *lanes)
{
	if (is_plain(group->plan))
		evaluate_plain(group, targets, partial, lanes);
	else
		evaluate_rows(group, partial);
}

/* Each step for all groups of the panel before the next: what has just been stored in parts can not
 * be loaded whole for a while. */
static void evaluate_panel(const struct loss_plan *plan, const struct panel *panel,
			   struct partial *partial, struct lane_sums *lanes)
{
	struct group groups[PANEL_GROUPS];
	struct row_targets targets[PANEL_GROUPS];
	size_t n = (panel->n + GROUP_ROWS - 1) / GROUP_ROWS;
	panel_sum(panel, plan, groups);
	for (size_t i = 0; i < n; i++) {
		group_finish(&groups[i]);
		if (!is_plain(plan))
			continue;
		read_targets(&groups[i], &targets[i]);
		read_panel_logits(panel, i * GROUP_ROWS, &targets[i]);
	}
	for (size_t i = 0; i < n; i++)
		evaluate_group(&groups[i], &targets[i], partial, lanes);
}

/* Returns how many of the n rows panels have not taken. A panel is too large for a frame that small
 * problems share. */
__attribute__((noinline)) static size_t evaluate_panels(const struct loss_plan *plan, size_t first,
							size_t n, struct partial *partial,
							struct lane_sums *lanes)
{
	struct panel panel;
	for (size_t taken = 0; taken < n; taken += panel.n) {
		panel_read(&panel, plan, first + taken, n - taken);
		if (panel.n == 0)
			return n - taken;
		evaluate_panel(plan, &panel, partial, lanes);
	}
	return 0;
}

static void evaluate_groups(const struct loss_plan *plan, size_t first, size_t n,
			    struct partial *partial)
{
	struct lane_sums lanes = {{0}, {0}};
	size_t end = first + n;
	size_t left = n;
	if (n >= GROUP_ROWS && panel_takes(plan))
		left = evaluate_panels(plan, first, n, partial, &lanes);
	for (size_t r = end - left; r < end; r += GROUP_ROWS) {
		struct group group;
		struct row_targets targets;
		group_read(&group, plan, r, end - r < GROUP_ROWS ? end - r : GROUP_ROWS);
		if (is_plain(plan)) {
			read_targets(&group, &targets);
			read_target_logits(&group, &targets);
		}
		evaluate_group(&group, &targets, partial, &lanes);
	}
	lane_sums_merge(&lanes, &partial->loss);
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
		evaluate_row(plan, &row, r, partial);
	}
}
