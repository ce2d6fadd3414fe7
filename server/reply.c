#include "reply.h"

#include "codec/json_out.h"
#include "codec/problem_json.h"
#include "cors.h"

/* How soon a shed request may come again. The queue is short, so soon. */
#define RETRY_AFTER_SECONDS "1"

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

/* For pages of other origins that the setting names: what they may send, and read of a reply. */
static void add_cors(struct request *request)
{
	struct reply *reply = &request->reply;
	const char *list = request->service->config.cors_origins;
	const char *allow = cors_allow(list, request->head.origin);
	if (cors_varies(list))
		add_header(reply, "Vary", "Origin");
	if (!allow)
		return;
	add_header(reply, "Access-Control-Allow-Origin", allow);
	if (request->method != METHOD_OPTIONS) {
		add_header(reply, "Access-Control-Expose-Headers",
			   "X-Request-Id, Server-Timing, Retry-After, traceparent, tracestate");
		return;
	}
	add_header(reply, "Access-Control-Allow-Methods", allowed(request));
	add_header(reply, "Access-Control-Allow-Headers",
		   "Content-Type, X-Request-Id, X-Request-Timeout-Ms, traceparent, tracestate");
	add_header(reply, "Access-Control-Max-Age", "600");
}

/* What every reply carries. */
static void complete(struct request *request, const char *content_type)
{
	struct reply *reply = &request->reply;
	if (reply->size > 0)
		add_header(reply, "Content-Type", content_type);
	add_header(reply, "X-Request-Id", request->id);
	add_header(reply, "traceparent", request->head.traceparent);
	add_header(reply, "tracestate", request->head.tracestate);
	if (request->method == METHOD_POST && request->loss)
		add_header(reply, "Server-Timing", server_timing(request));
	if (reply->status == 429 || reply->status == 503)
		add_header(reply, "Retry-After", RETRY_AFTER_SECONDS);
	add_cors(request);
	if (service_stage(request->service) != SERVICE_RUNNING)
		reply->close = true;
	request->stage = REQUEST_REPLY;
}

static loss_status write_page(struct request *request, struct loss_error *err)
{
	struct reply *reply = &request->reply;
	struct loss_buffer *out = loss_buffer_create(request->arena);
	if (!out)
		return loss_arena_failure(request->arena, err);
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
	if (write_page(request, &request->error) == LOSS_OK)
		complete(request, request->route->content_type);
	else
		reply_error(request);
}

void reply_encode(struct request *request)
{
	struct reply *reply = &request->reply;
	struct loss_buffer *out = loss_buffer_create(request->arena);
	if (!out) {
		loss_arena_failure(request->arena, &request->error);
		return;
	}
	if (evaluation_write(request->evaluation, out, &request->error) == LOSS_OK) {
		reply->body = out->data;
		reply->size = out->size;
	} else {
		loss_buffer_release(out); /* the error's document takes its place */
	}
}

void reply_evaluation(struct request *request)
{
	request->reply.status = 200;
	complete(request, request->route->content_type);
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

const char *reply_no_memory(size_t *size)
{
	static const char document[] =
		"{\"type\": \"/problems/out_of_memory\", \"title\": \"An allocation failed\", "
		"\"status\": 503, \"detail\": \"There was no memory to say more.\", "
		"\"code\": \"out_of_memory\"}";
	*size = sizeof document - 1;
	return document;
}

void reply_error(struct request *request)
{
	struct reply *reply = &request->reply;
	loss_status status = request->error.status;
	bool v2 = route_is_v2(request->path, request->n_path);
	/* Nothing of the body is needed any more, and the document needs room. */
	loss_arena_release_buffers(request->arena);
	struct loss_buffer *out = loss_buffer_create(request->arena);
	bool written = out && (v2 ? write_v2_error(out, request->error.detail)
				  : write_problem(request, out));

	reply->status = (unsigned)loss_status_info(status)->http;
	if (v2 && reply->status == 422)
		reply->status = 400;
	if (written) {
		reply->body = out->data;
		reply->size = out->size;
	} else {
		reply->body = reply_no_memory(&reply->size);
		reply->status = 503;
	}
	if (status == LOSS_METHOD_NOT_ALLOWED)
		add_header(reply, "Allow", allowed(request));
	if (status == LOSS_UNSUPPORTED_ENCODING)
		add_header(reply, "Accept-Encoding", "identity");
	if (status == LOSS_DRAINING)
		reply->close = true;
	complete(request, v2 ? "application/json" : "application/problem+json");
}
