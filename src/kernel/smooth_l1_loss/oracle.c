/* A square of small distances, the distance itself where it is large, by element in long double. */
#include "kernel/oracle.h"

long double oracle_smooth_l1_loss(const struct oracle_element *element, long double beta,
				  long double *largest)
{
	long double d = element->x - element->t, size = fabsl(d);
	*largest = size < beta ? d * d / (2 * beta) : size;
	return size < beta ? d * d / (2 * beta) : size - beta / 2;
}

/* The sign of a NaN is 0 where beta is, as PyTorch has it. */
long double oracle_smooth_l1_grad(const struct oracle_element *element, long double beta)
{
	long double d = element->x - element->t;
	if (isnan(d))
		return beta == 0 ? element->scale * 0 : d;
	if (fabsl(d) < beta)
		return element->scale * (d / beta);
	return element->scale * (d > 0 ? 1 : d < 0 ? -1 : 0);
}
