#include <stdatomic.h>

#include "accounting.h"

#include "eval/protocols.h"
#include "log/log.h"
#include "metrics/metrics.h"
#include "status/status.h"

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

static void log_request(const struct request *request, double seconds)
{
	const struct reply *reply = &request->reply;
	enum log_level level = reply->status >= 500 ? LOG_INFO : LOG_DEBUG;
	if (!log_enabled(level))
		return;
	const struct log_field fields[] = {
		{"id", request->id ? request->id : "", 0},
		{"method", route_method_name(request->method), 0},
		{"target", request->target.text, 0},
		{"status", NULL, (double)reply->status},
		{"milliseconds", NULL, seconds * 1e3},
		{"bytes_in", NULL, (double)request->timings.bytes_in},
		{"bytes_out", NULL, (double)reply_size(reply)},
		{"code", status_words(request->fault.error.status)->code, 0},
		{"traceparent", request->head.traceparent ? request->head.traceparent : "", 0},
	};
	size_t n = sizeof fields / sizeof fields[0];
	log_event(level, "request", fields, request->head.traceparent ? n : n - 1);
}

static void count_request(const struct request *request, double seconds)
{
	const struct metrics_request counted = {
		.route = request->route ? request->route->path : ROUTE_OTHER,
		.method = route_method_name(request->method),
		.code = request->reply.status,
		.seconds = seconds,
		.bytes_in = request->timings.bytes_in,
		.bytes_out = request->method == METHOD_HEAD ? 0 : reply_size(&request->reply),
	};
	metrics_request(&counted);
}

static enum metrics_reject reason_of(loss_status status)
{
	switch (status) {
	case STATUS_DRAINING:
		return METRICS_REJECT_DRAINING;
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

/* Ended without a reply, or before all of it was sent: who is to blame, where it has not been
 * counted yet. */
static void count_loss(const struct request *request, enum accounting_end end)
{
	bool replied = request->reply.status != 0;
	if (reaper_was_cut(request->server->reaper, request->entry) ||
	    (!replied && request->fault.error.status == STATUS_BODY_TOO_LARGE))
		return;
	/* Without a word from us, while its client is there: libmicrohttpd has refused it. */
	bool refused = !replied && end == ACCOUNTING_REFUSED && !atomic_load(&request->gone) &&
		       !reaper_has_left(request->server->reaper, request->entry);
	metrics_reject(refused ? METRICS_REJECT_FRAMING : METRICS_REJECT_CLIENT_GONE);
}

void accounting_request(const struct request *request, enum accounting_end end)
{
	double seconds = (double)(clock_ns() - request->timings.start_ns) * 1e-9;
	enum metrics_reject reason = reason_of(request->fault.error.status);
	if (request->reply.status != 0)
		count_request(request, seconds);
	if (request->reply.status != 0 && reason != METRICS_N_REJECTS)
		metrics_reject(reason);
	if (end != ACCOUNTING_COMPLETE)
		count_loss(request, end);
	log_request(request, seconds);
}
