/* The running server: its parts, started in order and stopped in reverse. */
#ifndef LOSSD_SERVICE_H
#define LOSSD_SERVICE_H

#include "http/listener.h"
#include "loss.h"
#include "settings/config.h"

struct service;

/*
 * Serves on listening sockets, which it owns from now on. NULL when a line on standard error has
 * said why not. The arena holds what lives as long as the server.
 */
struct service *service_start(struct loss_arena *arena, const struct config *config,
			      struct listeners *listeners);

/* Reads the files that settings name (keys, certificates) as a start would, and nothing else. False
 * when a line on standard error has said what is wrong; what is odd is logged. */
bool service_check(struct loss_arena *arena, const struct config *config);

/*
 * Its parts read the files again that may change while it runs (keys, certificates), each for
 * itself: what is right is in force for what comes from now on, a wrong one leaves its part as it
 * was. Lines of the log say which. The main thread.
 */
void service_reload(struct service *service);
/* Such a line; not done: what was wrong has been logged. */
void service_log_reload(const char *what, bool done);

/* One line of the log: what serves, and where. */
void service_log_ready(struct service *service);
/* Whether it is ready; what has changed is logged. */
bool service_look(struct service *service);
/* Whether what computes answers, also while it stops: where it does not, only a new start helps. */
bool service_answers(struct service *service);

/* The steps of a stop, in this order; each returns at once. */
void service_leave(struct service *service); /* not ready any more; all requests are still served */
/* No new connections. Who has connected, and what has been asked, is answered; what is asked later
 * gets 503; connections on which nothing is asked are closed after a second. */
void service_drain(struct service *service);
void service_cut(struct service *service); /* the connections that are left are shut down, their
					      work is cancelled */

size_t service_connections(struct service *service);
/* No connection is left, and none can come. */
bool service_is_drained(struct service *service);
/* It is drained. */
void service_stop(struct service *service);

#endif
