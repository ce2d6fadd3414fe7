/* A square of small distances, linear in large ones, by element in long double. */
#include "kernel/oracle.h"

long double oracle_huber_loss(const struct oracle_element *element, long double delta,
			      long double *largest)
{
	long double d = element->x - element->t, size = fabsl(d), w = element->weight;
	bool small = size <= delta;
	*largest = fabsl(w * (small ? d * d / 2 : delta * size));
	return w * (small ? d * d / 2 : delta * (size - delta / 2));
}

long double oracle_huber_grad(const struct oracle_element *element, long double delta)
{
	long double d = element->x - element->t, factor = element->scale * element->weight;
	if (isnan(d) || fabsl(d) <= delta)
		return factor * d;
	return factor * (d > 0 ? delta : -delta);
}
