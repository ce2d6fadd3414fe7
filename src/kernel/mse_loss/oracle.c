/* The square of the distance by element in long double. */
#include "kernel/oracle.h"

long double oracle_mse_loss(const struct oracle_element *element)
{
	long double d = element->x - element->t;
	return element->weight * (d * d);
}

long double oracle_mse_grad(const struct oracle_element *element)
{
	return element->scale * element->weight * 2 * (element->x - element->t);
}
