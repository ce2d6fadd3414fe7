/*
 * Connections that ask, each for one thing at a time, and what came of it.
 *
 * Closed model: a connection asks again once it is answered; a slow server is asked less often, and
 * what its slowness would have done to others is not seen. Open model: requests are due at a rate,
 * whatever becomes of those before, and each is timed from when it was due: where all connections
 * wait, later ones wait too, and that is counted, as is what was never sent.
 */
#ifndef LOAD_DRIVER_H
#define LOAD_DRIVER_H

#include "histogram.h"
#include "workload.h"

#define N_PHASES 5
extern const char *const phase_names[N_PHASES]; /* of Server-Timing */

#define MAX_STATUSES 8

/* Of what was due after the warm-up. */
struct measured {
	struct histogram latency; /* of everything due, answered or not */
	struct histogram phases[N_PHASES];
	uint64_t answered; /* 200, with the losses that it must hold */
	uint64_t wrong;    /* 200, with others */
	uint64_t cut;      /* no reply: no connection, a broken one, or too late */
	uint64_t unsent;   /* due, but all connections waited until it was too late */
	struct {
		int status;
		uint64_t n;
	} refused[MAX_STATUSES]; /* other statuses */
	uint64_t bytes_sent, bytes_received;
	uint64_t begin, end; /* nanoseconds of a clock: the last answer, or the end of the load */
	char trouble[256];   /* what the first that was cut, or wrong, says; "" */
};

/* Loads the server as the options say, at `rate` requests a second (0: closed model), and returns
 * when all is answered. NULL, and said to stderr, where that can not be done; else to be freed. */
struct measured *drive(const struct options *options, struct workload *workload, double rate);

/* Of what was due: all that failed; those a second that were answered as they must be. */
uint64_t measured_failed(const struct measured *measured);
double measured_rate(const struct measured *measured);

uint64_t now_ns(void);

#endif
