/*
 * The least time that a case can take on this machine, measured on the same threads, in the same
 * run, over the same memory: the larger of
 *
 *   - moving its bytes: the logits read once, or with a gradient copied once;
 *   - evaluating its exponentials, one an element or two with a gradient, in double for F64, at the
 *     rate of a bare vector loop over numbers that stay in the first-level cache.
 *
 * Each is tried in every way that probe.h has, memory also by half of the threads, in every round;
 * the way whose median is the least counts.
 */
#ifndef BENCH_ROOFLINE_H
#define BENCH_ROOFLINE_H

#include <stdbool.h>

#include "pool.h"
#include "probe.h"
#include "timing.h"

struct roofline_case {
	const struct probe *probe;
	struct pool *pool;
	size_t elements; /* of a slice */
	int threads;
	bool grad;
	bool doubles;
};

struct roofline {
	struct ways memory, exponentials;
	struct ways swept; /* one exponential an element, over the memory: a bare loop of both */
};

/* Measures one round of all three. */
void roofline_round(const struct roofline_case *what, struct roofline *roofline, size_t round);
/* One round of `swept` alone. */
void roofline_sweep(const struct roofline_case *what, struct ways *swept, size_t round);

/* The larger of memory's and the exponentials' best. */
double roofline_limit(const struct roofline *roofline, size_t rounds);

#endif
