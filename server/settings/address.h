/*
 * Where to listen, as the setting `listen` says it: a list, with commas between
 *
 *   127.0.0.1:8080, [::1]:8080, localhost:0     an address and port of TCP
 *   unix:/run/lossd/lossd.sock                  a Unix socket
 *   fd:NAME                                     listening sockets that the program was given
 *
 * and tls: before what is spoken to in TLS, which Unix sockets are not. Pure functions, but for the
 * sockets that were given (os/activation.h).
 */
#ifndef LOSSD_ADDRESS_H
#define LOSSD_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum address_kind { ADDRESS_TCP, ADDRESS_UNIX, ADDRESS_FD };

/* Of a Unix socket's path, as the system has it; a host or a name may be as long. */
#define ADDRESS_MAX_CHARS 107

struct address {
	enum address_kind kind;
	bool tls;
	char name[ADDRESS_MAX_CHARS + 1]; /* the host, without brackets; the path; the name */
	uint16_t port;                    /* of TCP; 0: any that is free */
	const char *written;              /* in the list, of so many bytes */
	int n_written;
};

/*
 * Reads the first of a list, and moves *list to the next one: NULL after the last. False: it is
 * none, *list stays at it, and *why says what is wrong with it, or is NULL where all that can be
 * said is what it should be; `written` is set.
 */
bool address_next(const char **list, struct address *address, const char **why);

/* Whether what is listened on there can be reached from this machine only; not so where no such
 * socket was given. */
bool address_is_local(const struct address *address);
/* All of a list that was read before. */
bool addresses_are_local(const char *list);
/* The first that is of TLS, or is not, and so many bytes of it; NULL: there is none. */
const char *addresses_find(const char *list, bool tls, int *n);

#endif
