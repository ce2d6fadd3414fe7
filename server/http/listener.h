/* The listening sockets. */
#ifndef LOSSD_LISTENER_H
#define LOSSD_LISTENER_H

#include <stdbool.h>
#include <stddef.h>

#include "os/socket_file.h"
#include "settings/config.h"

#define LISTENER_URL_SIZE 192

struct listeners {
	size_t n;
	int fds[CONFIG_MAX_LISTENERS];  /* they do not block */
	bool tls[CONFIG_MAX_LISTENERS]; /* what is accepted there speaks TLS */
	/* It is of whoever started the program, and goes on listening after it. */
	bool given[CONFIG_MAX_LISTENERS];
	struct socket_file files[CONFIG_MAX_LISTENERS]; /* of Unix sockets that are not */
	/* "http://ADDR:PORT" with the real port and brackets around an IPv6 address, https: where
	 * that is TLS, or "unix:PATH". */
	char urls[CONFIG_MAX_LISTENERS][LISTENER_URL_SIZE];
};

/*
 * All of a list as address.h has it; port 0 picks one. Unix sockets get that mode. False, and none
 * is open, when one line on standard error has said why not. Before there are threads.
 */
bool listeners_open(const char *list, unsigned mode, struct listeners *listeners);
/* Takes no new clients: they find the next server, or none. Who has connected can be accepted; on
 * those that were given also who connects now. */
void listeners_leave(struct listeners *listeners);
void listeners_close(struct listeners *listeners);

#endif
