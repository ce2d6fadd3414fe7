/*
 * What GET /metrics shows, in Prometheus' text format. Counters live in shards, one a thread
 * up to as many as there are (relaxed atomics), and are summed when scraped; no lock. No label has
 * values that a caller can make up.
 */
#ifndef LOSSD_METRICS_H
#define LOSSD_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loss.h"

/* Why a connection or a request was refused or cut without a reply. The label values are in
 * metrics_page.c. */
enum metrics_reject {
	METRICS_REJECT_HEAD_TIMEOUT,
	METRICS_REJECT_BODY_TIMEOUT,
	METRICS_REJECT_REPLY_TIMEOUT,
	METRICS_REJECT_IDLE_TIMEOUT, /* counted apart: not a fault of the client */
	METRICS_REJECT_BODY_TOO_LARGE,
	METRICS_REJECT_FRAMING,
	METRICS_REJECT_MEMORY,
	METRICS_REJECT_DRAINING,
	METRICS_REJECT_QUEUE_FULL,
	METRICS_REJECT_UNAUTHORIZED,
	METRICS_REJECT_FORBIDDEN,
	METRICS_REJECT_RATE_LIMITED,
	METRICS_REJECT_CLIENT_GONE,
	METRICS_REJECT_ADDRESS, /* too many connections of one address */
	METRICS_REJECT_EVICTED, /* idle, where another one waited for room: not a fault of the
				   client */
	METRICS_REJECT_SLOW,    /* the slowest transfer, where others found no memory */
	METRICS_REJECT_TLS,     /* a handshake that failed */
	METRICS_N_REJECTS
};

/* One finished request. */
struct metrics_request {
	const char *route;  /* the route table's label: "/v1/losses/{loss}", or "other" */
	const char *method; /* as route_method_name has it */
	unsigned code;
	double seconds;
	uint64_t bytes_in, bytes_out;
};

/* One evaluation whose reply has been written; whether it could still be sent, requests tell. */
struct metrics_evaluation {
	const struct loss_info *loss;
	loss_dtype dtype;
	const char *format; /* of the body: "json" */
	const char *reply_format;
	uint64_t rows, elements;
	double receive_seconds, decode_seconds, queue_seconds, compute_seconds, encode_seconds;
};

/* One inference by the Open Inference Protocol that has been replied to: an evaluation, or why
 * there was none. Evaluations on /v1 are none. */
struct metrics_inference {
	const struct loss_info *loss;
	bool success;
	uint64_t total_ns, queue_ns, input_ns, infer_ns,
		output_ns; /* all but the first: of success */
};

/* The sums of one loss since the start. */
struct metrics_inferences {
	uint64_t last_ms; /* of the last success, since 1970; 0: none */
	uint64_t success, success_ns, fail, fail_ns;
	uint64_t queue_ns, input_ns, infer_ns, output_ns;
};

/*
 * routes: the labels that metrics_request.route may have, all of them, kept, not copied; the last
 * one stands for everything else. isa: the instruction set of the kernels, kept too. False: there
 * are too many routes.
 */
bool metrics_start(const char *const *routes, size_t n_routes, const char *isa);
void metrics_request(const struct metrics_request *request);
void metrics_evaluation(const struct metrics_evaluation *evaluation);
void metrics_inference(const struct metrics_inference *inference);
void metrics_inferences(const struct loss_info *loss, struct metrics_inferences *sum);
void metrics_reject(enum metrics_reject reason);
void metrics_connection(int change); /* +1 opened, -1 closed */

/* What is read when the page is made. */
struct metrics_now {
	size_t inflight_bytes; /* of the budget, which has */
	size_t budget_bytes;
	size_t queue_depth;        /* evaluations that wait for the compute thread, */
	double queue_cost_seconds; /* and what they are estimated to take of one thread */
	int64_t certificate_ends;  /* in seconds since 1970; 0: there is none */
	uint64_t spans_exported, spans_dropped;
	bool ready; /* as GET /v2/health/ready has it */
};

/* Writes the page into a buffer of the caller's. False: no memory. */
bool metrics_render(struct loss_buffer *out, const struct metrics_now *now);

#endif
