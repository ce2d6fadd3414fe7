/* Monotonic time: the only clock that durations and deadlines are measured with. */
#ifndef LOSSD_CLOCK_H
#define LOSSD_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Where one request's time went. A phase that did not happen is 0. */
struct timings {
	uint64_t start_ns;   /* the head was read */
	uint64_t receive_ns; /* from the head to the last byte of the body, less decode */
	uint64_t decode_ns;
	uint64_t queue_ns;
	uint64_t compute_ns;
	uint64_t encode_ns;
	uint64_t total_ns;
	uint64_t bytes_in;
	unsigned threads; /* that computed */
	const char *isa;  /* whose kernels computed */
};

#endif
