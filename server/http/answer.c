#include "answer.h"

#include <string.h>

#include "auth/cors.h"
#include "authorise.h"
#include "codec/json/json_out.h"
#include "codec/json/problem_json.h"
#include "codec/text/thousandths.h"
#include "intake.h"
#include "status/status.h"

/* How soon a shed request may come again, where nothing is known of it. */
#define RETRY_AFTER_SECONDS "1"

static const char *retry_after(const struct request *request)
{
	const char *seconds = request->retry_s > 0
				      ? loss_arena_printf(request->arena, "%u", request->retry_s)
				      : NULL;
	return seconds ? seconds : RETRY_AFTER_SECONDS;
}

/* "receive;dur=0.012, decode;dur=0.009, ..."; NULL, and the header is left out, where there is no
 * memory. */
static const char *server_timing(struct request *request)
{
	const struct timings *t = &request->timings;
#define NAME(text) text, sizeof(text) - 1
	const struct phase {
		const char *name;
		size_t n;
		uint64_t ns;
	} phases[N_PHASES] = {
		{NAME("receive;dur="), t->receive_ns}, {NAME(", decode;dur="), t->decode_ns},
		{NAME(", queue;dur="), t->queue_ns},   {NAME(", compute;dur="), t->compute_ns},
		{NAME(", encode;dur="), t->encode_ns},
	};
#undef NAME
	enum { NAME_CHARS = 16 };
	char *text = loss_arena_array(request->arena, char,
				      N_PHASES *(NAME_CHARS + THOUSANDTHS_CHARS) + 1);
	char *p = text;
	for (size_t i = 0; text && i < N_PHASES; i++) {
		memcpy(p, phases[i].name, phases[i].n);
		p += phases[i].n;
		p += thousandths_write(thousandths_of_ms(phases[i].ns), p);
	}
	if (text)
		*p = '\0';
	return text;
}

/* In the arena; NULL, and the header is left out, where there is no memory. */
static const char *allowed(const struct request *request)
{
	char allow[ROUTE_ALLOW_SIZE];
	return loss_arena_printf(request->arena, "%s", route_allow(request->route, allow));
}

/* What of the request the reply depends on, so that caches can tell. */
static const char *varying(const struct request *request)
{
	static const char *const lists[] = {NULL, "Origin", "Accept-Encoding",
					    "Accept-Encoding, Origin"};
	return lists[2 * request->reply.varies + cors_varies(request->server->config.cors_origins)];
}

/* For pages of other origins that the setting names: what they may send, and read of a reply. */
static void add_cors(struct request *request)
{
	struct reply *reply = &request->reply;
	const char *list = request->server->config.cors_origins;
	const char *allow = cors_allow(list, request->head.origin);
	if (!allow)
		return;
	reply_add_header(reply, "Access-Control-Allow-Origin", allow);
	if (request->method != METHOD_OPTIONS) {
		reply_add_header(reply, "Access-Control-Expose-Headers",
				 "Inference-Header-Content-Length, X-Request-Id, Server-Timing, "
				 "Retry-After, traceparent, tracestate");
		return;
	}
	reply_add_header(reply, "Access-Control-Allow-Methods", allowed(request));
	reply_add_header(reply, "Access-Control-Allow-Headers",
			 "Authorization, Content-Encoding, Content-Type, "
			 "Inference-Header-Content-Length, X-Request-Id, "
			 "X-Request-Timeout-Ms, traceparent, tracestate");
	reply_add_header(reply, "Access-Control-Max-Age", "600");
}

