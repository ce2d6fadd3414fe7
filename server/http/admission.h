/*
 * Who may connect: connections are counted when they are accepted, over all listeners, and until
 * they are closed. libmicrohttpd's own limits are of no use: it judges on the threads that serve,
 * after the connection has been taken, and 0.9.75 leaves a mutex locked when it refuses there.
 *
 * A listener has a few places of its own, so that a listener for health checks gets through when
 * another one is full. All others are shared: they are counted against the limit, and their memory
 * is charged to the budget, or to a small reserve while that is used up.
 *
 * Threads: any. One mutex guards all of it. Only the acceptor opens places, so that what was open
 * is still open when it is taken.
 */
#ifndef LOSSD_ADMISSION_H
#define LOSSD_ADMISSION_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "loss.h"

/* Places of each listener's own, or the whole limit where that is lower; fewer, but one, where so
 * many would hold more than ADMISSION_FREE_BYTES. */
#define ADMISSION_OWN_PLACES 8
/* Memory of connections that is not charged: that of the listeners' own places, and as much again
 * for newcomers while the budget is used up, so that they are told. */
#define ADMISSION_FREE_BYTES ((size_t)8 << 20)

struct admission_limits {
	size_t connections; /* of all listeners; those after the first have their own places beside
			     */
	size_t per_address; /* 0: no limit; clients over a Unix socket have no address */
	size_t listeners;
	size_t descriptors;         /* those of connections are below this */
	size_t bytes;               /* that a connection holds */
	struct loss_budget *budget; /* that the shared places are charged to */
};

/* How many of each listener's own, and the most that can be open at once. */
size_t admission_own(const struct admission_limits *limits);
size_t admission_most(const struct admission_limits *limits);

struct admission;

/* In the arena; NULL when there is no memory. room(context) is called, by whoever made it, when
 * there may be room again while it is crowded; it must not call back. */
struct admission *admission_create(struct loss_arena *arena, const struct admission_limits *limits,
				   void (*room)(void *context), void *context);
void admission_destroy(struct admission *admission); /* NULL is fine */

/* Opens a place for a listener's next connection. False: there is none. */
bool admission_open(struct admission *admission, size_t listener);
/* Whether one could be opened. */
bool admission_has_room(struct admission *admission, size_t listener);
/* Somebody waits for room, or nobody does any more. Ask once more for a place after the former:
 * what became free before it was not told. */
void admission_crowd(struct admission *admission, bool crowded);
/* There was no connection to accept: the place is free again. */
void admission_abandon(struct admission *admission, size_t listener);

/*
 * The place is that of a connection. False, and the place is free again: its address has too many
 * already, or its descriptor is beyond the table. A descriptor that is in use already was closed
 * without a word by libmicrohttpd, when it had no memory to begin with it: that ends the place.
 */
bool admission_take(struct admission *admission, size_t listener, int fd,
		    const struct sockaddr *address);
/* libmicrohttpd serves it: it will tell when it closes it. */
void admission_started(struct admission *admission, int fd);
/* It is closed, or about to be. Nothing where it holds no place. */
void admission_release(struct admission *admission, int fd);

/* Connections that are open, without those that were closed without a word. */
size_t admission_count(struct admission *admission);
/* Whether what is wanting is memory: it comes back as requests end. */
bool admission_lacks_memory(struct admission *admission);
/* Whether somebody waits for room: then no connection should be kept for a next request. */
bool admission_is_crowded(struct admission *admission);

#endif
