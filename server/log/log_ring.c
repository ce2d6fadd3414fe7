#include "log_ring.h"

#include <string.h>

static size_t min(size_t a, size_t b)
{
	return a < b ? a : b;
}

bool log_ring_put(struct log_ring *ring, const char *line, size_t n)
{
	if (n > LOG_RING_BYTES - ring->size) {
		ring->lost++;
		return false;
	}
	size_t at = (ring->begin + ring->size) % LOG_RING_BYTES;
	size_t first = min(n, LOG_RING_BYTES - at);
	memcpy(ring->bytes + at, line, first);
	memcpy(ring->bytes, line + first, n - first);
	ring->size += n;
	return true;
}

size_t log_ring_take(struct log_ring *ring, char *out, size_t size)
{
	size_t n = min(ring->size, size);
	size_t first = min(n, LOG_RING_BYTES - ring->begin);
	memcpy(out, ring->bytes + ring->begin, first);
	memcpy(out + first, ring->bytes, n - first);
	while (n > 0 && out[n - 1] != '\n')
		n--;
	ring->begin = (ring->begin + n) % LOG_RING_BYTES;
	ring->size -= n;
	return n;
}
