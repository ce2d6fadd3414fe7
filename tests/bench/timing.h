/* How long a call takes, and what is done with several such times. */
#ifndef BENCH_TIMING_H
#define BENCH_TIMING_H

#include <stddef.h>

#define MAX_ROUNDS 31

double now_seconds(void);

/*
 * Seconds of one call: call(context) is repeated, twice as often each time, until the repeats take
 * TIMED_SECONDS; the last and longest series counts, those before it warm up.
 */
#define TIMED_SECONDS 0.08
double time_call(void (*call)(void *context), void *context);

/* Of n > 0 times, at most MAX_ROUNDS, whose order is left alone; NaN when one of them is. */
double median(const double *times, size_t n);

#endif
