/* How long a call takes, and what is done with several such times. */
#ifndef BENCH_TIMING_H
#define BENCH_TIMING_H

#include <stddef.h>

#define MAX_ROUNDS 31

double now_seconds(void);

/*
 * Seconds of one call: call(context) is repeated, twice as often each time, until the repeats take
 * so many seconds; the last and longest series counts, those before it warm up.
 */
double time_call_for(void (*call)(void *context), void *context, double seconds);
#define TIMED_SECONDS 0.08
double time_call(void (*call)(void *context), void *context);

/* Of n > 0 times, at most MAX_ROUNDS, whose order is left alone; NaN when one of them is. */
double median(const double *times, size_t n);

/* The least of n > 0 times, which it sorts, that so large a part of them does not exceed; NaN when
 * one is. */
double quantile(double *times, size_t n, double part);

/* The same work done in several ways: seconds of each in each round. */
#define MAX_WAYS 14
struct ways {
	size_t n;
	struct way {
		const char *name;
		int threads;
		double seconds[MAX_ROUNDS];
	} each[MAX_WAYS];
};

/* Of one way in one round; the first round makes the way. */
void ways_record(struct ways *ways, const struct way *of, size_t round, double seconds);
/* The way whose median over that many rounds, *seconds, is the least; NULL and NaN where none has
 * been measured. */
const struct way *ways_best(const struct ways *ways, size_t rounds, double *seconds);

#endif
