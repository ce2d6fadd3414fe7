/* What is told of a request that has ended: one span of a trace, and one below it for each phase.
 * Nothing in it belongs to the request. */
#ifndef LOSSD_SPAN_H
#define LOSSD_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/timings.h"

#define SPAN_TRACE_ID_BYTES 16
#define SPAN_ID_BYTES 8
#define SPAN_SAMPLED 1u /* of flags (W3C Trace Context, section 3.2.2.5) */

struct span_phase {
	uint64_t start_ns, end_ns; /* since 1970; 0: it did not happen */
	uint64_t busy_ns;          /* of that time: phases interleave */
};

/* Texts that are pointers are of the program, for ever; NULL: there is none. Those that are arrays
 * are a client's, cut where they are too long, and may hold anything. */
struct span {
	unsigned char trace_id[SPAN_TRACE_ID_BYTES], id[SPAN_ID_BYTES], parent_id[SPAN_ID_BYTES];
	bool has_parent;
	unsigned flags;
	uint64_t start_ns, end_ns; /* since 1970 */
	struct span_phase phases[N_PHASES];

	const char *method; /* "GET"; NULL: one that this server does not know */
	const char *route;  /* a template */
	const char *scheme; /* "http" */
	const char *loss;
	const char *code;  /* of the error */
	const char *error; /* in a word: the server has failed, or its reply was not sent whole */
	const char *isa;
	unsigned status; /* 0: no reply */
	unsigned threads, peer_port;
	bool computed;
	uint64_t rows, bytes_in, bytes_out;
	char peer[48], path[256], request_id[129], tracestate[513];
};

#endif
