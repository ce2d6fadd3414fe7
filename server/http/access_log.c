#include "access_log.h"

#include <stdio.h>
#include <string.h>

#include "log/log.h"
#include "os/socket.h"
#include "peer.h"
#include "status/status.h"

#define MOST_FIELDS 24
/* Each may take six in the line. */
#define TARGET_CHARS 400
#define MS 1e-6 /* in nanoseconds */
/* "00-TRACE-PARENT-FLAGS" (W3C Trace Context). */
#define TRACE_ID_AT 3
#define TRACE_ID_LENGTH 32

struct fields {
	struct log_field list[MOST_FIELDS];
	size_t n;
};

static void add_number(struct fields *fields, const char *name, double number)
{
	fields->list[fields->n++] = (struct log_field){name, NULL, number};
}

/* Where there is no such text the line has no such field. */
static void add_text(struct fields *fields, const char *name, const char *text)
{
	if (text)
		fields->list[fields->n++] = (struct log_field){name, text, 0};
}

/* "192.0.2.1:1234", "[2001:db8::1]:1234"; NULL: there is no such address. */
static const char *show_peer(const struct sockaddr *address, char *out, size_t size)
{
	struct peer peer;
	if (!peer_read(address, &peer))
		return NULL;
	snprintf(out, size, peer.v6 ? "[%s]:%u" : "%s:%u", peer.text, peer.port);
	return out;
}

/* Of a client over a Unix socket which process it is, and whose. */
static void add_peer(struct fields *fields, const struct sockaddr *peer, char *out, size_t size)
{
	struct socket_user user;
	if (!peer || peer->sa_family != AF_UNIX) {
		add_text(fields, "peer", show_peer(peer, out, size));
		return;
	}
	memcpy(&user, peer, sizeof user);
	add_text(fields, "peer", "unix");
	add_number(fields, "peer_pid", (double)user.pid);
	add_number(fields, "peer_uid", (double)user.uid);
}

/* Its beginning, so that no client can push the rest out of its line. */
static const char *show_target(const char *text, char out[TARGET_CHARS])
{
	size_t n = strlen(text);
	if (n < TARGET_CHARS)
		return text;
	snprintf(out, TARGET_CHARS, "%.*s...", TARGET_CHARS - 4, text);
	return out;
}

static bool is_wanted(const struct config *config, bool failed)
{
	bool asked = config->access_log == LOG_ACCESS_ON ||
		     (config->access_log == LOG_ACCESS_ERRORS && failed);
	return asked && log_enabled(LOG_INFO);
}

static void add_phases(struct fields *fields, const struct timings *t, double seconds)
{
	add_number(fields, "total_ms", seconds * 1e3);
	add_number(fields, "receive_ms", (double)t->receive_ns * MS);
	add_number(fields, "decode_ms", (double)t->decode_ns * MS);
	add_number(fields, "queue_ms", (double)t->queue_ns * MS);
	add_number(fields, "compute_ms", (double)t->compute_ns * MS);
	add_number(fields, "encode_ms", (double)t->encode_ns * MS);
}

/* Of a body of lines. */
static void add_lines(struct fields *fields, const struct timings *t)
{
	if (t->lines == 0)
		return;
	add_number(fields, "lines", (double)t->lines);
	add_number(fields, "lines_failed", (double)t->lines_failed);
}

/* The caller's, whose form the head has checked, or else the one that its span got. */
static void add_trace(struct fields *fields, const char *traceparent, const char *made,
		      char out[TRACE_ID_LENGTH + 1])
{
	if (!traceparent && !*made)
		return;
	memcpy(out, traceparent ? traceparent + TRACE_ID_AT : made, TRACE_ID_LENGTH);
	out[TRACE_ID_LENGTH] = '\0';
	add_text(fields, "trace_id", out);
}

void access_log_request(const struct request *request, const struct sockaddr *peer,
			const char *lost, double seconds, const char *trace_id)
{
	const struct reply *reply = &request->reply;
	loss_status status = request->fault.error.status;
	char peer_text[INET6_ADDRSTRLEN + 10], trace[TRACE_ID_LENGTH + 1], target[TARGET_CHARS];
	struct fields fields = {.n = 0};
	if (!is_wanted(&request->server->config, lost || reply->status >= 400))
		return;
	add_peer(&fields, peer, peer_text, sizeof peer_text);
	add_text(&fields, "method", route_method_name(request->method));
	add_text(&fields, "target", show_target(request->target.text, target));
	if (reply->status != 0)
		add_number(&fields, "status", (double)reply->status);
	add_text(&fields, "lost", lost);
	add_text(&fields, "code", status == LOSS_OK ? NULL : status_words(status)->code);
	add_text(&fields, "key", request->guest.name[0] ? request->guest.name : NULL);
	add_text(&fields, "loss", request->loss ? request->loss->name : NULL);
	if (request->timings.threads > 0)
		add_number(&fields, "rows", (double)request->timings.rows);
	add_lines(&fields, &request->timings);
	add_phases(&fields, &request->timings, seconds);
	add_number(&fields, "bytes_in", (double)request->timings.bytes_in);
	add_number(&fields, "bytes_out", (double)request_bytes_out(request));
	add_text(&fields, "request_id", request->id);
	add_trace(&fields, request->head.traceparent, trace_id, trace);
	log_event(LOG_INFO, "request", fields.list, fields.n);
}

void access_log_unbegun(const struct config *config, const struct sockaddr *peer,
			const char *method, const char *path, unsigned status, const char *code)
{
	char peer_text[INET6_ADDRSTRLEN + 10], target[TARGET_CHARS];
	struct fields fields = {.n = 0};
	if (!is_wanted(config, true))
		return;
	add_peer(&fields, peer, peer_text, sizeof peer_text);
	add_text(&fields, "method", method);
	add_text(&fields, "target", show_target(path, target));
	add_number(&fields, "status", (double)status);
	add_text(&fields, "code", code);
	log_event(LOG_INFO, "request", fields.list, fields.n);
}

void access_log_handshake(const struct config *config, const struct sockaddr *peer)
{
	char peer_text[INET6_ADDRSTRLEN + 10];
	struct fields fields = {.n = 0};
	if (!is_wanted(config, true))
		return;
	add_peer(&fields, peer, peer_text, sizeof peer_text);
	log_event(LOG_INFO, "handshake of TLS failed", fields.list, fields.n);
}
