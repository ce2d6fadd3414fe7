/*
 * Clients that leave: at every byte of a reply, in the middle of a long one, before it
 * begins. What they held comes back. Those that stand still, with a request or a reply half done,
 * keep nobody waiting, and without descriptors nobody spins.
 */
#include "../support/group.h"

#include <math.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS 60000
#define ASK "POST " CROSS_ENTROPY " HTTP/1.1\r\nHost: a\r\nContent-Length: "
#define GRADIENT_ROWS 4000
#define CLASSES 100
#define N_FROZEN 8

static double inflight(void)
{
	return server_metric(&server, "lossd_inflight_bytes");
}

static double gone(void)
{
	return server_metric(&server, "lossd_rejected_total{reason=\"client_gone\"}");
}

static void expect_good(void)
{
	struct reply reply;
	client_post(client, CROSS_ENTROPY, GOOD, &reply);
	assert_int_equal(reply.status, 200);
	assert_non_null(strstr(reply.body, "\"loss\":0.31326"));
	reply_free(&reply);
}

/* Returns when no connection is left but the two that ask, and no more is held than that. */
static void await(double held)
{
	int64_t end = now_ms() + WAIT_MS;
	while (server_metric(&server, "lossd_connections") > 2.0 || inflight() > held) {
		assert_true(now_ms() < end);
		poll(NULL, 0, 2);
	}
}

/* What is held while nobody else is there: two connections, one of them with a question. */
static double quiet(void)
{
	expect_good();
	await(HUGE_VAL);
	return inflight();
}

static void leave(int fd, bool reset)
{
	const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
	if (reset)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	close(fd);
}

/* ---------------------------------------------------------------- a reply */

static int ask_small(void)
{
	char request[256];
	int n = snprintf(request, sizeof request, ASK "%zu\r\n\r\n" GOOD, sizeof GOOD - 1);
	int fd = raw_connect(&server);
	assert_true(raw_send(fd, request, (size_t)n));
	return fd;
}

/* With so many bytes of the reply read; false when it has no more. */
static bool read_bytes(int fd, size_t n)
{
	char byte;
	for (size_t i = 0; i < n; i++) {
		struct pollfd state = {.fd = fd, .events = POLLIN};
		if (poll(&state, 1, i == 0 ? WAIT_MS : 0) != 1 || recv(fd, &byte, 1, 0) != 1)
			return false;
	}
	return true;
}

static void after_any_byte_of_a_reply(void **state)
{
	double before = quiet();
	bool more = true;
	size_t n = 0;
	(void)state;
	for (; more; n++) {
		int fd = ask_small();
		more = read_bytes(fd, n);
		leave(fd, n % 2);
	}
	assert_true(n > 300); /* the reply has a head and a document */
	expect_good();
	await(before);
}

/* A problem of GRADIENT_ROWS, whose gradient as text has megabytes: more than sockets take. */
static char *long_request(size_t *size)
{
	char *body = body_of_zeros(GRADIENT_ROWS, CLASSES, size);
	char *request = malloc(*size + 256);
	assert_non_null(request);
	int n = snprintf(request, 256,
			 "POST " CROSS_ENTROPY "?outputs=loss,grad HTTP/1.1\r\nHost: a\r\n"
			 "Content-Length: %zu\r\n\r\n",
			 *size);
	memcpy(request + n, body, *size);
	*size += (size_t)n;
	free(body);
	return request;
}

static int ask_long(const char *request, size_t size)
{
	int window = 4096, fd = raw_connect(&server);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof window);
	assert_true(raw_send(fd, request, size));
	return fd;
}

static void in_the_middle_of_a_reply(void **state)
{
	static const size_t reads[] = {1, 100, 5000, 100000};
	size_t size;
	char *request = long_request(&size);
	double before = quiet();
	(void)state;
	for (size_t i = 0; i < 2 * sizeof reads / sizeof reads[0]; i++) {
		char *out = malloc(reads[i / 2] + 1);
		int fd = ask_long(request, size);
		assert_non_null(out);
		assert_int_equal(raw_read(fd, out, reads[i / 2] + 1, WAIT_MS, NULL), reads[i / 2]);
		assert_int_equal(strncmp(out, "HTTP/1.1 200 OK\r\n", reads[i / 2] < 17 ? 1 : 17),
				 0);
		leave(fd, i % 2);
		free(out);
	}
	await(before);
	free(request);
	expect_good();
}

