/* The pinball loss by element in long double. */
#include "kernel/oracle.h"

long double oracle_quantile_loss(const struct oracle_element *element, long double q)
{
	long double d = element->x - element->t;
	if (isnan(d))
		return d;
	return d < 0 ? oracle_term(q, -d) : oracle_term(1 - q, d);
}

long double oracle_quantile_grad(const struct oracle_element *element, long double q)
{
	long double d = element->x - element->t;
	if (isnan(d))
		return d;
	return element->scale * (d < 0 ? -q : d > 0 ? 1 - q : 0.5L - q);
}
