#include "reply.h"

#include <string.h>

#include "auth/cors.h"
#include "codec/content_coding.h"
#include "codec/json/json_out.h"
#include "codec/json/problem_json.h"
#include "codec/status.h"

/* How soon a shed request may come again. The queue is short, so soon. */
#define RETRY_AFTER_SECONDS "1"
/* Replies from here on are compressed for those who ask. */
#define COMPRESSED_BYTES ((size_t)1025)

static void add_header(struct reply *reply, const char *name, const char *value)
{
	if (value && reply->n_headers < REPLY_MAX_HEADERS)
		reply->headers[reply->n_headers++] = (struct header){name, value};
}

static const char *server_timing(struct request *request)
{
	const struct timings *t = &request->timings;
	return loss_arena_printf(request->arena,
				 "receive;dur=%.3f, decode;dur=%.3f, queue;dur=%.3f, "
				 "compute;dur=%.3f, encode;dur=%.3f",
				 (double)t->receive_ns / 1e6, (double)t->decode_ns / 1e6,
				 (double)t->queue_ns / 1e6, (double)t->compute_ns / 1e6,
				 (double)t->encode_ns / 1e6);
}

static const char *allowed(const struct request *request)
{
	return request->route ? route_allow(request->route) : "GET, HEAD, POST, OPTIONS";
}

/* What of the request the reply depends on, so that caches can tell. */
static const char *varying(const struct request *request)
{
	static const char *const lists[] = {NULL, "Origin", "Accept-Encoding",
					    "Accept-Encoding, Origin"};
	const struct reply *reply = &request->reply;
	bool by_coding = reply->coded || reply->size >= COMPRESSED_BYTES;
	return lists[2 * by_coding + cors_varies(request->service->config.cors_origins)];
}

/* For pages of other origins that the setting names: what they may send, and read of a reply. */
static void add_cors(struct request *request)
{
	struct reply *reply = &request->reply;
	const char *list = request->service->config.cors_origins;
	const char *allow = cors_allow(list, request->head.origin);
	if (!allow)
		return;
	add_header(reply, "Access-Control-Allow-Origin", allow);
	if (request->method != METHOD_OPTIONS) {
		add_header(reply, "Access-Control-Expose-Headers",
			   "Inference-Header-Content-Length, X-Request-Id, Server-Timing, "
			   "Retry-After, traceparent, tracestate");
		return;
	}
	add_header(reply, "Access-Control-Allow-Methods", allowed(request));
	add_header(reply, "Access-Control-Allow-Headers",
		   "Content-Encoding, Content-Type, Inference-Header-Content-Length, X-Request-Id, "
		   "X-Request-Timeout-Ms, traceparent, tracestate");
	add_header(reply, "Access-Control-Max-Age", "600");
}

/* Compresses the body where that is worth it and asked for; where there is no memory for it, the
 * reply goes as it is. */
static void compress(struct request *request)
{
	struct reply *reply = &request->reply;
	/* The reserve is for what must be said, not for saying it in few bytes. */
	bool scarce = request->over_budget || request->spare;
	if (reply->size < COMPRESSED_BYTES || scarce || !head_takes_gzip(&request->head))
		return;
	uint64_t start = clock_ns();
	struct loss_buffer *coded = gzip_bytes(reply->body, reply->size, request->arena);
	if (coded) {
		reply->body = coded->data;
		reply->size = coded->size;
		reply->coded = true;
	}
	request->timings.encode_ns += clock_ns() - start;
}

/* What every reply carries. */
static void complete(struct request *request, const char *content_type)
{
	struct reply *reply = &request->reply;
	add_header(reply, REPLY_NO_SNIFFING, REPLY_NO_SNIFFING_VALUE);
	if (reply->size > 0)
		add_header(reply, "Content-Type", content_type);
	if (reply->coded)
		add_header(reply, "Content-Encoding", "gzip");
	add_header(reply, "Vary", varying(request));
	add_header(reply, "X-Request-Id", request->id);
	add_header(reply, "traceparent", request->head.traceparent);
	add_header(reply, "tracestate", request->head.tracestate);
	if (request->method == METHOD_POST && request->loss && request->route->protocol)
		add_header(reply, "Server-Timing", server_timing(request));
	if (reply->status == 429 || reply->status == 503)
		add_header(reply, "Retry-After", RETRY_AFTER_SECONDS);
	add_cors(request);
	request->stage = REQUEST_REPLY;
}

static loss_status write_page(struct request *request, struct loss_arena *arena,
			      struct loss_error *err)
{
	struct reply *reply = &request->reply;
	struct loss_buffer *out = loss_buffer_create(arena);
	if (!out)
		return loss_arena_failure(arena, err);
	loss_status status = request->route->page(request, out, err);
	if (status == LOSS_OK && !reply->body) {
		reply->body = out->data;
		reply->size = out->size;
	}
	return status;
}

