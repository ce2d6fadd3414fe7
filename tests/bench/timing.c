#include "timing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

double now_seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

double time_call_for(void (*call)(void *context), void *context, double seconds)
{
	call(context);
	for (size_t repeats = 1;; repeats *= 2) {
		double start = now_seconds();
		for (size_t i = 0; i < repeats; i++)
			call(context);
		double taken = now_seconds() - start;
		if (taken >= seconds)
			return taken / (double)repeats;
	}
}

double time_call(void (*call)(void *context), void *context)
{
	return time_call_for(call, context, TIMED_SECONDS);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

double median(const double *times, size_t n)
{
	double sorted[MAX_ROUNDS];
	for (size_t i = 0; i < n; i++)
		if (isnan(times[i]))
			return (double)NAN;
	memcpy(sorted, times, n * sizeof *times);
	qsort(sorted, n, sizeof *sorted, compare);
	return n % 2 ? sorted[n / 2] : 0.5 * (sorted[n / 2 - 1] + sorted[n / 2]);
}

double quantile(double *times, size_t n, double part)
{
	for (size_t i = 0; i < n; i++)
		if (isnan(times[i]))
			return (double)NAN;
	qsort(times, n, sizeof *times, compare);
	return times[(size_t)ceil(part * (double)n) - 1];
}

void ways_record(struct ways *ways, const struct way *of, size_t round, double seconds)
{
	size_t i = 0;
	while (i < ways->n &&
	       (ways->each[i].name != of->name || ways->each[i].threads != of->threads))
		i++;
	if (i == ways->n) {
		ways->each[i] = *of;
		ways->n++;
	}
	ways->each[i].seconds[round] = seconds;
}

const struct way *ways_best(const struct ways *ways, size_t rounds, double *seconds)
{
	const struct way *best = NULL;
	*seconds = (double)NAN;
	for (size_t i = 0; i < ways->n; i++) {
		double typical = median(ways->each[i].seconds, rounds);
		if (isnan(typical) || (best && typical >= *seconds))
			continue;
		best = &ways->each[i];
		*seconds = typical;
	}
	return best;
}
