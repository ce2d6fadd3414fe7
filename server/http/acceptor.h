/*
 * The thread that accepts connections and hands them over. libmicrohttpd could accept by itself,
 * but it cannot stop: its quiescing races with its own threads and ends the process when it loses
 * (0.9.75), and it spins when there are no descriptors left. While there is no room (admission.h),
 * clients wait in the listening socket's backlog.
 */
#ifndef LOSSD_ACCEPTOR_H
#define LOSSD_ACCEPTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "listener.h"
#include "loss.h"

struct acceptor;
struct admission;

/* What to do with connections: all calls come from the acceptor's thread. */
struct acceptor_setup {
	struct listeners *listeners; /* the acceptor's from its start on, which closes them */
	struct admission *admission;
	void *context;
	/* Takes over a non-blocking connection, which has its place, or closes it. It came by the
	 * listener of that index. */
	void (*connected)(void *context, size_t listener, int fd, const struct sockaddr *address,
			  socklen_t size);
	/* A client waits, and there is no room for it. Again after a while, if that is still so:
	 * `times` counts the calls in a row. */
	void (*crowded)(void *context, size_t listener, unsigned times);
	/* While draining: who had connected has been accepted, or finds no room. */
	void (*drained)(void *context);
};

/* False, and the listeners still the caller's, when there is no thread. *acceptor is set before the
 * first call is made, and lives in the arena. */
bool acceptor_start(struct loss_arena *arena, const struct acceptor_setup *setup,
		    struct acceptor **acceptor);

/* There may be room again. Any thread. */
void acceptor_look_again(struct acceptor *acceptor);

/* Accepts who has connected up to now, calls `drained`, and closes the listeners. Returns at once;
 * acceptor_is_closed tells when all of it has happened. */
void acceptor_drain(struct acceptor *acceptor);
bool acceptor_is_closed(struct acceptor *acceptor);

/* Closes the listeners; no call is made after it returns. May be called again; NULL is fine. */
void acceptor_stop(struct acceptor *acceptor);
/* The same, and acceptor_look_again may not be called any more. */
void acceptor_destroy(struct acceptor *acceptor);

#endif
