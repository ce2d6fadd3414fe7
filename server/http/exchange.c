#include "exchange.h"

#include <string.h>

#include "access.h"
#include "answer.h"
#include "authorise.h"
#include "deadline.h"
#include "eval/protocols.h"
#include "intake.h"
#include "metrics/metrics.h"
#include "request_id.h"
#include "status/status.h"

#define NS_PER_MS UINT64_C(1000000)

/* ---------------------------------------------------------------- the head */

static loss_status check_stage(const struct request *request, struct loss_error *err)
{
	const struct server *server = request->server;
	if (server_stage(server) != SERVER_DRAINING || (request->route && request->route->always) ||
	    reaper_is_promised(server->reaper, request->entry))
		return LOSS_OK;
	return loss_fail(
		err, STATUS_DRAINING, NULL,
		"this server is going away and takes no new requests; send it to another one");
}

static int shown(size_t n)
{
	return n < 80 ? (int)n : 80;
}

static loss_status check_path(struct request *request, struct loss_error *err)
{
	const char *path = request->target.path;
	size_t n = request->target.n_path;
	if (request->method == METHOD_OPTIONS && n == 1 && *path == '*')
		return LOSS_OK;
	if (request->target.has_nul)
		return loss_fail(
			err, STATUS_UNKNOWN_PATH, NULL,
			"the path has a percent-encoded NUL; no path of this server has one");
	request->route = route_find(request->server->routes, path, n, request->arguments);
	if (request->route)
		return LOSS_OK;
	if (n > 1 && path[n - 1] == '/' &&
	    route_find(request->server->routes, path, n - 1, request->arguments))
		return loss_fail(err, STATUS_UNKNOWN_PATH, NULL,
				 "there is no path %.*s; leave out the slash at its end", shown(n),
				 path);
	return loss_fail(err, STATUS_UNKNOWN_PATH, NULL,
			 "there is no path %.*s; GET / lists the paths of this server", shown(n),
			 path);
}

/* Every loss has one version, as a model of the Open Inference Protocol. */
static loss_status check_version(const struct request *request, struct loss_error *err)
{
	const struct route_argument *version = &request->arguments[1];
	if (!version->text || (version->size == 1 && *version->text == '1'))
		return LOSS_OK;
	return loss_fail(err, STATUS_UNKNOWN_LOSS, NULL,
			 "there is no version \"%.*s\" of %s; the only one is \"1\"",
			 shown(version->size), version->text, request->loss->name);
}

static loss_status check_loss(struct request *request, struct loss_error *err)
{
	const char *name = request->arguments[0].text;
	size_t n = request->arguments[0].size;
	if (!request->route || !request->route->names_loss)
		return LOSS_OK;
	request->loss = loss_find(name, n);
	if (request->loss)
		return check_version(request, err);
	char hint[LOSS_HINT_CHARS];
	loss_hint_loss(name, n, hint, sizeof hint);
	return loss_fail(err, STATUS_UNKNOWN_LOSS, NULL,
			 "there is no loss \"%.*s\"; %s, and GET /v1/losses lists them all",
			 shown(n), name, hint);
}

/* A body of lines is another matter. */
static const struct endpoint *endpoint_of_body(const struct request *request,
					       const struct endpoint *endpoint)
{
	if (!endpoint || !endpoint->lines)
		return endpoint;
	const struct media_type *types = endpoint->lines->protocol->requests;
	for (; types->name; types++)
		if (head_names_type(&request->head, types->name))
			return endpoint->lines;
	return endpoint;
}

static loss_status check_method(struct request *request, const char *method, struct loss_error *err)
{
	char allow[ROUTE_ALLOW_SIZE];
	if (!request->route)
		return LOSS_OK;
	request->endpoint =
		endpoint_of_body(request, route_endpoint(request->route, request->method));
	if (route_allows(request->route, request->method))
		return LOSS_OK;
	return loss_fail(err, STATUS_METHOD_NOT_ALLOWED, NULL, "%s takes no %.20s; it takes %s",
			 request->route->path, method, route_allow(request->route, allow));
}

/* Bytes of the longest body that is taken, and what a message calls that. */
static uint64_t body_limit(const struct request *request, const char **name)
{
	uint64_t limit = request->server->config.max_body_bytes;
	uint64_t own = request->endpoint ? request->endpoint->handler->max_body_bytes : 0;
	bool less = own > 0 && own < limit;
	*name = less ? "of this path" : "(max_body_bytes)";
	return less ? own : limit;
}

