/*
 * Bytes on a connection, to the real server in this process: what libmicrohttpd makes of them, what
 * raw_head.c reads out of its buffers, and everything after.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../../server/http/listener.h"
#include "../../../server/log/log.h"
#include "../../../server/service.h"
#include "../../../server/settings/config.h"
#include "driver.h"

#define PATIENCE_MS 20000
#define HEAD_START_MS 2
#define MAX_BYTE_BY_BYTE 300 /* longer inputs are not sent that way: each byte is a packet */

static struct service *service;
static struct sockaddr_storage address;
static socklen_t address_size = sizeof address;

static void start(void)
{
	struct listeners listeners;
	struct config config;
	/* A leak checker finds what a budget has, but not what only large memory points to. */
	static struct loss_budget *budget;
	budget = loss_budget_create((size_t)1 << 30);
	struct loss_arena *arena = loss_arena_create(budget);
	fuzz_check(arena != NULL, "no memory for a server");
	fuzz_settings(&config);
	config.threads = config.io_threads = 1;
	log_start(LOG_ERROR, LOG_TEXT);
	fuzz_check(listeners_open("127.0.0.1:0", 0600, &listeners) &&
			   getsockname(listeners.fds[0], (struct sockaddr *)&address,
				       &address_size) == 0,
		   "no listening socket");
	service = service_start(arena, &config, &listeners);
	fuzz_check(service != NULL, "no server");
}

static int open_connection(void)
{
	int one = 1;
	/* The connection leaves nothing behind, so that there are always ports. */
	const struct linger linger = {1, 0};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	fuzz_check(fd >= 0 && connect(fd, (struct sockaddr *)&address, address_size) == 0,
		   "no connection: %s", strerror(errno));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
	return fd;
}

/* The server may have closed the connection, with or without a reply. */
static void feed(void *context, const unsigned char *bytes, size_t n)
{
	const int *fd = context;
	while (n > 0) {
		ssize_t sent = send(*fd, bytes, n, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return;
		bytes += sent;
		n -= (size_t)sent;
	}
}

/* The first bytes of what comes, which ends. */
static size_t read_reply(int fd, char *out, size_t size)
{
	char rest[4096];
	size_t n = 0;
	for (;;) {
		struct pollfd poll_fd = {fd, POLLIN, 0};
		int ready = poll(&poll_fd, 1, PATIENCE_MS);
		if (ready < 0 && errno == EINTR)
			continue;
		fuzz_check(ready > 0, "the connection hangs");
		ssize_t got =
			n < size ? recv(fd, out + n, size - n, 0) : recv(fd, rest, sizeof rest, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return n;
		n = n < size ? n + (size_t)got : n;
	}
}

/* The status of the first reply; 0: there is none. */
static int first_status(const char *text, size_t n)
{
	bool fits = n >= 12 && memcmp(text, "HTTP/1.", 7) == 0 && text[8] == ' ';
	if (n == 0)
		return 0;
	for (size_t i = 9; fits && i < 12; i++)
		fits = text[i] >= '0' && text[i] <= '9';
	fuzz_check(fits, "the reply begins with \"%.*s\"", n < 40 ? (int)n : 40, text);
	int status = (text[9] - '0') * 100 + (text[10] - '0') * 10 + (text[11] - '0');
	fuzz_check(status >= 100 && status < 600 && status != 500, "status %d", status);
	return status;
}

static int run(const struct fuzz_input *input, enum fuzz_cut cut)
{
	char reply[256];
	int fd = open_connection();
	fuzz_feed(input, cut, feed, &fd);
	/* libmicrohttpd reads an end that lies after bytes already there only much later. */
	poll(&(struct pollfd){fd, POLLIN, 0}, 1, HEAD_START_MS);
	shutdown(fd, SHUT_WR);
	int status = first_status(reply, read_reply(fd, reply, sizeof reply));
	close(fd);
	return status;
}

/* A reply that is cut off by the connection's end is none; two that come are the same. */
static void compare(int one, int other, const char *how)
{
	fuzz_check(one == other || one == 0 || other == 0, "%s: status %d, but %d", how, one,
		   other);
}

void fuzz_connection(const unsigned char *bytes, size_t n)
{
	const struct fuzz_input input = {bytes, n};
	if (!service)
		start();
	int whole = run(&input, FUZZ_WHOLE);
	compare(whole, run(&input, FUZZ_PIECES), "whole and in pieces");
	if (n <= MAX_BYTE_BY_BYTE)
		compare(whole, run(&input, FUZZ_BYTES), "whole and byte by byte");
}
