/* The listening sockets. */
#ifndef LOSSD_LISTENER_H
#define LOSSD_LISTENER_H

#include <stdbool.h>
#include <stddef.h>

#include "settings/config.h"

#define LISTENER_URL_SIZE 192

struct listeners {
	size_t n;
	int fds[CONFIG_MAX_LISTENERS];
	bool tls[CONFIG_MAX_LISTENERS]; /* what is accepted there speaks TLS */
	/* "http://ADDR:PORT" with the real port and brackets around an IPv6 address, https: where
	 * that is TLS, or "unix:PATH". */
	char urls[CONFIG_MAX_LISTENERS][LISTENER_URL_SIZE];
};

/* All of a list as address.h has it; port 0 picks one. False, and none is open, when one line on
 * standard error has said why not. */
bool listeners_open(const char *list, struct listeners *listeners);
void listeners_close(struct listeners *listeners);

#endif
