#include "connection.h"

#include <gnutls/abstract.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "access_log.h"
#include "accounting.h"
#include "exchange.h"
#include "intake.h"
#include "log/log.h"
#include "metrics/metrics.h"
#include "raw_head.h"
#include "response.h"
#include "settings/address.h"
#include "tls.h"

/* ---------------------------------------------------------------- connections */

static struct reaper_entry *entry_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	return info ? (struct reaper_entry *)info->socket_context : NULL;
}

static const struct sockaddr *peer_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	return info ? info->client_addr : NULL;
}

static bool is_unix_socket(struct MHD_Connection *connection)
{
	const struct sockaddr *peer = peer_of(connection);
	return peer && peer->sa_family == AF_UNIX;
}

static int fd_of(struct MHD_Connection *connection)
{
	return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

static struct reaper_entry *open_connection(struct connections *connections,
					    struct MHD_Connection *connection)
{
	struct server *server = connections->server;
	struct reaper_entry *entry = reaper_open(server->reaper, fd_of(connection));
	if (tls_open(server->tls, connection) && entry)
		reaper_encrypted(server->reaper, entry);
	return entry;
}

static void on_connection(void *context, struct MHD_Connection *connection, void **socket_context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct connections *connections = (struct connections *)context;
	struct reaper *reaper = connections->server->reaper;
	int fd = fd_of(connection);
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		admission_started(connections->admission, fd);
		*socket_context = open_connection(connections, connection);
		metrics_connection(1);
		return;
	}
	struct reaper_entry *entry = (struct reaper_entry *)*socket_context;
	/* A handshake that was cut has been counted. */
	if (!tls_close(connections->server->tls, connection) &&
	    !(entry && reaper_was_cut(reaper, entry))) {
		metrics_reject(METRICS_REJECT_TLS);
		access_log_handshake(&connections->server->config, peer_of(connection));
	}
	bool evicted = entry && reaper_close(reaper, entry);
	metrics_connection(-1);
	admission_release(connections->admission, fd);
	if (evicted)
		reaper_made_room(reaper);
}

void connections_add(struct connections *connections, bool tls, int fd,
		     const struct sockaddr *address, socklen_t size)
{
	if (MHD_add_connection(connections->daemons[tls], fd, address, size) != MHD_YES)
		admission_release(connections->admission, fd);
}

/* ---------------------------------------------------------------- replies */

/* Bytes of a request. Those of chunks can not be told. */
static uint64_t length_of(const struct request *request, struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
	if (!info || !request || request->head.framing.chunked)
		return REAPER_UNKNOWN;
	return info->header_size + request->timings.bytes_in;
}

/* Bytes that it took on the wire. Encrypted it is not known how many they were, but whether they
 * were all. */
static uint64_t consumed_by(const struct connections *connections, const struct request *request,
			    struct MHD_Connection *connection)
{
	uint64_t bytes = length_of(request, connection);
	if (bytes == REAPER_UNKNOWN || !tls_is_spoken(connection))
		return bytes;
	return tls_has_more(connections->server->tls, connection, bytes) ? 0 : REAPER_ALL;
}

/* Whether the connection ends with the reply: where the server goes away, or others wait for room;
 * but not before the next request that has been sent already. */
static bool closes(struct connections *connections, struct MHD_Connection *connection,
		   const struct request *request)
{
	struct server *server = connections->server;
	bool unwanted = server_stage(server) != SERVER_RUNNING ||
			admission_is_crowded(connections->admission);
	return request->reply.close ||
	       (unwanted && !reaper_has_more(server->reaper, request->entry,
					     consumed_by(connections, request, connection)));
}

