/*
 * The server: libmicrohttpd with epoll and a pool of threads. Its callbacks feed requests
 * (request.h). http.c and raw_head.[ch] are the only files that know libmicrohttpd.
 */
#ifndef LOSSD_HTTP_H
#define LOSSD_HTTP_H

#include "config.h"
#include "loss.h"

struct http;

/*
 * Serves on a listening socket, which it owns from now on. NULL when a line on standard error has
 * said why not. The arena holds what lives as long as the server.
 */
struct http *http_start(struct loss_arena *arena, const struct config *config, int listener);

/* The steps of a stop, in this order; each returns at once. */
void http_leave(struct http *http); /* not ready any more; all requests are still served */
void http_drain(struct http *http); /* no new connections; new requests get 503; idle connections
				       are closed */
void http_cut(struct http *http);   /* the connections that are left are shut down, their work is
				       cancelled */

size_t http_connections(struct http *http);
/* No connection is left. NULL is fine. */
void http_stop(struct http *http);

#endif
