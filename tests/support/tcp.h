/* TCP connections within one process, for tests of what asks the kernel about them. */
#ifndef TESTS_TCP_H
#define TESTS_TCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tcp_pair {
	int server, client; /* -1: closed */
};

/* Both ends of a connection over the loopback; the server's does not block. Fails the test when it
 * can not be had. */
struct tcp_pair tcp_pair_open(void);
void tcp_pair_close(struct tcp_pair *pair);

/* Sends bytes, and returns when they have arrived unread at the other end. */
void tcp_send_and_wait(int from, int to, const void *bytes, size_t n);
/* Whether the other side has ended: true once it has, false when it has not within a minute. */
bool tcp_wait_for_end(int fd);
bool tcp_is_open(int fd); /* nothing has come, and no end */

/* Whether this system tells what has moved on a connection; skips the test, saying so, where not.
 */
void tcp_needs_traffic(void);

#endif
