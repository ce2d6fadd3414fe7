/* Monotonic time: the only clock that durations and deadlines are measured with. */
#ifndef LOSSD_CLOCK_H
#define LOSSD_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_read(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline uint64_t clock_ns(void)
{
	return clock_read(CLOCK_MONOTONIC);
}

/* As it was at the last tick, some milliseconds ago at most, for what has time: a quarter of the
 * price. */
static inline uint64_t clock_coarse_ns(void)
{
#ifdef CLOCK_MONOTONIC_COARSE
	return clock_read(CLOCK_MONOTONIC_COARSE);
#else
	return clock_ns();
#endif
}

/* How far that may be behind clock_ns. */
static inline uint64_t clock_coarse_lag_ns(void)
{
#ifdef CLOCK_MONOTONIC_COARSE
	struct timespec tick;
	if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick) == 0)
		return (uint64_t)tick.tv_sec * 1000000000u + (uint64_t)tick.tv_nsec;
#endif
	return 0;
}

#endif
