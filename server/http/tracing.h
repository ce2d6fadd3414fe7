/* The span that a request leaves behind for the collector of traces. */
#ifndef LOSSD_TRACING_H
#define LOSSD_TRACING_H

#include <sys/socket.h>

#include "request.h"

/* "0123456789abcdef...", terminated. */
#define TRACING_ID_SIZE 33

/*
 * It has ended; the server has a tracer. peer and lost are those of access_log_request. A valid
 * traceparent decides whether there is a span; without one there is, but for the pages that watch
 * the server. trace_id: that of the trace that it is a part of; empty: there is no span.
 */
void tracing_request(const struct request *request, const struct sockaddr *peer, const char *lost,
		     char trace_id[TRACING_ID_SIZE]);

#endif
