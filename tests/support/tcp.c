#include "tcp.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../server/os/socket.h"

#define WAIT_MS 60000

struct tcp_pair tcp_pair_open(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof address;
	struct tcp_pair pair;
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
	pair.client = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(pair.client, (struct sockaddr *)&address, sizeof address), 0);
	pair.server = accept(listener, NULL, NULL);
	assert_true(pair.server >= 0);
	fcntl(pair.server, F_SETFL, fcntl(pair.server, F_GETFL) | O_NONBLOCK);
	close(listener);
	return pair;
}

void tcp_pair_close(struct tcp_pair *pair)
{
	if (pair->server >= 0)
		close(pair->server);
	if (pair->client >= 0)
		close(pair->client);
	pair->server = pair->client = -1;
}

void tcp_send_and_wait(int from, int to, const void *bytes, size_t n)
{
	int unread = 0;
	size_t before = socket_unread(to);
	assert_int_equal(send(from, bytes, n, MSG_NOSIGNAL), n);
	for (int i = 0; i < WAIT_MS && (size_t)unread < before + n; i++) {
		assert_int_equal(ioctl(to, FIONREAD, &unread), 0);
		if ((size_t)unread < before + n)
			poll(NULL, 0, 1);
	}
	assert_int_equal(unread, before + n);
}

bool tcp_wait_for_end(int fd)
{
	char bytes[4096];
	struct pollfd state = {.fd = fd, .events = POLLIN};
	while (poll(&state, 1, WAIT_MS) == 1) {
		ssize_t n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
		if (n <= 0)
			return true;
	}
	return false;
}

bool tcp_is_open(int fd)
{
	struct pollfd state = {.fd = fd, .events = POLLIN};
	return poll(&state, 1, 0) == 0;
}

void tcp_needs_traffic(void)
{
	struct socket_traffic traffic;
	struct tcp_pair pair = tcp_pair_open();
	bool known = socket_traffic(pair.server, &traffic);
	tcp_pair_close(&pair);
	if (known)
		return;
	print_message("skipped: this system does not tell what moves on a connection\n");
	skip();
}
