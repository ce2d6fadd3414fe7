#include "http.h"

#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "acceptor.h"
#include "codec/encoder.h"
#include "log.h"
#include "metrics.h"
#include "raw_head.h"
#include "reply.h"
#include "request.h"
#include "request_id.h"
#include "shm.h"

struct http {
	struct service service;
	struct MHD_Daemon *daemon;
	struct acceptor *acceptor;
	/* For a request that there is not even memory to begin. */
	struct MHD_Response *no_memory;
};

/* ---------------------------------------------------------------- connections */

static struct reaper_entry *entry_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	return info ? (struct reaper_entry *)info->socket_context : NULL;
}

static void on_connection(void *context, struct MHD_Connection *connection, void **socket_context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct http *http = (struct http *)context;
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		const union MHD_ConnectionInfo *info =
			MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
		*socket_context = info ? reaper_open(http->service.reaper, info->connect_fd) : NULL;
		metrics_connection(1);
		return;
	}
	if (*socket_context)
		reaper_close(http->service.reaper, (struct reaper_entry *)*socket_context);
	metrics_connection(-1);
}

/* ---------------------------------------------------------------- replies */

/* The body is not copied. libmicrohttpd does not write to a persistent buffer, though its type says
 * that it might. */
static struct MHD_Response *response_of(const void *bytes, size_t size)
{
	union {
		const void *in;
		void *out;
	} body = {.in = size ? bytes : ""};
	return MHD_create_response_from_buffer(size, body.out, MHD_RESPMEM_PERSISTENT);
}

/* The body stays the request's, which is freed after it has been sent (on_completed). */
static struct MHD_Response *make_response(const struct reply *reply)
{
	struct MHD_Response *response = response_of(reply->body, reply->size);
	if (!response)
		return NULL;
	for (size_t i = 0; i < reply->n_headers; i++)
		MHD_add_response_header(response, reply->headers[i].name, reply->headers[i].value);
	if (reply->close)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	return response;
}

/* Before its client can know of the reply, and ask how often there was one. */
static void count_inference(const struct request *request)
{
	const struct timings *t = &request->timings;
	if (!request->route || request->route->door != &door_v2 || !request->loss ||
	    request->method != METHOD_POST)
		return;
	const struct metrics_inference counted = {
		.loss = request->loss,
		.success = request->reply.status == MHD_HTTP_OK,
		.total_ns = clock_ns() - t->start_ns,
		.queue_ns = t->queue_ns,
		.input_ns = t->decode_ns,
		.infer_ns = t->compute_ns,
		.output_ns = t->encode_ns,
	};
	metrics_inference(&counted);
}

static enum MHD_Result send_reply(struct MHD_Connection *connection, struct request *request)
{
	count_inference(request);
	struct reaper *reaper = request->service->reaper;
	struct MHD_Response *response = make_response(&request->reply);
	if (!response)
		return MHD_NO;
	reaper_enter(reaper, request->entry, REAPER_REPLY);
	reaper_bytes(reaper, request->entry, request->reply.size);
	enum MHD_Result result = MHD_queue_response(connection, request->reply.status, response);
	MHD_destroy_response(response);
	return result;
}

/* ---------------------------------------------------------------- requests */

static void *on_target(void *context, const char *target, struct MHD_Connection *connection)
{
	struct http *http = (struct http *)context;
	struct reaper_entry *entry = entry_of(connection);
	struct request *request = NULL;
	if (entry) {
		reaper_enter(http->service.reaper, entry, REAPER_HEAD);
		request = request_create(&http->service, entry, target ? target : "");
	}
	if (target)
		raw_head_hide_query(target);
	return request;
}

static enum MHD_Result refuse_for_memory(struct http *http, struct MHD_Connection *connection)
{
	metrics_reject(METRICS_REJECT_MEMORY);
	return MHD_queue_response(connection, MHD_HTTP_SERVICE_UNAVAILABLE, http->no_memory);
}

