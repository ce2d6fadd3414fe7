#include "listed.h"

static size_t count_places(const struct listed *listed, size_t most)
{
	size_t n = 0;
	while (n < most &&
	       !tensor_class_index(listed->classes, listed->first + listed->places[n]).negative)
		n++;
	return n;
}

/* The place of the largest; a NaN is larger than all. */
static size_t find_largest(const struct listed *listed)
{
	size_t best = 0;
	for (size_t k = 1; k < listed->n; k++) {
		double x = listed_log_prob(listed, k), largest = listed_log_prob(listed, best);
		if (x > largest || (x != x && largest == largest))
			best = k;
	}
	return best;
}

/* 1 - exp(x), without cancellation for x near 0. */
static double missing_of(double x)
{
	return fabs(x) < 0.34 ? -(x + exp_tail(x)) : 1.0 - exp_double(x);
}

/* What the largest leaves of 1 is known to all its digits, however near to 1 it is. */
void listed_read(struct listed *listed, const struct loss_plan *plan, size_t r)
{
	struct sum rest = {1.0, 0.0};
	listed->classes = &plan->tensors[LISTED_CLASSES];
	listed->log_probs = &plan->tensors[LISTED_LOG_PROBS];
	listed->first = r * plan->extra;
	listed->places = plan->listed + listed->first;
	listed->n = count_places(listed, plan->extra);
	listed->all = (struct sum){0};
	listed->largest = -HUGE_VAL;
	size_t best = find_largest(listed);
	for (size_t k = 0; k < listed->n; k++) {
		double low, x = listed_log_prob(listed, k), p = exp_parts(x, 0.0, 0, &low);
		struct sum parts = {p, low};
		sum_merge(&listed->all, &parts);
	}
	if (listed->n > 0) {
		listed->largest = listed_log_prob(listed, best);
		rest = sum_from(missing_of(listed->largest));
	}
	for (size_t k = 0; k < listed->n; k++)
		if (k != best)
			sum_add(&rest, -exp_double(listed_log_prob(listed, k)));
	listed->rest = sum_value(&rest);
}
