/* What the kernel knows of a connection that libmicrohttpd does not tell. Any thread, while the
 * descriptor is certain to be open. */
#ifndef LOSSD_SOCKET_H
#define LOSSD_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

/* Bytes since the connection's start. */
struct socket_traffic {
	uint64_t received;  /* by the kernel, read or not */
	uint64_t taken;     /* that were sent and that the client's side has acknowledged */
	uint64_t silent_ms; /* since the last of those received came */
};

/* False where the system does not tell: it is not Linux, or not TCP. */
bool socket_traffic(int fd, struct socket_traffic *traffic);

/* Bytes that have been received and not read. */
size_t socket_unread(int fd);
/* Bytes that have been sent and not been acknowledged by the client's side. */
size_t socket_untaken(int fd);

enum socket_peer {
	SOCKET_PEER_OPEN,
	SOCKET_PEER_HALF_CLOSED, /* it sends no more; whether it still reads is not known */
	SOCKET_PEER_GONE,        /* it does not read either */
};
enum socket_peer socket_peer(int fd);

/*
 * Finds out whether a client that sends no more still reads: sends an interim response, which
 * every client of HTTP/1.1 ignores (RFC 9110, section 15.2), and which the system of one that has
 * closed answers with a reset. Only while no reply is being written.
 */
void socket_probe(int fd);

/* A client over a Unix socket, which has no address: who it is, in the place of one. */
struct socket_user {
	sa_family_t family; /* AF_UNIX */
	pid_t pid;          /* when it connected; 0: in another namespace, or not known */
	uid_t uid;
};
/* -1 as uid where the system does not tell. */
struct socket_user socket_user(int fd);

/* The backlog of a listening socket takes no new connections: their clients ask again, and find
 * the socket closed. Those whose handshake has begun still arrive. */
void socket_shut_backlog(int fd);

#endif
