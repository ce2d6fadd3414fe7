/*
 * Connections as libmicrohttpd serves them, with epoll and a pool of threads: its callbacks feed
 * requests (request.h) and tell the reaper and the admission what becomes of a connection.
 * connection.[ch], response.[ch], raw_head.[ch] and tls.c are the only files that call
 * libmicrohttpd; epoll.c knows how it waits.
 */
#ifndef LOSSD_CONNECTION_H
#define LOSSD_CONNECTION_H

#include <microhttpd.h>

#include "admission.h"
#include "server.h"

struct connections {
	struct server *server;
	struct admission *admission;
	/* In plain text and of TLS, each with io_threads threads: libmicrohttpd's daemon speaks one
	 * of the two. NULL: no listener does. */
	struct MHD_Daemon *daemons[2];
	/* For a request that there is not even memory to begin: by the protocol that it came by,
	 * while the budget is used up and when the system has none. */
	struct MHD_Response *refusals[2][2];
	/* Whose addresses stand for a request that could not be begun: likewise. */
	char unbegun[2];
};

/* server and admission are set. False when there is no memory or there are no threads; then too
 * connections_stop frees what there is. */
bool connections_start(struct connections *connections);
/* Takes over an accepted connection, which has its place, or closes it. tls: it is to speak TLS.
 * Any thread. */
void connections_add(struct connections *connections, bool tls, int fd,
		     const struct sockaddr *address, socklen_t size);
void connections_stop(struct connections *connections); /* none is left */

#endif
