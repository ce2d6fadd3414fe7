/* Gaussian likelihoods by element in long double. */
#include "kernel/oracle.h"

/* NaN stays. */
static long double variance(const struct oracle_gaussian *gaussian)
{
	return gaussian->var < gaussian->eps ? gaussian->eps : gaussian->var;
}

long double oracle_gaussian_loss(const struct oracle_element *element,
				 const struct oracle_gaussian *gaussian, long double *largest)
{
	long double d = element->x - element->t, v = variance(gaussian);
	long double log = logl(v) / 2, ratio = d * d / v / 2;
	long double constant = gaussian->full ? logl(2 * acosl(-1)) / 2 : 0;
	*largest = fmaxl(constant, fmaxl(fabsl(log), fabsl(ratio)));
	return (log + ratio) + constant;
}

long double oracle_gaussian_grad(const struct oracle_element *element,
				 const struct oracle_gaussian *gaussian)
{
	return element->scale * ((element->x - element->t) / variance(gaussian));
}
