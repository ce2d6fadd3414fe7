#include "upload.h"

#include <arpa/inet.h>
#include <math.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "timing.h"

int upload_connect(unsigned port)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)port),
				 .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof to) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static bool send_all(int fd, const void *bytes, size_t n)
{
	const char *at = bytes;
	while (n > 0) {
		ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);
		if (sent <= 0)
			return false;
		at += sent;
		n -= (size_t)sent;
	}
	return true;
}

static bool send_upload(int fd, const char *path, const struct upload *upload)
{
	char head[512];
	int n = snprintf(head, sizeof head,
			 "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\n"
			 "Content-Length: %llu\r\n\r\n",
			 path, upload->type, (unsigned long long)upload->bytes);
	uint64_t left = upload->bytes - upload->head_bytes;
	if (!send_all(fd, head, (size_t)n) || !send_all(fd, upload->head, upload->head_bytes))
		return false;
	while (left > 0) {
		size_t part = left < upload->piece_bytes ? (size_t)left : upload->piece_bytes;
		if (!send_all(fd, upload->piece, part))
			return false;
		left -= part;
	}
	return true;
}

/* Reads one reply to its end. */
static bool receive_reply(int fd)
{
	static const char length[] = "Content-Length: ";
	char reply[4096];
	size_t n = 0;
	const char *body = NULL, *field = NULL;
	while (!body) {
		ssize_t got = recv(fd, reply + n, sizeof reply - 1 - n, 0);
		if (got <= 0)
			return false;
		n += (size_t)got;
		reply[n] = '\0';
		body = strstr(reply, "\r\n\r\n");
		field = strstr(reply, length);
	}
	size_t bytes = 0, have = n - (size_t)(body + 4 - reply);
	if (field)
		sscanf(field + sizeof length - 1, "%zu", &bytes);
	while (have < bytes) {
		ssize_t got = recv(fd, reply, sizeof reply, 0);
		if (got <= 0)
			return false;
		have += (size_t)got;
	}
	return strncmp(reply, "HTTP/1.1 200", 12) == 0 || have > n;
}

double upload_seconds(int fd, const char *path, const struct upload *upload)
{
	double start = now_seconds();
	bool good = send_upload(fd, path, upload) && receive_reply(fd);
	return good ? now_seconds() - start : (double)NAN;
}
