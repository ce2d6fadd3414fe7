/* Whole lines that wait to be written, in a ring of bytes. No lock: the owner has one. */
#ifndef LOSSD_LOG_RING_H
#define LOSSD_LOG_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_RING_BYTES ((size_t)1 << 20)

struct log_ring {
	size_t begin, size; /* of what waits, from begin on, around the end */
	uint64_t lost;      /* lines for which there was no room */
	char bytes[LOG_RING_BYTES];
};

/* All of the line, of n bytes with its newline, or nothing: then it is counted as lost. */
bool log_ring_put(struct log_ring *ring, const char *line, size_t n);
/* Takes the first lines that fit, whole; returns their bytes: 0 when none waits, or the first is
 * longer than that. */
size_t log_ring_take(struct log_ring *ring, char *out, size_t size);

#endif
