/*
 * The least time that a case can take on this machine, measured on the same threads, in the same
 * run, over the same memory: the larger of
 *
 *   - moving its bytes: the logits read once, or with a gradient copied once past the cache;
 *   - evaluating its exponentials, one an element or two with a gradient, at the rate of a bare
 *     vector loop over numbers that stay in the first-level cache.
 */
#ifndef BENCH_ROOFLINE_H
#define BENCH_ROOFLINE_H

#include "pool.h"
#include "probe.h"

struct roofline_case {
	const struct probe *probe;
	struct pool *pool;
	size_t elements; /* of a slice */
	int threads;
	bool grad;
};

/* In seconds. */
struct roofline {
	double memory;
	double exponentials;
	double limit; /* the larger of both */
	double swept; /* one exponential an element, over the memory: what a bare loop makes of both
		       */
};

struct roofline roofline_measure(struct roofline_case *what);

/* `swept` alone. */
double roofline_swept_seconds(struct roofline_case *what);

#endif