void reply_page(struct request *request)
{
	struct reply *reply = &request->reply;
	if (request->method == METHOD_OPTIONS) {
		reply->status = 204;
		add_header(reply, "Allow", allowed(request));
		complete(request, NULL);
		return;
	}
	reply->status = 200;
	loss_status status = write_page(request, request->arena, &request->error);
	/* Pages are small, and some tell how the server fares: they are written all the same. */
	if (status == LOSS_TOO_MUCH_MEMORY_IN_FLIGHT && request_spare(request))
		status = write_page(request, request_spare(request), &request->error);
	if (status == LOSS_OK) {
		request->error.status = LOSS_OK;
		compress(request);
		complete(request, request->route->content_type);
	} else {
		reply_error(request);
	}
}

void reply_encode(struct request *request)
{
	struct reply *reply = &request->reply;
	struct encoded out = {.body = loss_buffer_create(request->arena)};
	if (!out.body) {
		loss_arena_failure(request->arena, &request->error);
		return;
	}
	if (evaluation_write(request->evaluation, &out, &request->error) == LOSS_OK) {
		reply->body = out.body->data;
		reply->size = out.body->size;
		compress(request);
		if (reply->coded)
			loss_buffer_release(out.body);
		reply->content_type = out.content_type;
		reply->more = (struct header){out.header, out.value};
	} else {
		loss_buffer_release(out.body); /* the error's document takes its place */
	}
}

void reply_evaluation(struct request *request)
{
	struct reply *reply = &request->reply;
	reply->status = 200;
	if (reply->more.name)
		add_header(reply, reply->more.name, reply->more.value);
	complete(request, reply->content_type);
}

/* ---------------------------------------------------------------- errors */

/* Open Inference Protocol: its clients read {"error": "..."}. */
static bool write_v2_error(struct loss_buffer *out, const char *detail)
{
	struct json_out json;
	json_out_start(&json, out);
	json_out_open(&json, '{');
	json_out_string_member(&json, "error", detail);
	json_out_close(&json, '}');
	return !json.failed;
}

static bool write_problem(const struct request *request, struct loss_buffer *out)
{
	char pointer[256] = "";
	const struct evaluation *e = request->evaluation;
	if (e && e->decoder && request->error.field[0] != '\0')
		e->decoder->pointer(e->decoder, &request->error, pointer, sizeof pointer);
	return problem_json_write(out, &request->error, pointer, request->id);
}

const char *reply_no_memory(bool v2, bool budget, size_t *size)
{
	static const char *const documents[2][2] = {
		{"{\"type\": \"/problems/out_of_memory\", \"title\": \"An allocation failed\", "
		 "\"status\": 503, \"detail\": \"There was no memory to say more.\", "
		 "\"code\": \"out_of_memory\"}",
		 "{\"type\": \"/problems/too_much_memory_in_flight\", \"title\": \"Too much memory "
		 "in flight\", \"status\": 429, \"detail\": \"The requests being served "
		 "hold the whole memory budget (memory_budget_bytes); send this one again "
		 "later.\", \"code\": \"too_much_memory_in_flight\"}"},
		{"{\"error\": \"There was no memory to say more.\"}",
		 "{\"error\": \"The requests being served hold the whole memory budget "
		 "(memory_budget_bytes); send this one again later.\"}"},
	};
	*size = strlen(documents[v2][budget]);
	return documents[v2][budget];
}

const char *reply_error_type(bool v2)
{
	return v2 ? "application/json" : "application/problem+json";
}

/* The document, written into an arena; false when that has no memory. */
static bool write_error(struct request *request, struct loss_arena *arena, bool v2)
{
	struct reply *reply = &request->reply;
	struct loss_buffer *out = arena ? loss_buffer_create(arena) : NULL;
	if (!out ||
	    !(v2 ? write_v2_error(out, request->error.detail) : write_problem(request, out)))
		return false;
	reply->body = out->data;
	reply->size = out->size;
	return true;
}

static unsigned http_status(loss_status status, bool v2)
{
	unsigned http = (unsigned)status_http(status);
	return v2 && http == 422 ? 400 : http;
}

void reply_error(struct request *request)
{
	struct reply *reply = &request->reply;
	loss_status status = request->error.status;
	bool v2 = route_is_v2(request->target.path, request->target.n_path);
	/* Nothing of the body is needed any more, and the document needs room. */
	request_drop_body(request);
	reply->status = http_status(status, v2);
	if (!write_error(request, request->arena, v2) &&
	    !write_error(request, request_spare(request), v2)) {
		bool budget = status == LOSS_TOO_MUCH_MEMORY_IN_FLIGHT;
		reply->body = reply_no_memory(v2, budget, &reply->size);
		reply->status = budget ? 429 : 503;
	}
	if (status == STATUS_METHOD_NOT_ALLOWED)
		add_header(reply, "Allow", allowed(request));
	if (status == STATUS_UNSUPPORTED_ENCODING)
		add_header(reply, "Accept-Encoding", HEAD_ENCODINGS);
	if (status == STATUS_DRAINING)
		reply->close = true;
	complete(request, reply_error_type(v2));
}
