/*
 * Deadlines of connections. libmicrohttpd restarts its own timeout with every byte, so a client
 * that sends one byte a second would live for ever; here every phase of a connection has an end
 * that bytes do not move (a body's and a reply's grow with their size). One thread sleeps until the
 * next deadline and then shuts the socket down, which libmicrohttpd sees as an end of the
 * connection. The same thread fires the deadlines of requests and notices clients that left while
 * their request was being computed.
 *
 * Threads: a connection belongs to one I/O thread. That thread writes its phase and deadline
 * without a lock (they are atomic); everything else is guarded by the reaper's mutex. A socket is
 * shut down under the mutex that reaper_close takes before libmicrohttpd closes the descriptor, so
 * never a recycled one.
 */
#ifndef LOSSD_REAPER_H
#define LOSSD_REAPER_H

#include "config.h"
#include "loss.h"

enum reaper_phase {
	REAPER_OPENED,  /* no request line yet: head_timeout_ms from the connection's start */
	REAPER_HEAD,    /* head_timeout_ms from the request line */
	REAPER_BODY,    /* body_timeout_ms, and a second more for each body_min_bytes_per_second
			   received */
	REAPER_COMPUTE, /* no deadline but the caller's; the client is watched */
	REAPER_REPLY, /* reply_timeout_ms, and a second more for each reply_min_bytes_per_second to
			 send */
	REAPER_IDLE,  /* idle_timeout_ms */
	REAPER_N_PHASES
};

enum reaper_event {
	REAPER_EXPIRED, /* the caller's deadline has passed */
	REAPER_GONE, /* the client has closed its side while its request was computed, or the server
			must end */
};

struct reaper;
struct reaper_entry; /* one connection */

/* Called by the reaper's thread under its mutex: must not block, nor call the reaper. */
typedef void reaper_notice(void *context, enum reaper_event event);

/* NULL when there is no memory or no thread. The arena and the config must outlive it. */
struct reaper *reaper_start(struct loss_arena *arena, const struct config *config);
void reaper_stop(struct reaper *reaper); /* all connections are closed by now; NULL is fine */

/* A new connection, in REAPER_OPENED. NULL when there are more than config->connections. */
struct reaper_entry *reaper_open(struct reaper *reaper, int fd);
void reaper_close(struct reaper *reaper, struct reaper_entry *entry);
size_t reaper_connections(struct reaper *reaper);
/* True when a deadline has shut it down. */
bool reaper_was_cut(struct reaper *reaper, const struct reaper_entry *entry);

/* The connection enters a phase, or goes on in it with more bytes; bytes count for BODY and REPLY.
 */
void reaper_enter(struct reaper *reaper, struct reaper_entry *entry, enum reaper_phase phase);
void reaper_bytes(struct reaper *reaper, struct reaper_entry *entry, uint64_t bytes);

/* Reports to `notice` until reaper_unwatch returns: the deadline (in clock_ns; 0: none), and a
 * client's leaving. */
void reaper_watch(struct reaper *reaper, struct reaper_entry *entry, uint64_t expires_ns,
		  reaper_notice *notice, void *context);
void reaper_unwatch(struct reaper *reaper, struct reaper_entry *entry);

/* From now on idle connections are closed at once, and new ones must come to the point within a
 * second. */
void reaper_drain(struct reaper *reaper);
/* Shuts every connection down and reports REAPER_GONE to everybody who watches. */
void reaper_cut_all(struct reaper *reaper);

#endif
