/* The server: its parts, started in order and stopped in reverse. */
#ifndef LOSSD_HTTP_H
#define LOSSD_HTTP_H

#include "listener.h"
#include "loss.h"
#include "settings/config.h"

struct http;

/*
 * Serves on listening sockets, which it owns from now on. NULL when a line on standard error has
 * said why not. The arena holds what lives as long as the server.
 */
struct http *http_start(struct loss_arena *arena, const struct config *config,
			struct listeners *listeners);

/* The steps of a stop, in this order; each returns at once. */
void http_leave(struct http *http); /* not ready any more; all requests are still served */
/* No new connections. Who has connected, and what has been asked, is answered; what is asked later
 * gets 503; connections on which nothing is asked are closed after a second. */
void http_drain(struct http *http);
void http_cut(struct http *http); /* the connections that are left are shut down, their work is
				     cancelled */

size_t http_connections(struct http *http);
/* No connection is left, and none can come. */
bool http_is_drained(struct http *http);
/* It is drained. NULL is fine. */
void http_stop(struct http *http);

#endif
