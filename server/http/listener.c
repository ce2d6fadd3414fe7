#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Connections that the kernel completes while all I/O threads are busy; it lowers this to its own
 * limit. */
#define BACKLOG 4096

static int fail(const char *listen_on, const char *reason)
{
	fprintf(stderr, "lossd: listen: %s: %s\n", listen_on, reason);
	return -1;
}

static struct addrinfo *resolve(const char *listen_on, char *host, size_t size)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
				 .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	struct addrinfo *found = NULL;
	uint16_t port = 0;
	char service[8];
	if (!config_split_listen(listen_on, host, size, &port)) {
		fail(listen_on, "not of the form ADDR:PORT");
		return NULL;
	}
	snprintf(service, sizeof service, "%u", (unsigned)port);
	int error = getaddrinfo(host, service, &hints, &found);
	if (error != 0) {
		fail(listen_on, error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error));
		return NULL;
	}
	return found;
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

int listener_open(const char *listen_on, char *url, size_t size)
{
	char host[128];
	struct addrinfo *addresses = resolve(listen_on, host, sizeof host);
	if (!addresses)
		return -1;
	int fd = bind_socket(addresses);
	int error = errno;
	freeaddrinfo(addresses);
	if (fd < 0)
		return fail(listen_on, strerror(error));
	bool v6 = strchr(host, ':') != NULL;
	snprintf(url, size, "http://%s%s%s:%u", v6 ? "[" : "", host, v6 ? "]" : "", bound_port(fd));
	return fd;
}

bool listeners_open(const char *list, struct listeners *listeners)
{
	char one[CONFIG_LISTEN_SIZE];
	size_t *n = &listeners->n;
	for (*n = 0; *n < CONFIG_MAX_LISTENERS && config_listener(list, *n, one); ++*n) {
		listeners->fds[*n] = listener_open(one, listeners->urls[*n], LISTENER_URL_SIZE);
		if (listeners->fds[*n] >= 0)
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