static enum MHD_Result begin(struct http *http, struct MHD_Connection *connection,
			     struct request *request, struct raw_head *head)
{
	head->target = request->target.text;
	if (!raw_head_read(connection, request->arena, head))
		return refuse_for_memory(http, connection);
	if (request_begin(request, head) == REQUEST_REPLY)
		return send_reply(connection, request);
	reaper_enter(http->service.reaper, request->entry, REAPER_BODY);
	return MHD_YES;
}

static void resume(void *connection)
{
	MHD_resume_connection((struct MHD_Connection *)connection);
}

/* The body is complete. */
static enum MHD_Result end(struct http *http, struct MHD_Connection *connection,
			   struct request *request)
{
	if (request_end(request) == REQUEST_REPLY)
		return send_reply(connection, request);
	reaper_enter(http->service.reaper, request->entry, REAPER_COMPUTE);
	/* In this order: it may be computed and resumed before the next line is reached. */
	MHD_suspend_connection(connection);
	request_submit(request, resume, connection);
	return MHD_YES;
}

static enum MHD_Result finish(struct MHD_Connection *connection, struct request *request)
{
	/* libmicrohttpd may ask before it is resumed; the connection then stays suspended. */
	if (!atomic_load_explicit(&request->computed, memory_order_acquire))
		return MHD_YES;
	return request_finish(request) == REQUEST_REPLY ? send_reply(connection, request) : MHD_NO;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *bytes,
				  size_t *n, void **request_context)
{
	struct http *http = (struct http *)context;
	struct request *request = (struct request *)*request_context;
	struct raw_head head = {.method = method, .url = url, .version = version};

	if (!request)
		return refuse_for_memory(http, connection);
	if (request->stage == REQUEST_HEAD)
		return begin(http, connection, request, &head);
	if (*n > 0) {
		bool more = request_feed(request, bytes, *n);
		*n = 0;
		if (!more)
			metrics_reject(METRICS_REJECT_BODY_TOO_LARGE);
		return more ? MHD_YES : MHD_NO;
	}
	if (request->stage == REQUEST_BODY)
		return end(http, connection, request);
	return finish(connection, request);
}

/* ---------------------------------------------------------------- ends */

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
		{"bytes_out", NULL, (double)reply->size},
		{"code", loss_status_info(request->error.status)->code, 0},
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
		.bytes_out = request->method == METHOD_HEAD ? 0 : request->reply.size,
	};
	metrics_request(&counted);
}

static enum metrics_reject reason_of(loss_status status)
{
	switch (status) {
	case LOSS_DRAINING:
		return METRICS_REJECT_DRAINING;
	case LOSS_BODY_TOO_LARGE:
		return METRICS_REJECT_BODY_TOO_LARGE;
	case LOSS_TOO_MUCH_MEMORY_IN_FLIGHT:
	case LOSS_OUT_OF_MEMORY:
		return METRICS_REJECT_MEMORY;
	default:
		return METRICS_N_REJECTS;
	}
}

/* Ended without a reply, or before all of it was sent: who is to blame, where it has not been
 * counted yet. */
static void count_loss(struct request *request, enum MHD_RequestTerminationCode code)
{
	bool replied = request->reply.status != 0;
	if (reaper_was_cut(request->service->reaper, request->entry) ||
	    (!replied && request->error.status == LOSS_BODY_TOO_LARGE))
		return;
	/* Without a word from us: libmicrohttpd has refused it. */
	bool refused = !replied && !atomic_load(&request->gone) &&
		       code == MHD_REQUEST_TERMINATED_WITH_ERROR;
	metrics_reject(refused ? METRICS_REJECT_FRAMING : METRICS_REJECT_CLIENT_GONE);
}