static loss_status check_size(const struct request *request, struct loss_error *err)
{
	const struct framing *framing = &request->head.framing;
	const char *name;
	const char *needs = request->endpoint ? request->endpoint->handler->needs_body : NULL;
	uint64_t limit = body_limit(request, &name);
	if (needs && (request->loss || !request->route->names_loss) && !framing->has_length &&
	    !framing->chunked)
		return loss_fail(err, STATUS_LENGTH_REQUIRED, NULL,
				 "%s needs a body; send it with Content-Length or with "
				 "Transfer-Encoding: chunked",
				 needs);
	if (framing->length > limit)
		return loss_fail(err, STATUS_BODY_TOO_LARGE, NULL,
				 "Content-Length is %llu bytes, but the limit %s is %llu",
				 (unsigned long long)framing->length, name,
				 (unsigned long long)limit);
	return LOSS_OK;
}

static void identify(struct request *request)
{
	request->id = request->head.request_id;
	if (!request->id) {
		request_id_make(request->made_id);
		request->id = request->made_id;
	}
}

/* Everything that its head says, whatever the request is for. */
static void check_head(struct request *request, const struct raw_head *raw)
{
	request_fail(request, head_read(&request->head, raw->headers, raw->n_headers,
					request->arena, &request->found));
	head_take_authority(&request->head, request->target.authority);
	identify(request);
	request_fail(request, check_path(request, &request->found));
	request_fail(request, check_stage(request, &request->found));
	request_fail(request, check_loss(request, &request->found));
	request_fail(request, check_method(request, raw->method, &request->found));
}

/* How its body is framed. */
static loss_status check_framing(struct request *request, const struct raw_head *raw)
{
	loss_status framed = guard_check(raw, &request->head.framing, &request->found);
	request_fail(request, framed);
	if (framed != LOSS_OK)
		metrics_reject(METRICS_REJECT_FRAMING);
	else if (!request->unix_socket) /* no name can be made to point at a Unix socket */
		request_fail(request, access_check_host(&request->head, &request->server->config,
							&request->found));
	return framed;
}

static loss_status check_and_note_size(struct request *request)
{
	loss_status sized = check_size(request, &request->found);
	request_fail(request, sized);
	return sized;
}

/* Nothing is read of a stranger but what lets an ordinary client see the reply. */
#define STRANGER_BYTES ((uint64_t)1 << 20)

static bool is_stranger(const struct request *request)
{
	const struct framing *framing = &request->head.framing;
	return request->fault.error.status == STATUS_UNAUTHORIZED &&
	       (framing->chunked || framing->length > STRANGER_BYTES);
}

/* Whether to answer without having read the body. */
static bool refuses_now(const struct request *request, bool unbounded)
{
	bool failed = request->fault.error.status != LOSS_OK;
	bool waits = request->head.framing.expects_continue;
	/* Its body would hold the reserve that others are to be told from. */
	bool scarce = request->over_budget && request->endpoint &&
		      request->endpoint->handler->needs_body &&
		      server_reserve_is_low(request->server);
	return unbounded || is_stranger(request) || (failed && (waits || scarce));
}

enum request_stage exchange_begin(struct request *request, const struct raw_head *raw)
{
	uint64_t timeout_ms = 0;
	request->method = route_method(raw->method);
	request->interim = strcmp(raw->version, "HTTP/1.1") == 0;
	request->timings.start_ns = clock_ns();
	check_head(request, raw);
	loss_status framed = check_framing(request, raw);
	request_fail(request, head_timeout(&request->head, &timeout_ms, &request->found));
	loss_status sized = check_and_note_size(request);
	bool reads = framed == LOSS_OK && sized == LOSS_OK;
	request_fail(request, authorise(request, reads, &request->found));
	if (request->endpoint)
		request->endpoint->handler->begin(request);
	deadline_set(request, timeout_ms * NS_PER_MS, "X-Request-Timeout-Ms (%s)",
		     timeout_ms ? request->head.timeout : "");
	if (request->state && request->timeout_ns)
		deadline_watch(request);

	request->stage = REQUEST_BODY;
	if (refuses_now(request, !reads)) {
		request->reply.close = true;
		answer_error(request);
	}
	return request->stage;
}

/* ---------------------------------------------------------------- the body */

