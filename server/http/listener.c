#include "listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "os/activation.h"
#include "os/socket.h"
#include "settings/address.h"

/* Connections that the kernel completes while all I/O threads are busy; it lowers this to its own
 * limit. */
#define BACKLOG 4096

static bool fail(const struct address *address, const char *reason)
{
	fprintf(stderr, "lossd: listen: %.*s: %s\n", address->n_written, address->written, reason);
	return false;
}

/* "http://[::1]:8080", "unix:/run/lossd.sock": where the socket really is. */
static void show(int fd, bool tls, char *out)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_un local;
	} address = {.local = {0}};
	socklen_t size = sizeof address;
	char host[INET6_ADDRSTRLEN] = "";
	getsockname(fd, &address.any, &size);
	bool v6 = address.any.sa_family == AF_INET6;
	if (address.any.sa_family == AF_UNIX) {
		/* A path as long as there is room for has no end. */
		snprintf(out, LISTENER_URL_SIZE, "unix:%.*s", (int)sizeof address.local.sun_path,
			 address.local.sun_path);
		return;
	}
	inet_ntop(address.any.sa_family,
		  v6 ? (void *)&address.v6.sin6_addr : (void *)&address.v4.sin_addr, host,
		  sizeof host);
	snprintf(out, LISTENER_URL_SIZE, "%s://%s%s%s:%u", tls ? "https" : "http", v6 ? "[" : "",
		 host, v6 ? "]" : "", ntohs(v6 ? address.v6.sin6_port : address.v4.sin_port));
}

static void add(const struct address *address, int fd, struct listeners *listeners)
{
	size_t i = listeners->n++;
	listeners->fds[i] = fd;
	listeners->tls[i] = address->tls;
	show(fd, address->tls, listeners->urls[i]);
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

static bool open_tcp(const struct address *address, unsigned mode, struct listeners *listeners)
{
	(void)mode;
	struct addrinfo *addresses = resolve(address);
	if (!addresses)
		return false;
	int fd = bind_socket(addresses);
	int error = errno;
	freeaddrinfo(addresses);
	if (fd < 0)
		return fail(address, strerror(error));
	add(address, fd, listeners);
	return true;
}

/* ---------------------------------------------------------------- Unix sockets */

static bool open_unix(const struct address *address, unsigned mode, struct listeners *listeners)
{
	const char *why;
	struct socket_file file;
	int fd = socket_file_open(address->name, mode, BACKLOG, &file, &why);
	if (fd < 0)
		return fail(address, why);
	listeners->files[listeners->n] = file;
	add(address, fd, listeners);
	return true;
}

/* ---------------------------------------------------------------- sockets that were given */

static int option(int fd, int name)
{
	int value = -1;
	socklen_t size = sizeof value;
	return getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

/* What is wrong with one; NULL: nothing. */
static const char *look_at(int fd, bool tls)
{
	int domain = option(fd, SO_DOMAIN);
	if (option(fd, SO_TYPE) != SOCK_STREAM || option(fd, SO_ACCEPTCONN) != 1)
		return "what was given by that name is no listening stream socket";
	if (domain != AF_INET && domain != AF_INET6 && domain != AF_UNIX)
		return "the socket that was given by that name is none of TCP, nor a Unix socket";
	return domain == AF_UNIX && tls ? "the socket that was given by that name is a Unix "
					  "socket, over which there is no TLS"
					: NULL;
}

static bool open_given(const struct address *address, unsigned mode, struct listeners *listeners)
{
	size_t n = 0;
	(void)mode;
	for (int fd; (fd = activation_find(address->name, n)) >= 0; n++) {
		const char *why = look_at(fd, address->tls);
		if (why)
			return fail(address, why);
		for (size_t i = 0; i < listeners->n; i++)
			if (listeners->fds[i] == fd)
				return fail(address,
					    "the socket of that name is listened on already");
		if (listeners->n == CONFIG_MAX_LISTENERS)
			return fail(address, "with the sockets of that name there are more than 8 "
					     "places to listen");
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
		listeners->given[listeners->n] = true;
		add(address, fd, listeners);
	}
	return n > 0 || fail(address, "no socket was given by that name (LISTEN_FDNAMES)");
}
_Static_assert(CONFIG_MAX_LISTENERS == 8, "what open_given says");

/* ---------------------------------------------------------------- the list */

bool listeners_open(const char *list, unsigned mode, struct listeners *listeners)
{
	static bool (*const open_one[])(const struct address *address, unsigned mode,
					struct listeners *listeners) = {
		[ADDRESS_TCP] = open_tcp,
		[ADDRESS_UNIX] = open_unix,
		[ADDRESS_FD] = open_given,
	};
	struct address address;
	const char *why;
	*listeners = (struct listeners){.n = 0};
	while (list) {
		bool good = address_next(&list, &address, &why);
		if (good ? open_one[address.kind](&address, mode, listeners)
			 : fail(&address, why ? why : "not of the form ADDR:PORT"))
			continue;
		listeners_close(listeners);
		return false;
	}
	return true;
}

void listeners_leave(struct listeners *listeners)
{
	for (size_t i = 0; i < listeners->n; i++) {
		if (listeners->files[i].path[0])
			socket_file_remove(&listeners->files[i]);
		else if (!listeners->given[i]) /* or it would be shut for the next server too */
			socket_shut_backlog(listeners->fds[i]);
	}
}

void listeners_close(struct listeners *listeners)
{
	while (listeners->n > 0) {
		socket_file_remove(&listeners->files[--listeners->n]);
		close(listeners->fds[listeners->n]);
	}
}
