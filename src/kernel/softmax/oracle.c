/* Softmax, log-sum-exp and their gradients in long double: the oracle's foundation. */
#include "kernel/oracle.h"

/* exp(a - b) with the rounding error of the subtraction carried along; b is finite. */
static long double exp_difference(long double a, long double b)
{
	long double difference = a - b;
	if (!isfinite(difference))
		return expl(difference);
	long double minus_b = difference - a;
	long double error = (a - (difference - minus_b)) - (b + minus_b);
	return expl(difference) * (1 + error);
}

static size_t find_predicted(const struct oracle_row *row)
{
	size_t best = 0;
	for (size_t c = 0; c < row->n; c++) {
		if (isnan(row->x[c]))
			return c;
		if (row->x[c] > row->x[best])
			best = c;
	}
	return best;
}

struct oracle_softmax oracle_softmax_row(const struct oracle_row *row)
{
	size_t best = find_predicted(row);
	struct oracle_softmax softmax = {.predicted = best, .max = row->x[best]};
	if (!isfinite(softmax.max)) {
		softmax.nan = true;
		softmax.residual = softmax.tail = softmax.lse = (long double)NAN;
		return softmax;
	}
	struct oracle_sum residual = {0};
	for (size_t c = 0; c < row->n; c++)
		if (c != best)
			oracle_add(&residual, exp_difference(row->x[c], softmax.max));
	softmax.residual = oracle_total(&residual);
	softmax.tail = log1pl(softmax.residual);
	softmax.lse = softmax.max + softmax.tail;
	return softmax;
}

long double oracle_surprise(const struct oracle_row *row, const struct oracle_softmax *softmax,
			    size_t c)
{
	if (softmax->nan)
		return (long double)NAN;
	if (isinf(row->x[c]))
		return (long double)INFINITY;
	struct oracle_sum sum = {0};
	oracle_add(&sum, softmax->max);
	oracle_add(&sum, -row->x[c]);
	oracle_add(&sum, softmax->tail);
	return oracle_total(&sum);
}

long double oracle_prob(const struct oracle_row *row, const struct oracle_softmax *softmax,
			size_t c)
{
	if (softmax->nan)
		return (long double)NAN;
	return exp_difference(row->x[c], softmax->max) / (1 + softmax->residual);
}

long double oracle_other_prob(const struct oracle_row *row, const struct oracle_softmax *softmax,
			      size_t c)
{
	if (softmax->nan)
		return (long double)NAN;
	if (c == softmax->predicted)
		return softmax->residual / (1 + softmax->residual);
	struct oracle_sum others = {0};
	for (size_t k = 0; k < row->n; k++)
		if (k != c)
			oracle_add(&others, exp_difference(row->x[k], softmax->max));
	return oracle_total(&others) / (1 + softmax->residual);
}

long double oracle_entropy(const struct oracle_row *row)
{
	struct oracle_softmax softmax = oracle_softmax_row(row);
	if (softmax.nan)
		return (long double)NAN;
	struct oracle_sum entropy = {0};
	for (size_t c = 0; c < row->n; c++) {
		long double p = oracle_prob(row, &softmax, c);
		oracle_add(&entropy, oracle_term(p, oracle_surprise(row, &softmax, c)));
	}
	return oracle_total(&entropy);
}

void oracle_log_softmax_grad(const struct oracle_row *row, const long double *g, long double *grad,
			     long double *largest)
{
	struct oracle_softmax softmax = oracle_softmax_row(row);
	struct oracle_sum sum = {0}, magnitude = {0};
	for (size_t c = 0; c < row->n; c++) {
		oracle_add(&sum, g[c]);
		oracle_add(&magnitude, fabsl(g[c]));
	}
	for (size_t c = 0; c < row->n; c++) {
		long double p = oracle_prob(row, &softmax, c);
		grad[c] = g[c] - p * oracle_total(&sum);
		largest[c] = fmaxl(fabsl(g[c]), p * oracle_total(&magnitude));
	}
}

void oracle_softmax_grad(const struct oracle_row *row, const long double *g, long double *grad,
			 long double *largest)
{
	struct oracle_softmax softmax = oracle_softmax_row(row);
	struct oracle_sum sum = {0}, magnitude = {0};
	for (size_t c = 0; c < row->n; c++) {
		long double p = oracle_prob(row, &softmax, c);
		oracle_add(&sum, p * g[c]);
		oracle_add(&magnitude, p * fabsl(g[c]));
	}
	for (size_t c = 0; c < row->n; c++) {
		long double p = oracle_prob(row, &softmax, c);
		grad[c] = p * (g[c] - oracle_total(&sum));
		largest[c] = p * fmaxl(fabsl(g[c]), oracle_total(&magnitude));
	}
}
