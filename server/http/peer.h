/* Who is at the other end of a connection, as people read it. */
#ifndef LOSSD_PEER_H
#define LOSSD_PEER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

struct peer {
	char text[INET6_ADDRSTRLEN]; /* "192.0.2.1", "2001:db8::1" */
	bool v6;
	unsigned port;
};

/* IPv4 over a socket of IPv6 is shown as IPv4. False: it has no such address; NULL has none. */
bool peer_read(const struct sockaddr *address, struct peer *peer);

#endif
