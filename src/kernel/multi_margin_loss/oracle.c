/* What the target's score lacks of a margin, by row in long double. */
#include "kernel/oracle.h"

/* max(0, margin - x_y + x_c); NaN counts 0. */
static long double hinge(const struct oracle_row *row, const struct oracle_margin *target, size_t c)
{
	struct oracle_sum sum = {0};
	oracle_add(&sum, row->x[c]);
	oracle_add(&sum, -row->x[target->y]);
	oracle_add(&sum, target->margin);
	long double z = oracle_total(&sum);
	return c != target->y && z > 0 ? z : 0;
}

long double oracle_margin_loss(const struct oracle_row *row, const struct oracle_margin *target)
{
	struct oracle_sum sum = {0};
	for (size_t c = 0; c < row->n; c++) {
		long double z = hinge(row, target, c);
		oracle_add(&sum, target->p == 1 ? z : z * z);
	}
	return target->weight * oracle_total(&sum) / (long double)row->n;
}

void oracle_margin_grad(const struct oracle_row *row, const struct oracle_margin *target,
			long double *grad)
{
	struct oracle_sum sum = {0};
	long double factor = target->scale * target->weight * target->p / (long double)row->n;
	for (size_t c = 0; c < row->n; c++) {
		long double z = hinge(row, target, c);
		long double slope = z > 0 && target->p == 1 ? 1 : z;
		grad[c] = slope == 0 ? 0 : factor * slope;
		oracle_add(&sum, slope);
	}
	grad[target->y] = -factor * oracle_total(&sum);
}
