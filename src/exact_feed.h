/*
 * An exact sum, and values that wait to be added to it: many together are added by vectors, exactly
 * as well. Where there are few, or they differ too much in size, it is one by one.
 *
 * A plan's own sums over rows are such; a sum that is added to here and there is an exact_sum.
 */
#ifndef LOSS_EXACT_FEED_H
#define LOSS_EXACT_FEED_H

#include "exact_sum.h"
#include "kernel/vector/vector.h"

/* Values that are added together. */
#define FEED_VALUES ((size_t)128)

/* Below so many there is nothing to gain. */
#define FEED_FEW ((size_t)8)

struct exact_feed {
	struct exact_sum sum; /* without what waits */
	size_t waiting;
	_Alignas(64) double values[FEED_VALUES + LANES];
};

static inline void exact_feed_clear(struct exact_feed *feed)
{
	exact_sum_clear(&feed->sum);
	feed->waiting = 0;
}

/* n values as a few that come to the same, if they can be had; behind them there is room for whole
 * lanes, which this fills. */
static inline bool exact_feed_split(const struct vector_kernels *kernels, double *values, size_t n,
				    double parts[ADD_UP_PARTS])
{
	size_t whole = (n + LANES - 1) / LANES * LANES;
	for (size_t i = n; i < whole; i++)
		values[i] = 0.0;
	return kernels->add_up(values, whole, parts);
}

/* Adds n values that have room as above. */
static inline void exact_feed_add_all(struct exact_sum *sum, const struct vector_kernels *kernels,
				      double *values, size_t n)
{
	double parts[ADD_UP_PARTS];
	if (n >= FEED_FEW && exact_feed_split(kernels, values, n, parts)) {
		values = parts;
		n = ADD_UP_PARTS;
	}
	for (size_t i = 0; i < n; i++)
		exact_sum_add(sum, values[i]);
}

/* Adds what waits: then the sum is that of all. */
static inline void exact_feed_flush(struct exact_feed *feed, const struct vector_kernels *kernels)
{
	exact_feed_add_all(&feed->sum, kernels, feed->values, feed->waiting);
	feed->waiting = 0;
}

/* What all come to, as exact_sum_parts has it. Where all of them still wait, most often two doubles
 * hold what they come to: their sum is rounded once too. */
static inline struct sum exact_feed_parts(struct exact_feed *feed,
					  const struct vector_kernels *kernels)
{
	double parts[ADD_UP_PARTS];
	struct sum sum;
	if (feed->waiting > 0 && exact_sum_is_empty(&feed->sum) &&
	    exact_feed_split(kernels, feed->values, feed->waiting, parts) && parts[2] == 0.0) {
		sum.high = two_sum(parts[0], parts[1], &sum.low);
		return sum;
	}
	exact_feed_flush(feed, kernels);
	return exact_sum_parts(&feed->sum);
}

/* Room for LANES values, of which the first ones may be taken. */
static inline double *exact_feed_room(struct exact_feed *feed, const struct vector_kernels *kernels)
{
	if (feed->waiting >= FEED_VALUES)
		exact_feed_flush(feed, kernels);
	return feed->values + feed->waiting;
}

static inline void exact_feed_take(struct exact_feed *feed, size_t n)
{
	feed->waiting += n;
}

static inline void exact_feed_add(struct exact_feed *feed, const struct vector_kernels *kernels,
				  double value)
{
	*exact_feed_room(feed, kernels) = value;
	exact_feed_take(feed, 1);
}

#endif
