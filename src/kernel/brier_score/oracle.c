/* The squared distance of softmax from a one-hot vector, by row in long double. */
#include "kernel/oracle.h"

/* The sum of the other classes' squares. */
static long double squares(const struct oracle_row *row, const struct oracle_softmax *softmax,
			   size_t y)
{
	struct oracle_sum sum = {0};
	for (size_t c = 0; c < row->n; c++) {
		long double p = oracle_prob(row, softmax, c);
		oracle_add(&sum, c == y ? 0 : p * p);
	}
	return oracle_total(&sum);
}

long double oracle_brier_loss(const struct oracle_row *row, const struct oracle_softmax *softmax,
			      size_t y)
{
	long double other = oracle_other_prob(row, softmax, y);
	return softmax->nan ? (long double)NAN : squares(row, softmax, y) + other * other;
}

void oracle_brier_grad(const struct oracle_row *row, const struct oracle_softmax *softmax, size_t y,
		       long double scale, long double *grad, long double *largest)
{
	long double p_y = oracle_prob(row, softmax, y), other = oracle_other_prob(row, softmax, y);
	long double q = squares(row, softmax, y);
	for (size_t c = 0; c < row->n; c++) {
		long double p = oracle_prob(row, softmax, c);
		long double gap = c == y ? -(q + other * other) : (p - q) + p_y * other;
		grad[c] = softmax->nan ? (long double)NAN : scale * 2 * p * gap;
		largest[c] = fabsl(scale * 2 * p) * fmaxl(p, fmaxl(q, p_y * other));
		if (c == y)
			largest[c] = fabsl(grad[c]);
	}
}
