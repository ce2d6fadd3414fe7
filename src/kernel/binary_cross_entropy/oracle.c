/* Binary cross entropy of probabilities in long double, logarithms at least -100. */
#include "kernel/oracle.h"

long double oracle_probs_bce_loss(const struct oracle_element *element)
{
	long double log_x = fmaxl(logl(element->x), -100);
	long double log_other = fmaxl(log1pl(-element->x), -100);
	return -element->weight * (element->t * log_x + (1 - element->t) * log_other);
}

long double oracle_probs_bce_grad(const struct oracle_element *element)
{
	long double slope = fmaxl(element->x * (1 - element->x), (long double)1e-12);
	return element->scale * element->weight * (element->x - element->t) / slope;
}
