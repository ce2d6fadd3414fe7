/* Kullback-Leibler divergence by element in long double. */
#include "kernel/oracle.h"

long double oracle_kl_div_loss(const struct oracle_element *element, bool log_target,
			       long double *largest)
{
	long double p = log_target ? expl(element->t) : element->t;
	long double log_p = log_target ? element->t : logl(element->t);
	*largest = 0;
	if (p == 0)
		return 0;
	*largest = fabsl(p) * fmaxl(fabsl(log_p), fabsl(element->x));
	return p * (log_p - element->x);
}

long double oracle_kl_div_grad(const struct oracle_element *element, bool log_target)
{
	return -element->scale * (log_target ? expl(element->t) : element->t);
}
