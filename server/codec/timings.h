/* Where the time of one request goes, and what for. */
#ifndef LOSSD_CODEC_TIMINGS_H
#define LOSSD_CODEC_TIMINGS_H

#include "os/clock.h"

enum phase { PHASE_RECEIVE, PHASE_DECODE, PHASE_QUEUE, PHASE_COMPUTE, PHASE_ENCODE, N_PHASES };

/* From where a phase first went on to where it last did: others may go on in between. */
struct phase_extent {
	uint64_t first_ns, last_ns; /* 0: it did not happen */
};

/* A phase that did not happen is 0. */
struct timings {
	uint64_t start_ns;   /* the head was read */
	uint64_t receive_ns; /* from the head to the last byte of the body, less decode */
	uint64_t decode_ns;
	uint64_t queue_ns;
	uint64_t compute_ns;
	uint64_t encode_ns; /* of the pieces written so far */
	uint64_t mark_ns;   /* when the phase at hand began: timings_begin, timings_end */
	uint64_t bytes_in;
	unsigned threads; /* that computed; 0: nothing was */
	uint64_t rows;    /* that were computed */
	uint64_t lines;   /* of a body of lines, and how many of them failed; 0: it is none */
	uint64_t lines_failed;
	const char *isa; /* whose kernels computed */
	struct phase_extent extents[N_PHASES];
};

/* The phase has gone on between the two. */
static inline void timings_extend(struct timings *timings, enum phase phase, uint64_t from_ns,
				  uint64_t to_ns)
{
	struct phase_extent *extent = &timings->extents[phase];
	if (extent->first_ns == 0)
		extent->first_ns = from_ns;
	extent->last_ns = to_ns;
}

/* For a reply that tells, before its end, what it took to write. */
static inline uint64_t timings_encode_ns(const struct timings *timings, uint64_t now_ns)
{
	return timings->encode_ns + (now_ns - timings->mark_ns);
}

static inline void timings_begin(struct timings *timings)
{
	timings->mark_ns = clock_ns();
}

/* Adds what has passed to a phase, and begins the next one: phases that follow each other read the
 * clock once in between. Who has waited for something else meanwhile begins anew. */
static inline void timings_end(struct timings *timings, enum phase phase, uint64_t *phase_ns)
{
	uint64_t now_ns = clock_ns();
	timings_extend(timings, phase, timings->mark_ns, now_ns);
	*phase_ns += now_ns - timings->mark_ns;
	timings->mark_ns = now_ns;
}

#endif
