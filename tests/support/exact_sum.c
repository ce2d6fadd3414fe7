#include "exact_sum.h"

#include <math.h>

/* Doubles of growing magnitude that do not overlap, and whose sum is the exact one: no more than
 * the exponents of a double have room for. */
#define MAX_PARTS 64

struct parts {
	double value[MAX_PARTS];
	size_t n;
};

static void add(struct parts *parts, double x)
{
	size_t kept = 0;
	for (size_t i = 0; i < parts->n; i++) {
		double y = parts->value[i];
		double large = fabs(x) < fabs(y) ? y : x, small = fabs(x) < fabs(y) ? x : y;
		double sum = large + small, low = small - (sum - large);
		if (low != 0)
			parts->value[kept++] = low;
		x = sum;
	}
	parts->value[kept] = x;
	parts->n = kept + 1;
}

/* From the largest part down, until something is left over; where that is half a unit, what lies
 * below it decides. */
static double rounded(const struct parts *parts)
{
	size_t i = parts->n - 1;
	double sum = parts->value[i], low = 0;
	while (i > 0 && low == 0) {
		double high = sum, part = parts->value[--i];
		sum = high + part;
		low = part - (sum - high);
	}
	if (i > 0 && low != 0 && (low < 0) == (parts->value[i - 1] < 0)) {
		double twice = 2 * low, next = sum + twice;
		if (next - sum == twice)
			sum = next;
	}
	return sum;
}

double exact_sum(const double *terms, size_t n)
{
	struct parts parts = {.value = {0}, .n = 1};
	double special = 0;
	for (size_t i = 0; i < n; i++) {
		if (isfinite(terms[i]))
			add(&parts, terms[i]);
		else
			special += terms[i];
	}
	return special != 0 ? special : rounded(&parts) + 0.0;
}