static enum MHD_Result send_reply(struct connections *connections,
				  struct MHD_Connection *connection, struct request *request)
{
	struct reaper *reaper = connections->server->reaper;
	bool close = closes(connections, connection, request);
	accounting_inference(request);
	struct MHD_Response *response = response_make(request, close);
	if (!response)
		return MHD_NO;
	if (request->fault.error.status == LOSS_TOO_MUCH_MEMORY_IN_FLIGHT)
		reaper_press(reaper);
	reaper_reply(reaper, request->entry, reply_size(&request->reply),
		     loss_arena_held(request->arena));
	enum MHD_Result result = MHD_queue_response(connection, request->reply.status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result refuse_for_memory(struct connections *connections,
					 struct MHD_Connection *connection, const char *method,
					 const char *url, bool budget)
{
	bool v2 = route_is_v2(url, strlen(url));
	loss_status why = budget ? LOSS_TOO_MUCH_MEMORY_IN_FLIGHT : LOSS_OUT_OF_MEMORY;
	unsigned status = (unsigned)status_http(why);
	metrics_reject(METRICS_REJECT_MEMORY);
	reaper_press(connections->server->reaper);
	access_log_unbegun(&connections->server->config, peer_of(connection), method, url, status,
			   status_words(why)->code);
	return MHD_queue_response(connection, status, connections->refusals[v2][budget]);
}

/* ---------------------------------------------------------------- requests */

static void *on_target(void *context, const char *target, struct MHD_Connection *connection)
{
	struct connections *connections = (struct connections *)context;
	struct reaper_entry *entry = entry_of(connection);
	struct request *request = NULL;
	loss_status why = LOSS_OUT_OF_MEMORY;
	if (entry) {
		reaper_head(connections->server->reaper, entry);
		request = request_create(connections->server, entry, target ? target : "", &why);
	}
	if (target)
		raw_head_hide_query(target);
	if (request) {
		request->unix_socket = is_unix_socket(connection);
		request->encrypted = tls_is_spoken(connection);
		return request;
	}
	return &connections->unbegun[why != LOSS_OUT_OF_MEMORY];
}

/* NULL: it could not be begun. */
static struct request *request_of(const struct connections *connections, void *context)
{
	bool unbegun = context == &connections->unbegun[0] || context == &connections->unbegun[1];
	return unbegun ? NULL : (struct request *)context;
}

static enum MHD_Result begin(struct connections *connections, struct MHD_Connection *connection,
			     struct request *request, const struct raw_head *line)
{
	struct raw_head head = *line;
	if (!raw_head_read(connection, request->arena, &head))
		return refuse_for_memory(
			connections, connection, line->method, line->target,
			loss_arena_failure(request->arena, &(struct loss_error){0}) !=
				LOSS_OUT_OF_MEMORY);
	if (exchange_begin(request, &head) == REQUEST_REPLY)
		return send_reply(connections, connection, request);
	reaper_body(connections->server->reaper, request->entry);
	return MHD_YES;
}

static void resume(void *connection)
{
	MHD_resume_connection((struct MHD_Connection *)connection);
}

/* What a step of the request has come to. */
static enum MHD_Result follow(struct connections *connections, struct MHD_Connection *connection,
			      struct request *request, enum request_stage stage)
{
	if (stage == REQUEST_REPLY)
		return send_reply(connections, connection, request);
	/*
	 * libmicrohttpd reads from a connection that is resumed in the state in which it was
	 * suspended, and takes a client's end for its leaving. So it must have seen that there is
	 * nothing to do but to wait: it asks again at once.
	 */
	return stage == REQUEST_WAIT ? MHD_YES : MHD_NO;
}

/* The body is complete. */
static enum MHD_Result end(struct connections *connections, struct MHD_Connection *connection,
			   struct request *request)
{
	reaper_whole(connections->server->reaper, request->entry);
	return follow(connections, connection, request, exchange_end(request));
}

static enum MHD_Result suspend(struct connections *connections, struct MHD_Connection *connection,
			       struct request *request)
{
	reaper_compute(connections->server->reaper, request->entry);
	atomic_store_explicit(&request->ended, false, memory_order_relaxed);
	/* In this order: it may be done and resumed before the next line is reached. */
	MHD_suspend_connection(connection);
	exchange_start(request, resume, connection);
	return MHD_YES;
}

static enum MHD_Result proceed(struct connections *connections, struct MHD_Connection *connection,
			       struct request *request)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_SUSPENDED);
	/* libmicrohttpd may ask before it has resumed the connection, which then stays suspended.
	 */
	if ((info && info->suspended == MHD_YES) ||
	    !atomic_load_explicit(&request->ended, memory_order_acquire))
		return MHD_YES;
	enum request_stage stage = exchange_proceed(request);
	/* It has been in this state already. */
	if (stage == REQUEST_WAIT)
		return suspend(connections, connection, request);
	return follow(connections, connection, request, stage);
}

static enum MHD_Result feed(struct MHD_Connection *connection, struct request *request,
			    const char *bytes, size_t *n)
{
	enum exchange_feed_end end = exchange_feed(request, bytes, *n);
	*n = 0;
	if (end == EXCHANGE_LONG) {
		metrics_reject(METRICS_REJECT_BODY_TOO_LARGE);
		return MHD_NO;
	}
	if (end == EXCHANGE_FULL) {
		/* In this order, as in suspend. */
		MHD_suspend_connection(connection);
		exchange_pause(request, resume, connection);
	}
	return MHD_YES;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *bytes,
				  size_t *n, void **request_context)
{
	struct connections *connections = (struct connections *)context;
	struct request *request = request_of(connections, *request_context);

	if (!request)
		return refuse_for_memory(connections, connection, method, url,
					 *request_context == &connections->unbegun[1]);
	if (*n > 0)
		return feed(connection, request, bytes, n);
	switch (request->stage) {
	case REQUEST_HEAD:
		return begin(connections, connection, request,
			     &(struct raw_head){.method = method,
						.target = request->target.text,
						.url = url,
						.version = version});
	case REQUEST_BODY:
		return end(connections, connection, request);
	case REQUEST_WAIT:
		return suspend(connections, connection, request);
	default:
		return proceed(connections, connection, request);
	}
}

