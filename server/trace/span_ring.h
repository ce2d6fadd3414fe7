/* Spans that wait to be sent, in a ring. No lock: the owner has one. */
#ifndef LOSSD_SPAN_RING_H
#define LOSSD_SPAN_RING_H

#include "span.h"

#define SPAN_RING_SIZE 2048

struct span_ring {
	size_t begin, n; /* of those that wait, from begin on, around the end */
	struct span spans[SPAN_RING_SIZE];
};

/* False: there is no room. */
bool span_ring_put(struct span_ring *ring, const struct span *span);
/* The first of those that wait, as many as lie side by side, `most` at most. They stay where they
 * are, whatever is put in meanwhile, until they are dropped. */
size_t span_ring_front(const struct span_ring *ring, size_t most, const struct span **first);
void span_ring_drop(struct span_ring *ring, size_t n);

#endif
