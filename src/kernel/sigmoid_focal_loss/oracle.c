/* Focal loss in long double: the power of its formula, and both terms of the gradient. */
#include "kernel/oracle.h"

static long double softplus(long double x)
{
	return x > 0 ? x + log1pl(expl(-x)) : log1pl(expl(x));
}

static long double sigmoid(long double x)
{
	return x > 0 ? 1 / (1 + expl(-x)) : expl(x) / (1 + expl(x));
}

static long double alpha_of(const struct oracle_element *element, long double alpha)
{
	return alpha < 0 ? 1 : alpha * element->t + (1 - alpha) * (1 - element->t);
}

/* t sigmoid(-x) + (1 - t) sigmoid(x) */
static long double missed(const struct oracle_element *element)
{
	return element->t * sigmoid(-element->x) + (1 - element->t) * sigmoid(element->x);
}

static long double bce(const struct oracle_element *element)
{
	return oracle_term(1 - element->t, softplus(element->x)) +
	       oracle_term(element->t, softplus(-element->x));
}

long double oracle_focal_factor(const struct oracle_element *element, long double alpha,
				long double gamma)
{
	return alpha_of(element, alpha) * powl(missed(element), gamma);
}

long double oracle_focal_loss(const struct oracle_element *element, long double alpha,
			      long double gamma)
{
	long double a = alpha_of(element, alpha), q = missed(element), loss = bce(element);
	if (isnan(element->x))
		return (long double)NAN;
	/* a power that underflows is not 0 */
	if (isinf(loss) && a != 0 && q > 0)
		return a * loss;
	return oracle_term(oracle_focal_factor(element, alpha, gamma), loss);
}

long double oracle_focal_grad(const struct oracle_element *element, long double alpha,
			      long double gamma, long double *largest)
{
	long double factor = alpha_of(element, alpha) * element->scale;
	long double p = sigmoid(element->x), other = sigmoid(-element->x);
	long double q = missed(element);
	long double gap = (1 - element->t) * p - element->t * other; /* p - t */
	long double first = factor * powl(q, gamma) * gap;
	long double slope = gamma * (2 * element->t - 1) * p * other;
	long double second = slope == 0 ? 0 : factor * powl(q, gamma - 1) * slope * bce(element);
	*largest = fmaxl(fabsl(first), fabsl(second));
	return first - second;
}