void answer_complete(struct request *request)
{
	struct reply *reply = &request->reply;
	reply_add_header(reply, REPLY_NO_SNIFFING, REPLY_NO_SNIFFING_VALUE);
	if (reply_size(reply) > 0)
		reply_add_header(reply, "Content-Type", reply->content_type);
	if (reply->coded)
		reply_add_header(reply, "Content-Encoding",
				 content_coding_name(head_reply_coding(&request->head).coding));
	reply_add_header(reply, "Vary", varying(request));
	reply_add_header(reply, "X-Request-Id", request->id);
	reply_add_header(reply, "traceparent", request->head.traceparent);
	reply_add_header(reply, "tracestate", request->head.tracestate);
	if (request->loss && request->endpoint && request->endpoint->protocol)
		reply_add_header(reply, "Server-Timing", server_timing(request));
	if (reply->status == 429 || reply->status == 503)
		reply_add_header(reply, "Retry-After", retry_after(request));
	add_cors(request);
	request->stage = REQUEST_REPLY;
}

void answer_options(struct request *request)
{
	request->reply.status = 204;
	reply_add_header(&request->reply, "Allow", allowed(request));
}

/* ---------------------------------------------------------------- errors */

/* Open Inference Protocol: its clients read {"error": "..."}. */
static bool write_v2_error(struct loss_buffer *out, const char *detail)
{
	struct json_out json;
	json_out_start(&json, out);
	json_out_open(&json, '{');
	json_out_string_member(&json, "error", detail);
	json_out_end(&json, '}');
	return !json.failed;
}

static void point(const void *context, const struct loss_error *err, char *out, size_t size)
{
	const struct request *request = context;
	request->endpoint->handler->point(request, err, out, size);
}

static bool write_problem(const struct request *request, struct loss_buffer *out)
{
	const struct problem_origin origin = {
		.request_id = request->id,
		.point = request->state ? point : NULL,
		.context = request,
	};
	struct loss_error err;
	fault_report(&request->fault, &err);
	return problem_json_write(out, &err, &origin);
}

/* The document, written into an arena; false when that has no memory. */
static bool write_error(struct request *request, struct loss_arena *arena, bool v2)
{
	struct reply *reply = &request->reply;
	struct loss_buffer *out = arena ? loss_buffer_create(arena) : NULL;
	if (!out ||
	    !(v2 ? write_v2_error(out, request->fault.error.detail) : write_problem(request, out)))
		return false;
	reply_set_body(reply, out->data, out->size);
	return true;
}

static unsigned http_status(loss_status status, bool v2)
{
	unsigned http = (unsigned)status_http(status);
	return v2 && http == 422 ? 400 : http;
}

void answer_drop(struct request *request)
{
	if (request->state)
		intake_drop(request);
	else
		loss_arena_release_buffers(request->arena);
}

/* What was filled in before the error is not the reply. */
static void begin_error(struct request *request, unsigned status, bool v2)
{
	bool close = request->reply.close || request->fault.error.status == STATUS_DRAINING;
	request->reply = (struct reply){
		.status = status, .content_type = reply_error_type(v2), .close = close};
}

void answer_error(struct request *request)
{
	struct reply *reply = &request->reply;
	loss_status status = request->fault.error.status;
	bool v2 = route_is_v2(request->target.path, request->target.n_path);
	/* Nothing of the body is needed any more, and the document needs room. */
	answer_drop(request);
	begin_error(request, http_status(status, v2), v2);
	if (!write_error(request, request->arena, v2) &&
	    !write_error(request, request_spare(request), v2)) {
		bool budget = status == LOSS_TOO_MUCH_MEMORY_IN_FLIGHT;
		size_t size;
		const char *document = reply_no_memory(v2, budget, &size);
		reply_set_body(reply, document, size);
		reply->status = budget ? 429 : 503;
	}
	if (status == STATUS_UNAUTHORIZED)
		reply_add_header(reply, "WWW-Authenticate", authorise_challenge(request));
	if (status == STATUS_METHOD_NOT_ALLOWED)
		reply_add_header(reply, "Allow", allowed(request));
	if (status == STATUS_UNSUPPORTED_ENCODING)
		reply_add_header(reply, "Accept-Encoding", CONTENT_CODINGS);
	answer_complete(request);
}
