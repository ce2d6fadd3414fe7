/* The listening socket. */
#ifndef LOSSD_LISTENER_H
#define LOSSD_LISTENER_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Listens on "ADDR:PORT"; port 0 picks one. Returns the socket, or -1 when one line on standard
 * error has said why not. url gets "http://ADDR:PORT" with the real port, brackets around an IPv6
 * address.
 */
int listener_open(const char *listen_on, char *url, size_t size);

#endif