/* The one place where a request is freed: its reply has been sent, or never will be. */
static void on_completed(void *context, struct MHD_Connection *connection, void **request_context,
			 enum MHD_RequestTerminationCode code)
{
	struct http *http = (struct http *)context;
	struct request *request = (struct request *)*request_context;
	struct reaper_entry *entry = entry_of(connection);
	*request_context = NULL;

	if (request) {
		double seconds = (double)(clock_ns() - request->timings.start_ns) * 1e-9;
		enum metrics_reject reason = reason_of(request->error.status);
		if (request->reply.status != 0)
			count_request(request, seconds);
		if (request->reply.status != 0 && reason != METRICS_N_REJECTS)
			metrics_reject(reason);
		if (code != MHD_REQUEST_TERMINATED_COMPLETED_OK)
			count_loss(request, code);
		log_request(request, seconds);
		request_destroy(request);
	}
	if (entry)
		reaper_enter(http->service.reaper, entry, REAPER_IDLE);
}

/* ---------------------------------------------------------------- start */

static void on_log(void *context, const char *format, va_list arguments)
	__attribute__((format(printf, 2, 0)));

/* libmicrohttpd complains of what clients do: of interest to who is looking for it. */
static void on_log(void *context, const char *format, va_list arguments)
{
	char text[256];
	(void)context;
	if (!log_enabled(LOG_DEBUG))
		return;
	vsnprintf(text, sizeof text, format, arguments);
	text[strcspn(text, "\n")] = '\0';
	const struct log_field field = {"text", text, 0};
	log_event(LOG_DEBUG, "libmicrohttpd", &field, 1);
}

static unsigned flags(void)
{
	unsigned polling = MHD_is_feature_supported(MHD_FEATURE_EPOLL) == MHD_YES
				   ? (unsigned)MHD_USE_EPOLL
				   : (unsigned)MHD_USE_AUTO;
	return polling | (unsigned)MHD_USE_INTERNAL_POLLING_THREAD |
	       (unsigned)MHD_USE_NO_LISTEN_SOCKET | (unsigned)MHD_ALLOW_SUSPEND_RESUME |
	       (unsigned)MHD_USE_ERROR_LOG;
}

static struct MHD_Daemon *start_daemon(struct http *http)
{
	const struct config *c = &http->service.config;
	/* Each thread has its share of the connections; none may have no share. */
	uint64_t threads = c->io_threads < c->connections ? c->io_threads : c->connections;
	struct MHD_OptionItem options[] = {
		{MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t)c->connection_memory_bytes, NULL},
		{MHD_OPTION_CONNECTION_LIMIT, (intptr_t)c->connections, NULL},
		{MHD_OPTION_PER_IP_CONNECTION_LIMIT, (intptr_t)c->connections_per_address, NULL},
		/* The reaper does it. */
		{MHD_OPTION_CONNECTION_TIMEOUT, 0, NULL},
#if MHD_VERSION >= 0x01000000
		{MHD_OPTION_CLIENT_DISCIPLINE_LVL, 1, NULL},
#else
		/* Its own 400s send the header block twice; the guard is stricter anyway. */
		{MHD_OPTION_STRICT_FOR_CLIENT, 0, NULL},
#endif
		/* A pool of one is refused: it is a daemon with a thread of its own. */
		{threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, (intptr_t)threads,
		 NULL},
		{MHD_OPTION_END, 0, NULL},
	};
	return MHD_start_daemon(
		flags(), 0, NULL, NULL, on_request, http, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
		MHD_OPTION_URI_LOG_CALLBACK, on_target, http, MHD_OPTION_NOTIFY_COMPLETED,
		on_completed, http, MHD_OPTION_NOTIFY_CONNECTION, on_connection, http,
		MHD_OPTION_ARRAY, options, MHD_OPTION_END);
}

static struct MHD_Response *make_no_memory(void)
{
	size_t size;
	const char *document = reply_no_memory(&size);
	struct MHD_Response *response = response_of(document, size);
	if (!response)
		return NULL;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/problem+json");
	MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, "1");
	MHD_add_response_header(response, REPLY_NO_SNIFFING, REPLY_NO_SNIFFING_VALUE);
	return response;
}

