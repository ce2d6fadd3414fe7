#include "activation.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "variable.h"

#define FIRST 3
/* Of a name, terminated; systemd takes 255. */
#define NAME_SIZE 256

static struct given {
	int fd;
	char name[NAME_SIZE];
} given[ACTIVATION_MAX];
static size_t n_given;

/* Of sockets that are meant for this process. */
static uint64_t count_given(void)
{
	uint64_t pid, n;
	bool ours = variable_number("LISTEN_PID", &pid) && pid == (uint64_t)getpid();
	return ours && variable_number("LISTEN_FDS", &n) ? n : 0;
}

/* The next of the names, which have colons between them; *names is NULL after the last. */
static void take_name(const char **names, char out[NAME_SIZE])
{
	size_t n = *names ? strcspn(*names, ":") : 0;
	if (!*names) {
		snprintf(out, NAME_SIZE, "unknown");
		return;
	}
	snprintf(out, NAME_SIZE, "%.*s", n < NAME_SIZE ? (int)n : 0, *names);
	*names = (*names)[n] == ':' ? *names + n + 1 : NULL;
}

void activation_start(void)
{
	const char *names = getenv("LISTEN_FDNAMES");
	uint64_t n = count_given();
	n_given = 0;
	for (uint64_t i = 0; i < n; i++) {
		struct given next = {.fd = FIRST + (int)i};
		/* Where one is not open there are none after it, whatever the variable says. */
		if (fcntl(next.fd, F_SETFD, FD_CLOEXEC) != 0)
			break;
		take_name(&names, next.name);
		if (n_given < ACTIVATION_MAX)
			given[n_given++] = next;
	}
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDNAMES");
}

int activation_find(const char *name, size_t i)
{
	for (size_t g = 0; g < n_given; g++)
		if (strcmp(given[g].name, name) == 0 && i-- == 0)
			return given[g].fd;
	return -1;
}

const char *activation_name(size_t i)
{
	return i < n_given ? given[i].name : NULL;
}

static bool is_local(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_storage largest;
	} address = {.largest = {0}};
	socklen_t size = sizeof address;
	if (getsockname(fd, &address.any, &size) != 0)
		return false;
	if (address.any.sa_family == AF_INET)
		return ntohl(address.v4.sin_addr.s_addr) >> 24 == 127;
	if (address.any.sa_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&address.v6.sin6_addr);
	return address.any.sa_family == AF_UNIX;
}

bool activation_is_local(const char *name)
{
	size_t n = 0;
	for (int fd; (fd = activation_find(name, n)) >= 0; n++)
		if (!is_local(fd))
			return false;
	return n > 0;
}
