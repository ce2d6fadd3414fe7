#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "settings/address.h"

/* Connections that the kernel completes while all I/O threads are busy; it lowers this to its own
 * limit. */
#define BACKLOG 4096

static bool fail(const struct address *address, const char *reason)
{
	fprintf(stderr, "lossd: listen: %.*s: %s\n", address->n_written, address->written, reason);
	return false;
}

/* ---------------------------------------------------------------- TCP */

static struct addrinfo *resolve(const struct address *address)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
				 .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	struct addrinfo *found = NULL;
	char service[8];
	snprintf(service, sizeof service, "%u", (unsigned)address->port);
	int error = getaddrinfo(address->name, service, &hints, &found);
	if (error == 0)
		return found;
	fail(address, error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error));
	return NULL;
}

static int bind_socket(const struct addrinfo *address)
{
	int on = 1;
	int fd = socket(address->ai_family, SOCK_STREAM, 0);
	if (fd < 0)
		return -1;
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	/* A client that is gone again when it is accepted must not make the acceptor wait. */
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	/* A restart must not wait for the last run's connections to be forgotten. */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	/* "[::]" is IPv6 only on every system, whatever its default: both families take two
	 * listeners. */
	if (address->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	if (bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	int error = errno;
	close(fd);
	errno = error;
	return -1;
}

static unsigned bound_port(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address = {.v6 = {0}};
	socklen_t size = sizeof address;
	if (getsockname(fd, &address.any, &size) != 0)
		return 0;
	return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port
						       : address.v4.sin_port);
}

static bool open_tcp(const struct address *address, struct listeners *listeners)
{
	struct addrinfo *addresses = resolve(address);
	if (!addresses)
		return false;
	int fd = bind_socket(addresses);
	int error = errno;
	freeaddrinfo(addresses);
	if (fd < 0)
		return fail(address, strerror(error));
	bool v6 = strchr(address->name, ':') != NULL;
	snprintf(listeners->urls[listeners->n], LISTENER_URL_SIZE, "%s://%s%s%s:%u",
		 address->tls ? "https" : "http", v6 ? "[" : "", address->name, v6 ? "]" : "",
		 bound_port(fd));
	listeners->tls[listeners->n] = address->tls;
	listeners->fds[listeners->n++] = fd;
	return true;
}

/* ---------------------------------------------------------------- the list */

static bool open_one(const struct address *address, struct listeners *listeners)
{
	if (address->kind != ADDRESS_TCP)
		return fail(address, "only TCP is served yet");
	return open_tcp(address, listeners);
}

bool listeners_open(const char *list, struct listeners *listeners)
{
	struct address address;
	const char *why;
	listeners->n = 0;
	while (list) {
		bool good = address_next(&list, &address, &why);
		if (good ? open_one(&address, listeners)
			 : fail(&address, why ? why : "not of the form ADDR:PORT"))
			continue;
		listeners_close(listeners);
		return false;
	}
	return true;
}

void listeners_close(struct listeners *listeners)
{
	while (listeners->n > 0)
		close(listeners->fds[--listeners->n]);
}
