/*
 * TLS, as libmicrohttpd and GnuTLS do it: the credentials in force, which can be replaced while
 * connections are served, and what must be known of each of its connections.
 *
 * libmicrohttpd makes a session when it takes a connection over, and would give it the credentials
 * that its daemon started with. tls_open, called before the handshake begins, gives it those in
 * force, which are held until tls_close. Two things libmicrohttpd 0.9 does not do by itself: while
 * a client lets a handshake wait it asks again and again, with a thread that never sleeps; and it
 * does not tell how much it has read.
 *
 * Threads: tls_reload is the main thread's, tls_not_after anyone's; everything else is called by
 * the thread that serves the connection. A mutex guards the credentials in force.
 */
#ifndef LOSSD_TLS_H
#define LOSSD_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loss.h"
#include "settings/config.h"

/* What is spoken: 1.2 and 1.3, and what the system's policy calls normal of the rest. */
#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"
/* Memory of a connection, beside that of one in plain text: a session has some 11 KiB, and a record
 * of 16 KiB that has come in part, and one that can not be sent yet. */
#define TLS_CONNECTION_BYTES ((size_t)48 * 1024)

struct tls;
struct MHD_Connection;
struct epoll_event;

/* For connections whose descriptors are below that number. NULL when one line on standard error has
 * said why; it lives in the arena. */
struct tls *tls_start(struct loss_arena *arena, const struct config *config, size_t descriptors);
/* Reads the files again, for connections that come from now on. False: something is wrong with
 * them, which is logged, and what was in force still is. */
bool tls_reload(struct tls *tls);
void tls_stop(struct tls *tls); /* no connection is left; NULL is fine */
/* The end of the certificate in force, in seconds since 1970. */
int64_t tls_not_after(struct tls *tls);

/* Whether it does, or plain text. */
bool tls_is_spoken(struct MHD_Connection *connection);
/* A new connection: nothing has been read or written. False, and nothing is done, where it speaks
 * plain text. */
bool tls_open(struct tls *tls, struct MHD_Connection *connection);
/* Its session is gone. False: the client had begun a handshake that came to nothing. */
bool tls_close(struct tls *tls, struct MHD_Connection *connection);

/* Of one that speaks TLS: whether something has come after a request of so many bytes, or may have.
 */
bool tls_has_more(struct tls *tls, struct MHD_Connection *connection, uint64_t bytes);
/* That request has ended. */
void tls_account(struct tls *tls, struct MHD_Connection *connection, uint64_t bytes);

/* For the thread's own waiting (epoll.c): from now on it waits by this one. */
void tls_waits_by(int epoll);
/* Takes those events out that are about handshakes, which go on; the number of those left. */
int tls_take_events(struct epoll_event *events, int n);

#endif