enum exchange_feed_end exchange_feed(struct request *request, const void *bytes, size_t n)
{
	const char *name;
	uint64_t limit = body_limit(request, &name);
	uint64_t total = request->timings.bytes_in += n;

	if (request->head.framing.chunked)
		authorise_bytes(request, n);
	reaper_received(request->server->reaper, request->entry, total,
			loss_arena_held(request->arena));
	if (total > limit) {
		/* Chunked: it could not be known before. A client that stops soon still gets the
		 * reply. */
		request_fail(request,
			     loss_fail(&request->found, STATUS_BODY_TOO_LARGE, NULL,
				       "the body is longer than the limit %s of %llu bytes", name,
				       (unsigned long long)limit));
		answer_drop(request); /* the rest is thrown away */
		return total - limit <= limit ? EXCHANGE_MORE : EXCHANGE_LONG;
	}
	if (atomic_load_explicit(&request->expired, memory_order_relaxed))
		answer_drop(request);
	else if (request->state && intake_feed(request, bytes, n))
		return EXCHANGE_FULL;
	return EXCHANGE_MORE;
}

void exchange_pause(struct request *request, void (*resume)(void *connection), void *connection)
{
	request->resume = resume;
	request->connection = connection;
	intake_await_room(request);
}

/* What was fed on a worker was fed meanwhile. */
static void note_received(struct request *request)
{
	struct timings *t = &request->timings;
	uint64_t elapsed = request->received_ns - t->start_ns;
	uint64_t fed = request->intake ? 0 : t->decode_ns;
	timings_begin(t);
	timings_extend(t, PHASE_RECEIVE, t->start_ns, request->received_ns);
	t->receive_ns = elapsed > fed ? elapsed - fed : 0;
}

/* What has been done stands, whatever the deadline. */
static bool is_late(const struct request *request)
{
	bool stands = request->endpoint && request->endpoint->handler->ends_what_it_begins;
	return !stands && atomic_load(&request->expired);
}

/* What the handler has come to. */
static enum request_stage follow(struct request *request, enum handler_end end)
{
	if (end == HANDLER_WAITS) {
		request->stage = REQUEST_WAIT;
		return request->stage;
	}
	deadline_unwatch(request);
	if (atomic_load(&request->gone)) {
		request->stage = REQUEST_GONE;
		return request->stage;
	}
	if (request->fault.error.status == LOSS_OK && is_late(request))
		request_fail(request, deadline_fail(request, "while the request was being answered",
						    &request->found));
	if (request->fault.error.status == LOSS_OK)
		answer_complete(request);
	else
		answer_error(request);
	return request->stage;
}

/* The body is complete, and has been fed. */
static enum request_stage end_body(struct request *request)
{
	enum handler_end end = HANDLER_DONE;
	const char *name;
	note_received(request);
	/* Of what was not fed to its end there is nothing to be judged. */
	bool cut = request->timings.bytes_in > body_limit(request, &name);
	if (!cut && atomic_load(&request->expired))
		request_fail(request, deadline_fail(request, "before the body was complete",
						    &request->found));
	else if (!cut && request->endpoint)
		end = request->endpoint->handler->end(request);
	else if (request->fault.error.status == LOSS_OK)
		answer_options(request);
	return follow(request, end);
}

enum request_stage exchange_end(struct request *request)
{
	request->received_ns = clock_ns();
	request->unfed = intake_is_busy(request);
	return request->unfed ? follow(request, HANDLER_WAITS) : end_body(request);
}

/* ---------------------------------------------------------------- what takes its time */

void exchange_start(struct request *request, void (*resume)(void *connection), void *connection)
{
	request->resume = resume;
	request->connection = connection;
	request->started_ns = clock_ns();
	request->stage = REQUEST_START;
	if (!request->watched)
		deadline_watch(request);
	if (request->unfed)
		intake_await_end(request);
	else
		request->endpoint->handler->start(request);
}

enum request_stage exchange_proceed(struct request *request)
{
	bool gone = atomic_load(&request->gone), fed = request->unfed;
	bool over = gone || request->fault.error.status != LOSS_OK;
	request->unfed = false;
	if (fed && !gone)
		return end_body(request);
	if (!over && is_late(request)) {
		request_fail(request,
			     deadline_fail(request,
					   request->timings.threads == 0
						   ? "while the request waited to be computed"
						   : "while the request was being answered",
					   &request->found));
		over = true;
	}
	return follow(request, over ? HANDLER_DONE : request->endpoint->handler->proceed(request));
}