static bool start_metrics(struct loss_arena *arena, const char *isa)
{
	const char **labels = loss_arena_array(arena, const char *, ROUTE_MAX + 1);
	size_t n = 0;
	if (!labels)
		return false;
	for (const struct route *route = routes; route->path; route++)
		labels[n++] = route->path;
	labels[n++] = ROUTE_OTHER;
	return metrics_start(labels, n, isa ? isa : loss_isa());
}

/* False: it is switched on, and can not be had. */
static bool start_memory(struct service *service, struct loss_arena *arena)
{
	const struct config *config = &service->config;
	const struct shm_settings settings = {
		.key_prefix = config->shm_key_prefix,
		.owners = config->shm_owners,
		.max_regions = config->shm_max_regions,
		.max_bytes = config->shm_max_bytes,
	};
	if (!shm_is_on(config->shm_key_prefix))
		return true;
	service->shm = shm_create(&settings, arena);
	return service->shm != NULL;
}

static bool has_room(void *context)
{
	struct http *http = (struct http *)context;
	return reaper_connections(http->service.reaper) < http->service.config.connections;
}

static void on_accepted(void *context, int fd, const struct sockaddr *address, socklen_t size)
{
	struct http *http = (struct http *)context;
	MHD_add_connection(http->daemon, fd, address, size); /* closes it where it cannot */
}

static bool start_accepting(struct http *http, struct loss_arena *arena, int listener)
{
	const struct acceptor_calls calls = {http, has_room, on_accepted};
	http->acceptor = acceptor_start(arena, listener, &calls);
	return http->acceptor != NULL;
}

struct http *http_start(struct loss_arena *arena, const struct config *config, int listener)
{
	struct http *http = loss_arena_array(arena, struct http, 1);
	const char *failed = NULL;
	if (http) {
		memset(http, 0, sizeof *http);
		http->service.config = *config;
		http->service.isa = config_isa(config);
		http->service.budget.limit = (size_t)config->memory_budget_bytes;
		request_id_start();
	}
	if (!http || !start_metrics(arena, http->service.isa))
		failed = "memory";
	else if (!start_memory(&http->service, arena))
		failed = "shared memory";
	else if (!(http->service.reaper = reaper_start(arena, &http->service.config)))
		failed = "the thread of deadlines";
	else if (!(http->service.scheduler = scheduler_start(arena, (int)config->threads)))
		failed = "the compute thread";
	else if (!(http->no_memory = make_no_memory()) || !(http->daemon = start_daemon(http)))
		failed = "the threads that serve connections";
	else if (!start_accepting(http, arena, listener))
		failed = "the thread that accepts connections";
	if (!failed)
		return http;
	fprintf(stderr, "lossd: start: no %s\n", failed);
	http_stop(http);
	close(listener);
	return NULL;
}

/* ---------------------------------------------------------------- stop */

void http_leave(struct http *http)
{
	atomic_store(&http->service.stage, SERVICE_LEAVING);
}

void http_drain(struct http *http)
{
	atomic_store(&http->service.stage, SERVICE_DRAINING);
	acceptor_stop(http->acceptor);
	reaper_drain(http->service.reaper);
}

void http_cut(struct http *http)
{
	reaper_cut_all(http->service.reaper);
}

size_t http_connections(struct http *http)
{
	return reaper_connections(http->service.reaper);
}

void http_stop(struct http *http)
{
	if (!http)
		return;
	acceptor_stop(http->acceptor);
	if (http->daemon)
		MHD_stop_daemon(http->daemon);
	scheduler_stop(http->service.scheduler);
	reaper_stop(http->service.reaper);
	shm_destroy(http->service.shm);
	if (http->no_memory)
		MHD_destroy_response(http->no_memory);
}
