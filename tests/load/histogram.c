#include "histogram.h"

#include <math.h>
#include <stddef.h>

/* By how many bits a time is shifted until HISTOGRAM_BITS + 1 are left of it. */
static unsigned shift_of(uint64_t ns)
{
	unsigned width = ns ? 64 - (unsigned)__builtin_clzll(ns) : 0;
	return width > HISTOGRAM_BITS + 1 ? width - HISTOGRAM_BITS - 1 : 0;
}

static size_t cell_of(uint64_t ns)
{
	unsigned shift = shift_of(ns);
	return (size_t)shift * HISTOGRAM_PART + (size_t)(ns >> shift);
}

/* The largest time of a cell. */
static uint64_t cell_end(size_t cell)
{
	size_t shift = cell < 2 * HISTOGRAM_PART ? 0 : cell / HISTOGRAM_PART - 1;
	uint64_t upper = (uint64_t)(cell - shift * HISTOGRAM_PART) + 1;
	return (upper << shift) - 1; /* 2^64 - 1 where the shift leaves nothing */
}

void histogram_record(struct histogram *histogram, uint64_t ns)
{
	histogram->cells[cell_of(ns)]++;
	histogram->n++;
	histogram->sum += ns;
	if (ns > histogram->max)
		histogram->max = ns;
}

void histogram_add(struct histogram *histogram, const struct histogram *other)
{
	for (size_t cell = 0; cell < HISTOGRAM_CELLS; cell++)
		histogram->cells[cell] += other->cells[cell];
	histogram->n += other->n;
	histogram->sum += other->sum;
	if (other->max > histogram->max)
		histogram->max = other->max;
}

uint64_t histogram_quantile(const struct histogram *histogram, double part)
{
	uint64_t wanted = (uint64_t)ceil(part * (double)histogram->n), seen = 0;
	if (wanted == 0)
		wanted = 1;
	for (size_t cell = 0; histogram->n > 0 && cell < HISTOGRAM_CELLS; cell++) {
		seen += histogram->cells[cell];
		if (seen < wanted)
			continue;
		uint64_t end = cell_end(cell);
		return end < histogram->max ? end : histogram->max;
	}
	return histogram->max;
}

double histogram_mean(const struct histogram *histogram)
{
	return histogram->n ? (double)histogram->sum / (double)histogram->n : 0.0;
}
