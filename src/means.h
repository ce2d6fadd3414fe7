/* What is made of sums over rows: fixed functions of them, each rounded once. */
#ifndef LOSS_MEANS_H
#define LOSS_MEANS_H

#include <stddef.h>

#include "kernel/elementary.h"

/* A sum over a divisor, both with what their doubles lack of them. */
static inline double mean_of(struct sum sum, struct sum divisor)
{
	struct sum mean = quotient(sum.high, divisor.high, divisor.low);
	double rounded = mean.high + (mean.low + sum.low / divisor.high);
	return rounded == rounded ? rounded : mean.high;
}

/* exp of the mean negative log-likelihood. */
static inline double perplexity_of(struct sum nll, size_t counted)
{
	double n = (double)counted;
	struct sum mean = quotient(nll.high, n, 0.0);
	double low = mean.low + nll.low / n;
	return exp_parts(mean.high, low == low ? low : 0.0, 0, &low);
}

#endif
