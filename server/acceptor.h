/*
 * The thread that accepts connections and hands them over. libmicrohttpd could accept by itself,
 * but it cannot stop: its quiescing races with its own threads and ends the process when it loses
 * (0.9.75), and it spins when there are no descriptors left.
 */
#ifndef LOSSD_ACCEPTOR_H
#define LOSSD_ACCEPTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "loss.h"

struct acceptor;

/* What to do with connections: called on the acceptor's thread. */
struct acceptor_calls {
	void *context;
	/* Whether there is room for one more; while there is none, clients wait in the listening
	 * socket's queue. */
	bool (*has_room)(void *context);
	/* Takes over a non-blocking connection, or closes it. */
	void (*connected)(void *context, int fd, const struct sockaddr *address, socklen_t size);
};

/* Accepts from `listener`, which it owns from now on. NULL, and the listener still the caller's,
 * when there is no thread. The acceptor lives in the arena. */
struct acceptor *acceptor_start(struct loss_arena *arena, int listener,
				const struct acceptor_calls *calls);

/* Closes the listener; no call is made after it returns. May be called again; NULL is fine. */
void acceptor_stop(struct acceptor *acceptor);

#endif