/* Somewhere between the last byte of the request and the first of the reply, until one has been
 * noticed. */
static void before_the_reply(void **state)
{
	size_t size;
	char *request = long_request(&size);
	double before = quiet(), left = gone();
	(void)state;
	for (int64_t end = now_ms() + WAIT_MS; gone() == left;) {
		assert_true(now_ms() < end);
		leave(ask_long(request, size), true);
	}
	await(before);
	free(request);
	expect_good();
}

/* ---------------------------------------------------------------- who stands still */

/* A process with a connection that has sent half a request, or reads nothing of its reply; it is
 * stopped once that is so. */
static pid_t freeze(const char *request, size_t size)
{
	pid_t child = fork();
	if (child == 0) {
		int fd = ask_long(request, size);
		raise(SIGSTOP);
		close(fd);
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(child, &status, WUNTRACED), child);
	assert_true(WIFSTOPPED(status));
	return child;
}

static void frozen_clients_stop_nobody(void **state)
{
	size_t size;
	char *request = long_request(&size);
	pid_t frozen[N_FROZEN];
	double before = quiet();
	(void)state;
	for (int i = 0; i < N_FROZEN; i++)
		frozen[i] = freeze(request, i % 2 ? size : size / 2);
	assert_true(server_metric(&server, "lossd_connections") >= N_FROZEN);
	for (int i = 0; i < 100; i++)
		expect_good();
	for (int i = 0; i < N_FROZEN; i++) {
		kill(frozen[i], SIGKILL);
		waitpid(frozen[i], NULL, 0);
	}
	await(before);
	free(request);
}

/* ---------------------------------------------------------------- descriptors */

/* What its process has taken of the processors, asked without a connection; -1: nobody says. */
static double cpu_seconds(const struct server *of)
{
	char path[64];
	unsigned long user = 0, system = 0;
	snprintf(path, sizeof path, "/proc/%ld/stat", (long)of->pid);
	FILE *file = fopen(path, "r");
	int n = file ? fscanf(file, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
			      &user, &system)
		     : 0;
	if (file)
		fclose(file);
	return n == 2 ? (double)(user + system) / (double)sysconf(_SC_CLK_TCK) : -1.0;
}

/* More connections than there are descriptors: those over them wait in the backlog, for which
 * nothing is done. */
static void without_descriptors_nobody_spins(void **state)
{
	enum { WAITING = 100, LOOK_MS = 1000 };
	static const char *const flags[] = {"--io-threads", "1", NULL};
	struct server few;
	int fds[WAITING];
	(void)state;
	server_limit_files(64);
	assert_int_equal(server_start(&few, flags, NULL), 0);
	server_limit_files(0);
	struct client *inside = client_open(&few);
	struct reply reply;
	client_get(inside, "/v2/health/live", &reply);
	reply_free(&reply);
	for (int i = 0; i < WAITING; i++)
		fds[i] = raw_connect(&few);
	double begun = cpu_seconds(&few);
	assert_true(begun >= 0.0);
	int64_t end = now_ms() + LOOK_MS;
	while (now_ms() < end)
		poll(NULL, 0, (int)(end - now_ms()));
	/* A loop without a wait would take all of that second. */
	assert_true(cpu_seconds(&few) - begun < 0.3);
	for (int i = 0; i < WAITING; i++)
		close(fds[i]);
	client_get(inside, "/v2/health/live", &reply);
	assert_int_equal(reply.status, 200);
	reply_free(&reply);
	client_close(inside);
	assert_int_equal(server_stop(&few), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(after_any_byte_of_a_reply),
		cmocka_unit_test(in_the_middle_of_a_reply),
		cmocka_unit_test(before_the_reply),
		cmocka_unit_test(frozen_clients_stop_nobody),
		cmocka_unit_test(without_descriptors_nobody_spins),
	};
	return cmocka_run_group_tests(tests, group_start, group_stop);
}
