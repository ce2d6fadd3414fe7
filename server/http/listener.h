/* The listening sockets. */
#ifndef LOSSD_LISTENER_H
#define LOSSD_LISTENER_H

#include <stdbool.h>
#include <stddef.h>

#include "settings/config.h"

/*
 * Listens on "ADDR:PORT"; port 0 picks one. Returns the socket, or -1 when one line on standard
 * error has said why not. url gets "http://ADDR:PORT" with the real port, brackets around an IPv6
 * address.
 */
int listener_open(const char *listen_on, char *url, size_t size);

#define LISTENER_URL_SIZE 192

struct listeners {
	size_t n;
	int fds[CONFIG_MAX_LISTENERS];
	char urls[CONFIG_MAX_LISTENERS][LISTENER_URL_SIZE];
};
/* All of a list with commas between them; false, and none is open, when one line has said why not.
 */
bool listeners_open(const char *list, struct listeners *listeners);
void listeners_close(struct listeners *listeners);

#endif
