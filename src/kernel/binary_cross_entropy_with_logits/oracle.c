/* Binary cross entropy of logits in long double: softplus and sigmoid, each in its stable half. */
#include "kernel/oracle.h"

static long double softplus(long double x)
{
	return x > 0 ? x + log1pl(expl(-x)) : log1pl(expl(x));
}

static long double sigmoid(long double x)
{
	return x > 0 ? 1 / (1 + expl(-x)) : expl(x) / (1 + expl(x));
}

long double oracle_bce_loss(const struct oracle_element *element)
{
	if (isnan(element->x))
		return (long double)NAN;
	long double negative = element->weight * (1 - element->t);
	long double positive = element->weight * element->pos_weight * element->t;
	return oracle_term(negative, softplus(element->x)) +
	       oracle_term(positive, softplus(-element->x));
}

long double oracle_bce_grad(const struct oracle_element *element, long double *largest)
{
	long double factor = element->weight * element->scale;
	long double negative = factor * (1 - element->t) * sigmoid(element->x);
	long double positive = factor * element->pos_weight * element->t * sigmoid(-element->x);
	*largest = fmaxl(fabsl(negative), fabsl(positive));
	return negative - positive;
}
