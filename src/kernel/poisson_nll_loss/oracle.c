/* Poisson likelihoods by element in long double. */
#include "kernel/oracle.h"

/* log(x + eps), with what their sum lost: next to 1 it matters. */
static long double log_shifted(long double x, long double eps)
{
	long double u = x + eps, added = u - x;
	long double lost = (x - (u - added)) + (eps - added);
	return isfinite(u) && u > 0 ? logl(u) + lost / u : logl(u);
}

static long double larger(long double a, long double b)
{
	return fmaxl(fabsl(a), fabsl(b));
}

long double oracle_poisson_loss(const struct oracle_element *element,
				const struct oracle_poisson *poisson, long double *largest)
{
	long double x = element->x, t = element->t;
	long double first = poisson->log_input ? expl(x) : x;
	long double second = t * (poisson->log_input ? x : log_shifted(x, poisson->eps));
	long double loss = first - second;
	*largest = larger(first, second);
	if (!poisson->full || t <= 1)
		return loss;
	long double rest = logl(2 * acosl(-1) * t) / 2;
	*largest = fmaxl(*largest, larger(t * logl(t), larger(t, rest)));
	return loss + ((t * logl(t) - t) + rest);
}

long double oracle_poisson_grad(const struct oracle_element *element,
				const struct oracle_poisson *poisson, long double *largest)
{
	long double first = poisson->log_input ? expl(element->x) : 1, second = element->t;
	if (!poisson->log_input)
		second /= element->x + poisson->eps;
	*largest = larger(element->scale * first, element->scale * second);
	return element->scale * (first - second);
}
