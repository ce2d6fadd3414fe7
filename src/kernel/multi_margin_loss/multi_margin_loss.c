/*
 * What the target's score lacks of a margin above each other class's: with
 * z_c = max(0, margin - x_y + x_c), and 0 for y itself,
 *
 *   loss = w_y / C sum_c z_c^p,   grad_c = w_y / C p z_c^(p-1) where z_c > 0,   grad_y = -sum
 * grad_c
 *
 * A z_c that is NaN counts 0, as in PyTorch. Meaning: torch.nn.functional.multi_margin_loss.
 */
#include "../../targets.h"
#include "../classes.h"
#include "../kernels.h"

/* A row that counts. */
struct margin_row {
	const struct loss_plan *plan;
	size_t r, y;
	double target; /* x_y */
};

/* z of n classes from c on. */
static void load_hinges(const struct margin_row *row, size_t c, size_t n, double *z)
{
	double margin = row->plan->args.margin;
	classes_load(row->plan, row->r, c, n, z);
	for (size_t i = 0; i < n; i++) {
		double lost, lost_too;
		double gap = two_sum(z[i], -row->target, &lost);
		double hinge = two_sum(gap, margin, &lost_too);
		double exact = hinge + (lost + lost_too);
		exact = exact == exact ? exact : hinge;
		z[i] = exact > 0.0 ? exact : 0.0;
	}
	if (row->y >= c && row->y - c < n)
		z[row->y - c] = 0.0;
}

/* z^(p-1), where z > 0. */
static void make_slopes(const struct margin_row *row, double *z, size_t n)
{
	for (size_t i = 0; row->plan->args.p == 1 && i < n; i++)
		z[i] = z[i] > 0.0 ? 1.0 : 0.0;
}

/* Sums of z^p, and of its slopes. */
static struct sum sum_row(const struct margin_row *row, struct sum *slopes)
{
	double z[CLASSES_AT_A_TIME], powers[CLASSES_AT_A_TIME];
	struct lane_sums all = {{0}, {0}}, sloped = {{0}, {0}};
	for (size_t c = 0, n; plan_has_class(row->plan, c); c += n) {
		n = classes_left(row->plan, c);
		load_hinges(row, c, n, z);
		for (size_t i = 0; i < n; i++)
			powers[i] = row->plan->args.p == 1 ? z[i] : z[i] * z[i];
		classes_add(&all, powers, n);
		make_slopes(row, z, n);
		if (row->plan->wanted[OUTPUT_GRAD])
			classes_add(&sloped, z, n);
	}
	*slopes = classes_total(&sloped);
	return classes_total(&all);
}

static void write_grad(const struct margin_row *row, struct sum factor, struct sum slopes)
{
	double z[CLASSES_AT_A_TIME];
	for (size_t c = 0, n; plan_has_class(row->plan, c); c += n) {
		n = classes_left(row->plan, c);
		load_hinges(row, c, n, z);
		make_slopes(row, z, n);
		for (size_t i = 0; i < n; i++)
			z[i] = z[i] == 0.0 ? 0.0 : times(z[i], factor);
		if (row->y >= c && row->y - c < n)
			z[row->y - c] = 0.0 - times(sum_value(&slopes), factor);
		classes_store(row->plan, row->r, c, n, z);
	}
}

static double evaluate(const struct margin_row *row)
{
	const struct loss_plan *plan = row->plan;
	double weight = plan_class_weight(plan, row->y);
	struct sum slopes, total = sum_row(row, &slopes);
	struct sum share = quotient(weight, (double)plan->classes, 0.0);
	if (plan->wanted[OUTPUT_GRAD]) {
		struct sum factor = product(share, plan_scale(plan, row->r));
		factor.high *= (double)plan->args.p;
		factor.low *= (double)plan->args.p;
		write_grad(row, factor, slopes);
	}
	return 0.0 + times(sum_value(&total), share);
}

void multi_margin_loss_rows(const struct loss_plan *plan, size_t first, size_t n,
			    struct partial *partial)
{
	const struct loss_tensor *input = &plan->tensors[LOSS_ROLE_INPUT];
	for (size_t r = first; r < first + n; r++) {
		int64_t y;
		double loss = 0.0;
		targets_read(plan, r, 1, &y);
		if (y >= 0) {
			size_t at = plan_row_base(plan, r) + (size_t)y;
			struct margin_row row = {plan, r, (size_t)y, tensor_number(input, at)};
			loss = evaluate(&row);
		} else if (plan->wanted[OUTPUT_GRAD]) {
			classes_fill(plan, r, 0.0);
		}
		plan_put_loss(plan, r, loss, partial);
	}
}
