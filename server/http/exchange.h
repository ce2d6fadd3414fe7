/*
 * The steps of a request, as its connection calls them:
 *
 *   exchange_begin -> exchange_feed [-> exchange_pause] ... -> exchange_end [-> exchange_start ->
 * exchange_proceed] ...
 *
 * All on the thread that serves the connection. What exchange_start begins goes on elsewhere while
 * the connection is suspended.
 */
#ifndef LOSSD_EXCHANGE_H
#define LOSSD_EXCHANGE_H

#include "guard.h"
#include "request.h"

/* The head is complete. REQUEST_BODY, or REQUEST_REPLY when the request must be refused without its
 * body. */
enum request_stage exchange_begin(struct request *request, const struct raw_head *raw);
enum exchange_feed_end {
	EXCHANGE_MORE,
	EXCHANGE_FULL, /* suspend the connection, then call exchange_pause */
	EXCHANGE_LONG, /* it is too long to be waited for: close the connection without a word */
};
/* Some of the body. */
enum exchange_feed_end exchange_feed(struct request *request, const void *bytes, size_t n);
/* resume(connection) is called once there is room for more, by any thread. */
void exchange_pause(struct request *request, void (*resume)(void *connection), void *connection);
/* The body is complete. REQUEST_REPLY; or REQUEST_WAIT: suspend the connection, then call
 * exchange_start; or REQUEST_GONE when the client has left: close. */
enum request_stage exchange_end(struct request *request);
/* resume(connection) is called once there is reason to proceed, by any thread. */
void exchange_start(struct request *request, void (*resume)(void *connection), void *connection);
/* As exchange_end. */
enum request_stage exchange_proceed(struct request *request);

#endif
