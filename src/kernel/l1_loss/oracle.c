/* The distance by element in long double. */
#include "kernel/oracle.h"

long double oracle_l1_loss(const struct oracle_element *element)
{
	return element->weight * fabsl(element->x - element->t);
}

/* The sign of a NaN is 0, as PyTorch has it. */
long double oracle_l1_grad(const struct oracle_element *element)
{
	long double d = element->x - element->t;
	return element->scale * element->weight * (d > 0 ? 1 : d < 0 ? -1 : 0);
}
