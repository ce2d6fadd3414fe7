/* A connection to a server on this machine, plain or by TLS; one thread at a time. */
#ifndef BENCH_CHANNEL_H
#define BENCH_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum channel_kind {
	CHANNEL_PLAIN,
	CHANNEL_TLS,    /* whatever certificate the server has is taken */
	CHANNEL_NARROW, /* plain, with as little on its way as the system allows */
};

struct channel {
	int socket;      /* -1: none */
	struct tls *tls; /* NULL: plain */
};
#define CHANNEL_NONE ((struct channel){.socket = -1})

/* False where it could not be connected; nothing is to be closed then. */
bool channel_open(struct channel *channel, unsigned port, enum channel_kind kind);
void channel_close(struct channel *channel); /* fine where there is none */

bool channel_send(struct channel *channel, const void *bytes, size_t n);
/* At least a byte; 0 at the end, less than 0 where it failed. */
ssize_t channel_receive(struct channel *channel, void *bytes, size_t n);

#endif
