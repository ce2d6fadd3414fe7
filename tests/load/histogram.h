/*
 * Counts of times: linear within each power of two, as HdrHistogram has them, so that a quantile is
 * at most 1/128 too large, from a nanosecond to five centuries, in 59 KB.
 */
#ifndef LOAD_HISTOGRAM_H
#define LOAD_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BITS 7
#define HISTOGRAM_PART (1u << HISTOGRAM_BITS)
#define HISTOGRAM_CELLS ((64 - HISTOGRAM_BITS + 1) * HISTOGRAM_PART)

/* Starts as {0}. One thread at a time. */
struct histogram {
	uint64_t n, max, sum; /* nanoseconds */
	uint64_t cells[HISTOGRAM_CELLS];
};

void histogram_record(struct histogram *histogram, uint64_t ns);
/* Adds what another has counted. */
void histogram_add(struct histogram *histogram, const struct histogram *other);
/* The least time, as far as the cells tell, that so large a part (0 to 1) of those recorded do not
 * exceed; never above the largest; 0 when there are none. */
uint64_t histogram_quantile(const struct histogram *histogram, double part);
/* 0 when there are none. */
double histogram_mean(const struct histogram *histogram);

#endif
