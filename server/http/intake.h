/*
 * The way of a request's body from its connection to its handler. Most of it is fed where it is
 * received. A long body that takes as much to be fed as to be received is fed by a worker instead:
 * what comes is gathered in one of two chunks while the worker has the other, and where both are
 * full the connection is suspended until there is room. So receiving and feeding go on side by
 * side, and no connection holds up the others of its thread.
 *
 * Only for bodies whose length is declared: libmicrohttpd takes the end of a client that has sent
 * all for its leaving, where it has not been told yet that the body is complete, and of chunks it
 * can not be known which is the last.
 *
 * Threads: all calls are made by the thread that serves the connection. The handler's feed and drop
 * are called by that thread or by a worker, one at a time.
 */
#ifndef LOSSD_INTAKE_H
#define LOSSD_INTAKE_H

#include <stdbool.h>
#include <stddef.h>

struct request;

/* The next n bytes. True: there is no room for the next ones; once the connection is suspended,
 * intake_await_room is to be called. Never with the last bytes of a body. */
bool intake_feed(struct request *request, const unsigned char *bytes, size_t n);
/* Calls request->resume with request->connection, from any thread, when there is room. */
void intake_await_room(struct request *request);
/* Something is still to be fed: to be awaited before anything else is done with the request. */
bool intake_is_busy(const struct request *request);
/* Calls request_done when all has been fed, from any thread. */
void intake_await_end(struct request *request);
/* What has been received is not needed any more, nor what follows. */
void intake_drop(struct request *request);
/* The request ends, maybe in the middle of its body: returns when nothing of it is in use by a
 * worker, which takes a step's time at most. Again is fine. */
void intake_end(struct request *request);

#endif
