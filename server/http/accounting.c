#include <stdatomic.h>

#include "accounting.h"

#include "access_log.h"
#include "eval/protocols.h"
#include "metrics/metrics.h"
#include "status/status.h"
#include "tracing.h"

void accounting_inference(const struct request *request)
{
	const struct timings *t = &request->timings;
	if (!request->endpoint || request->endpoint->protocol != &protocol_v2 || !request->loss)
		return;
	const struct metrics_inference counted = {
		.loss = request->loss,
		.success = request->reply.status == 200,
		.total_ns = clock_ns() - t->start_ns,
		.queue_ns = t->queue_ns,
		.input_ns = t->decode_ns,
		.infer_ns = t->compute_ns,
		.output_ns = t->encode_ns,
	};
	metrics_inference(&counted);
}

static void count_request(const struct request *request, double seconds)
{
	const struct metrics_request counted = {
		.route = request->route ? request->route->path : ROUTE_OTHER,
		.method = route_method_name(request->method),
		.code = request->reply.status,
		.seconds = seconds,
		.bytes_in = request->timings.bytes_in,
		.bytes_out = request_bytes_out(request),
	};
	metrics_request(&counted);
}

static enum metrics_reject reason_of(loss_status status)
{
	switch (status) {
	case STATUS_DRAINING:
		return METRICS_REJECT_DRAINING;
	case STATUS_QUEUE_FULL:
		return METRICS_REJECT_QUEUE_FULL;
	case STATUS_UNAUTHORIZED:
		return METRICS_REJECT_UNAUTHORIZED;
	case STATUS_FORBIDDEN:
		return METRICS_REJECT_FORBIDDEN;
	case STATUS_RATE_LIMITED:
		return METRICS_REJECT_RATE_LIMITED;
	case STATUS_BODY_TOO_LARGE:
		return METRICS_REJECT_BODY_TOO_LARGE;
	case LOSS_TOO_MUCH_MEMORY_IN_FLIGHT:
	case LOSS_TOO_LARGE_FOR_BUDGET:
	case LOSS_OUT_OF_MEMORY:
		return METRICS_REJECT_MEMORY;
	default:
		return METRICS_N_REJECTS;
	}
}

/* It was cut, or too long: where that was decided it has been counted. */
static bool is_counted(const struct request *request)
{
	return reaper_was_cut(request->server->reaper, request->entry) ||
	       (request->reply.status == 0 && request->fault.error.status == STATUS_BODY_TOO_LARGE);
}

/* Without a word from us, while its client is there: libmicrohttpd has refused it. */
static bool is_refused(const struct request *request, enum accounting_end end)
{
	return request->reply.status == 0 && end == ACCOUNTING_REFUSED &&
	       !atomic_load(&request->gone) &&
	       !reaper_has_left(request->server->reaper, request->entry);
}

/* Ended without a reply, or before all of it was sent: who is to blame, where it has not been
 * counted yet. Returns that in a word. */
static const char *count_loss(const struct request *request, enum accounting_end end)
{
	if (is_counted(request))
		return "cut";
	bool refused = is_refused(request, end);
	metrics_reject(refused ? METRICS_REJECT_FRAMING : METRICS_REJECT_CLIENT_GONE);
	return refused ? "refused" : "client_gone";
}

void accounting_request(const struct request *request, enum accounting_end end,
			const struct sockaddr *peer)
{
	double seconds = (double)(clock_ns() - request->timings.start_ns) * 1e-9;
	enum metrics_reject reason = reason_of(request->fault.error.status);
	const char *lost = NULL;
	char trace_id[TRACING_ID_SIZE] = "";
	if (request->reply.status != 0)
		count_request(request, seconds);
	if (request->reply.status != 0 && reason != METRICS_N_REJECTS)
		metrics_reject(reason);
	if (end != ACCOUNTING_COMPLETE)
		lost = count_loss(request, end);
	if (request->server->tracer)
		tracing_request(request, peer, lost, trace_id);
	access_log_request(request, peer, lost, seconds, trace_id);
}
