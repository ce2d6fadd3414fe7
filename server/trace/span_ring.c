#include "span_ring.h"

bool span_ring_put(struct span_ring *ring, const struct span *span)
{
	if (ring->n == SPAN_RING_SIZE)
		return false;
	ring->spans[(ring->begin + ring->n++) % SPAN_RING_SIZE] = *span;
	return true;
}

size_t span_ring_front(const struct span_ring *ring, size_t most, const struct span **first)
{
	size_t to_the_end = SPAN_RING_SIZE - ring->begin;
	size_t n = ring->n < to_the_end ? ring->n : to_the_end;
	*first = &ring->spans[ring->begin];
	return n < most ? n : most;
}

void span_ring_drop(struct span_ring *ring, size_t n)
{
	ring->begin = (ring->begin + n) % SPAN_RING_SIZE;
	ring->n -= n;
}