/* ---------------------------------------------------------------- ends */

/* The one place where a request is freed: its reply has been sent, or never will be. */
static void on_completed(void *context, struct MHD_Connection *connection, void **request_context,
			 enum MHD_RequestTerminationCode code)
{
	struct connections *connections = (struct connections *)context;
	struct request *request = request_of(connections, *request_context);
	struct reaper_entry *entry = entry_of(connection);
	uint64_t consumed = consumed_by(connections, request, connection);
	if (consumed != REAPER_UNKNOWN && tls_is_spoken(connection))
		tls_account(connections->server->tls, connection, length_of(request, connection));
	*request_context = NULL;

	if (request) {
		intake_end(request); /* what is told of it must have come to an end */
		accounting_request(request,
				   code == MHD_REQUEST_TERMINATED_COMPLETED_OK ? ACCOUNTING_COMPLETE
				   : code == MHD_REQUEST_TERMINATED_WITH_ERROR ? ACCOUNTING_REFUSED
									       : ACCOUNTING_CUT,
				   peer_of(connection));
		request_destroy(request);
	}
	if (entry)
		reaper_idle(connections->server->reaper, entry, consumed);
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

/* Divided by its threads this is still more than there are ever connections: see admission.h. */
#define NO_LIMIT ((intptr_t)1 << 30)

/* Asked for by libmicrohttpd, and never called: sessions have credentials of their own (tls.h). */
static int no_certificate(gnutls_session_t session, const gnutls_datum_t *authorities, int n,
			  const gnutls_pk_algorithm_t *algorithms, int n_algorithms,
			  gnutls_pcert_st **chain, unsigned *n_chain, gnutls_privkey_t *key)
{
	(void)session, (void)authorities, (void)n, (void)algorithms, (void)n_algorithms;
	(void)chain, (void)n_chain, (void)key;
	return -1;
}

static struct MHD_Daemon *start_daemon(struct connections *connections, bool tls)
{
	const struct config *c = &connections->server->config;
	struct MHD_OptionItem options[] = {
		{MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t)c->connection_memory_bytes, NULL},
		{MHD_OPTION_CONNECTION_LIMIT, NO_LIMIT, NULL},
		/* The reaper does it. */
		{MHD_OPTION_CONNECTION_TIMEOUT, 0, NULL},
#if MHD_VERSION >= 0x01000000
		{MHD_OPTION_CLIENT_DISCIPLINE_LVL, 1, NULL},
#else
		/* Its own 400s send the header block twice; the guard is stricter anyway. */
		{MHD_OPTION_STRICT_FOR_CLIENT, 0, NULL},
#endif
		/* A pool of one is refused: it is a daemon with a thread of its own. */
		{c->io_threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END,
		 (intptr_t)c->io_threads, NULL},
		{MHD_OPTION_END, 0, NULL},
	};
	return MHD_start_daemon(
		flags() | (tls ? (unsigned)MHD_USE_TLS : 0), 0, NULL, NULL, on_request, connections,
		MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_URI_LOG_CALLBACK, on_target,
		connections, MHD_OPTION_NOTIFY_COMPLETED, on_completed, connections,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, connections, MHD_OPTION_ARRAY, options,
		tls ? MHD_OPTION_HTTPS_CERT_CALLBACK : MHD_OPTION_END, no_certificate,
		MHD_OPTION_HTTPS_PRIORITIES, TLS_PRIORITIES, MHD_OPTION_END);
}

bool connections_start(struct connections *connections)
{
	for (int i = 0; i < 4; i++) {
		struct MHD_Response **refusal = &connections->refusals[i / 2][i % 2];
		*refusal = response_make_refusal(i / 2, i % 2);
		if (!*refusal)
			return false;
	}
	for (int tls = 0; tls < 2; tls++) {
		int n;
		if (!addresses_find(connections->server->config.listen, tls, &n))
			continue;
		connections->daemons[tls] = start_daemon(connections, tls);
		if (!connections->daemons[tls])
			return false;
	}
	return true;
}

void connections_stop(struct connections *connections)
{
	for (int tls = 0; tls < 2; tls++)
		if (connections->daemons[tls])
			MHD_stop_daemon(connections->daemons[tls]);
	for (int i = 0; i < 4; i++)
		if (connections->refusals[i / 2][i % 2])
			MHD_destroy_response(connections->refusals[i / 2][i % 2]);
}
