/* A request's head out of libmicrohttpd, and what 0.9 of it hides or gets wrong put right as far as
 * can be. */
#ifndef LOSSD_RAW_HEAD_H
#define LOSSD_RAW_HEAD_H

#include <microhttpd.h>

#include "guard.h"

/*
 * libmicrohttpd 0.9 takes a query string apart by itself, into its pool, in quadratic time; when
 * the pool is full (some hundred arguments) it queues an error and then forgets that it did, so
 * that the connection hangs. It does this after it has called on_target, so we take the query away.
 * It lies in the connection's buffer, which is writable. A NUL in the target does not end it for
 * libmicrohttpd, so it does not here; one before what looks like a version can not be told from the
 * end, and its sender waits until the head's deadline.
 */
void raw_head_hide_query(const char *target);

/* Fills headers and exact; the rest is set, and method, url and version are the handler's. In the
 * first call of the handler only. False when there is no memory. */
bool raw_head_read(struct MHD_Connection *connection, struct loss_arena *arena,
		   struct raw_head *head);

#endif
