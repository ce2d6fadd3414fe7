/* The mean of a row's binary cross entropies, in long double. */
#include "kernel/oracle.h"

long double oracle_multilabel_loss(const struct oracle_element *elements, size_t n)
{
	struct oracle_sum sum = {0};
	for (size_t c = 0; c < n; c++)
		oracle_add(&sum, oracle_bce_loss(&elements[c]));
	return oracle_total(&sum) / (long double)n;
}
