#include "expect_quantiles.h"

#include <stdlib.h>

static const double fractions[LOSS_N_QUANTILES] = {0,   0.001, 0.01, 0.05,  0.1, 0.5,
						   0.9, 0.95,  0.99, 0.999, 1};

void expect_quantiles_start(const struct expect_problem *problem,
			    struct expect_quantiles *quantiles)
{
	*quantiles = (struct expect_quantiles){
		.low = expect_array(problem, long double, problem->rows),
		.high = expect_array(problem, long double, problem->rows)};
}

/* As a double, of which there are none beyond the largest. */
static long double as_double(long double value)
{
	return fabsl(value) > (long double)DBL_MAX ? copysignl((long double)INFINITY, value)
						   : value;
}

void expect_quantiles_add(struct expect_quantiles *quantiles, const struct expect_row *row)
{
	const struct expect_number *loss = &row->plain;
	long double slack = isfinite(loss->value) ? loss->slack : 0;
	if (!row->counted)
		return;
	quantiles->nan |= isnan(loss->value);
	quantiles->doubt |= isinf(loss->slack);
	quantiles->low[quantiles->n] = as_double(loss->value - slack);
	quantiles->high[quantiles->n++] = as_double(loss->value + slack);
}

static int compare(const void *a, const void *b)
{
	long double x = *(const long double *)a, y = *(const long double *)b;
	return (x > y) - (x < y);
}

static long double quantile(const long double *ordered, size_t n, double fraction)
{
	double at = (double)(n - 1) * fraction;
	size_t i = (size_t)at;
	long double rest = (long double)(at - (double)i), next = rest > 0 ? ordered[i + 1] : 0;
	if (rest == 0)
		return ordered[i];
	if (isinf(next) || isinf(ordered[i]))
		return isinf(next) ? next : ordered[i];
	return ordered[i] * (1 - rest) + next * rest;
}

/* What rounding adds, also where the difference of two losses is too large for a double. */
static struct expect_number number_of(long double low, long double high, long double largest)
{
	struct expect_number number = {(low + high) / 2, (high - low) / 2};
	if (isinf(low) || isinf(high))
		return (struct expect_number){low, low == high ? 0 : (long double)INFINITY};
	number.slack += 4 * 0x1p-53L * largest + 0x1p-1074L;
	if (2 * largest > (long double)DBL_MAX)
		number.slack = (long double)INFINITY;
	return number;
}

static long double largest_of(const struct expect_quantiles *quantiles)
{
	long double largest = 0;
	for (size_t i = 0; i < quantiles->n; i++) {
		if (isfinite(quantiles->low[i]))
			largest = fmaxl(largest, fabsl(quantiles->low[i]));
		if (isfinite(quantiles->high[i]))
			largest = fmaxl(largest, fabsl(quantiles->high[i]));
	}
	return largest;
}

void expect_quantiles_put(struct expect_quantiles *quantiles, struct expect_number *numbers)
{
	size_t n = quantiles->n;
	long double *low = quantiles->low, *high = quantiles->high;
	if (!quantiles->nan) {
		qsort(low, n, sizeof *low, compare);
		qsort(high, n, sizeof *high, compare);
	}
	for (size_t i = 0; i < LOSS_N_QUANTILES; i++) {
		numbers[i] = (struct expect_number){(long double)NAN,
						    quantiles->doubt ? (long double)INFINITY : 0};
		if (n > 0 && !quantiles->nan && !quantiles->doubt)
			numbers[i] =
				number_of(quantile(low, n, fractions[i]),
					  quantile(high, n, fractions[i]), largest_of(quantiles));
	}
}
