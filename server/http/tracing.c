#include "tracing.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "codec/text/hex.h"
#include "peer.h"
#include "status/status.h"
#include "trace/span_id.h"
#include "trace/tracer.h"

/* "00-TRACE-PARENT-FLAGS" (W3C Trace Context), whose form the head has checked. */
#define TRACE_ID_AT 3
#define PARENT_ID_AT 36
#define FLAGS_AT 53

static unsigned flags_of(const char *traceparent)
{
	unsigned char flags = 0;
	hex_read(traceparent + FLAGS_AT, 1, &flags);
	return flags;
}

/* Probes and scrapes come all the time, and tell nothing: only who asks gets a span of one. */
static bool is_wanted(const struct request *request)
{
	const char *traceparent = request->head.traceparent;
	if (traceparent)
		return flags_of(traceparent) & SPAN_SAMPLED;
	return !request->route || !request->route->always;
}

static void fill_context(struct span *span, const struct head *head)
{
	const char *traceparent = head->traceparent;
	span->flags = SPAN_SAMPLED;
	span_id_make(span->id, SPAN_ID_BYTES);
	if (!traceparent) {
		span_id_make(span->trace_id, SPAN_TRACE_ID_BYTES);
		return;
	}
	hex_read(traceparent + TRACE_ID_AT, SPAN_TRACE_ID_BYTES, span->trace_id);
	hex_read(traceparent + PARENT_ID_AT, SPAN_ID_BYTES, span->parent_id);
	span->has_parent = true;
	span->flags = flags_of(traceparent);
	if (head->tracestate)
		snprintf(span->tracestate, sizeof span->tracestate, "%s", head->tracestate);
}

/* ---------------------------------------------------------------- times */

/* What the wall clock has been ahead of clock_ns: of one request one number, so that its spans fit
 * into each other whoever sets the clock meanwhile. */
static uint64_t wall_offset_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec - clock_ns();
}

static void fill_times(struct span *span, const struct timings *t)
{
	const uint64_t busy_ns[N_PHASES] = {
		[PHASE_RECEIVE] = t->receive_ns, [PHASE_DECODE] = t->decode_ns,
		[PHASE_QUEUE] = t->queue_ns,     [PHASE_COMPUTE] = t->compute_ns,
		[PHASE_ENCODE] = t->encode_ns,
	};
	uint64_t offset = wall_offset_ns();
	span->start_ns = t->start_ns + offset;
	span->end_ns = clock_ns() + offset;
	for (size_t i = 0; i < N_PHASES; i++) {
		const struct phase_extent *extent = &t->extents[i];
		/* Without a body nothing was received. */
		if (extent->first_ns == 0 || t->bytes_in == 0)
			continue;
		span->phases[i] = (struct span_phase){extent->first_ns + offset,
						      extent->last_ns + offset, busy_ns[i]};
	}
}

/* ---------------------------------------------------------------- what it was */

static void fill_request(struct span *span, const struct request *request)
{
	const struct timings *t = &request->timings;
	const struct target *target = &request->target;
	if (request->method != METHOD_OTHER)
		span->method = route_method_name(request->method);
	span->route = request->route ? request->route->path : NULL;
	span->scheme = request->encrypted ? "https" : "http";
	span->loss = request->loss ? request->loss->name : NULL;
	span->computed = t->threads > 0;
	span->threads = t->threads;
	span->rows = t->rows;
	span->isa = t->isa;
	span->bytes_in = t->bytes_in;
	span->bytes_out = request_bytes_out(request);
	snprintf(span->path, sizeof span->path, "%.*s",
		 (int)(target->n_path < sizeof span->path ? target->n_path : sizeof span->path),
		 target->path);
	snprintf(span->request_id, sizeof span->request_id, "%s", request->id ? request->id : "");
}

static void fill_end(struct span *span, const struct request *request, const char *lost)
{
	loss_status status = request->fault.error.status;
	span->status = request->reply.status;
	span->code = status == LOSS_OK ? NULL : status_words(status)->code;
	if (lost)
		span->error = lost;
	else if (span->status >= 500)
		span->error = span->code ? span->code : "not_ready";
}

static void fill_peer(struct span *span, const struct sockaddr *address)
{
	struct peer peer;
	if (!peer_read(address, &peer))
		return;
	snprintf(span->peer, sizeof span->peer, "%s", peer.text);
	span->peer_port = peer.port;
}

void tracing_request(const struct request *request, const struct sockaddr *peer, const char *lost,
		     char trace_id[TRACING_ID_SIZE])
{
	struct span span;
	trace_id[0] = '\0';
	if (!is_wanted(request))
		return;
	memset(&span, 0, offsetof(struct span, peer));
	span.peer[0] = span.tracestate[0] = '\0';
	fill_context(&span, &request->head);
	fill_times(&span, &request->timings);
	fill_request(&span, request);
	fill_end(&span, request, lost);
	fill_peer(&span, peer);
	hex_write(span.trace_id, SPAN_TRACE_ID_BYTES, trace_id);
	tracer_put(request->server->tracer, &span);
}
