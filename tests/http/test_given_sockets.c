/* Listening sockets that the server is given when it starts, as systemd gives them. */
#include "../support/capture.h"
#include "../support/client.h"
#include "../support/local.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS 60000
#define LIVE "GET /v2/health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
#define MOST 8 /* places to listen */

static struct server server;
static char folder[256], path[300];
static int sockets[MOST + 1];
static uint16_t ports[MOST + 1];

static int set_up(void **state)
{
	(void)state;
	make_folder(folder, sizeof folder);
	snprintf(path, sizeof path, "%s/l.sock", folder);
	memset(sockets, -1, sizeof sockets);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	server_kill(&server);
	server_give_sockets(NULL, 0, "");
	for (int i = 0; i <= MOST; i++)
		if (sockets[i] >= 0)
			close(sockets[i]);
	remove_folder(folder);
	return 0;
}

static void open_tcp(int i)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof address;
	sockets[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(sockets[i], (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(sockets[i], 64), 0);
	assert_int_equal(getsockname(sockets[i], (struct sockaddr *)&address, &size), 0);
	ports[i] = ntohs(address.sin_port);
}

static void start(const char *listen_on)
{
	const char *const flags[] = {"--listen", listen_on, NULL};
	assert_int_equal(server_start(&server, flags, NULL), 0);
}

static int connect_tcp(int i)
{
	const struct server there = {.port = ports[i]};
	return raw_connect(&there);
}

static void expect_served(int fd, const char *request)
{
	char out[4096];
	assert_true(raw_send(fd, request, strlen(request)));
	raw_read(fd, out, sizeof out, WAIT_MS, NULL);
	close(fd);
	assert_non_null(strstr(out, "HTTP/1.1 200 "));
}

static void all_of_a_name_are_served(void **state)
{
	(void)state;
	open_tcp(0);
	open_tcp(1);
	open_tcp(2);
	sockets[3] = local_bind(path);
	assert_int_equal(listen(sockets[3], 8), 0);
	server_give_sockets(sockets, 4, "web:other:web:local");
	start("fd:web,fd:local");
	expect_served(connect_tcp(0), LIVE);
	expect_served(connect_tcp(2), LIVE);
	expect_served(local_connect(path), LIVE);
	char line[512], wanted[512];
	const int shown[] = {0, 2};
	for (int i = 0; i < 2; i++) {
		assert_true(server_line(&server, line, sizeof line));
		snprintf(wanted, sizeof wanted, "lossd: ready on http://127.0.0.1:%u",
			 (unsigned)ports[shown[i]]);
		assert_string_equal(line, wanted);
	}
	assert_true(server_line(&server, line, sizeof line));
	snprintf(wanted, sizeof wanted, "lossd: ready on unix:%s", path);
	assert_string_equal(line, wanted);
	assert_int_equal(server_stop(&server), 0);
	/* It is of who made it. */
	assert_int_equal(access(path, F_OK), 0);
}

/* Once a name, and not of those that are served. */
static void one_that_nobody_names_is_told(void **state)
{
	static const char other[] = "a socket was given by the name \"other\", but listen has no "
				    "fd:other: nobody answers "
				    "who connects to it";
	(void)state;
	for (int i = 0; i < 4; i++)
		open_tcp(i);
	server_give_sockets(sockets, 4, "web:other:other:web");
	start("fd:web,127.0.0.1:0");
	expect_served(connect_tcp(0), LIVE);
	assert_int_equal(server_log_count(&server, other), 1);
	assert_int_equal(server_log_count(&server, "a socket was given"), 1);
	assert_int_equal(server_stop(&server), 0);
}

/* The names may be fewer than the sockets. */
static void one_without_a_name_is_unknown(void **state)
{
	(void)state;
	open_tcp(0);
	open_tcp(1);
	server_give_sockets(sockets, 2, "web");
	start("fd:unknown");
	expect_served(connect_tcp(1), LIVE);
	assert_int_equal(server_stop(&server), 0);
}

static void expect_no_start(const char *where, const char *why)
{
	const char *const flags[] = {"--listen", where, "--tls-certificate=c", "--tls-key=k", NULL};
	const char *const plain[] = {"--listen", where, NULL};
	struct server_run run;
	char line[512];
	bool tls = strncmp(where, "tls:", 4) == 0;
	assert_int_equal(server_run(&run, tls ? flags : plain, NULL), 0);
	snprintf(line, sizeof line, "lossd: listen: %s: %s\n", where, why);
	assert_int_equal(run.code, 2);
	assert_string_equal(run.err, line);
	server_run_free(&run);
}

static void what_can_not_be_served_is_told(void **state)
{
	(void)state;
	expect_no_start("fd:web", "no socket was given by that name (LISTEN_FDNAMES)");
	open_tcp(0);
	server_give_sockets(sockets, 1, "other");
	expect_no_start("fd:web", "no socket was given by that name (LISTEN_FDNAMES)");
	close(sockets[0]);
	sockets[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	server_give_sockets(sockets, 1, "web");
	expect_no_start("fd:web", "what was given by that name is no listening stream socket");
	close(sockets[0]);
	sockets[0] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	expect_no_start("fd:web", "what was given by that name is no listening stream socket");
	close(sockets[0]);
	sockets[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	expect_no_start("fd:web", "what was given by that name is no listening stream socket");
	close(sockets[0]);
	sockets[0] = local_bind(path);
	assert_int_equal(listen(sockets[0], 8), 0);
	expect_no_start("tls:fd:web", "the socket that was given by that name is a Unix socket, "
				      "over which there is no TLS");
}

static void eight_are_served_and_not_nine(void **state)
{
	(void)state;
	for (int i = 0; i <= MOST; i++)
		open_tcp(i);
	server_give_sockets(sockets, MOST - 1, "web:web:web:web:web:web:web");
	start("fd:web"); /* beside the one that tests have anyway */
	for (int i = 0; i < MOST - 1; i++)
		expect_served(connect_tcp(i), LIVE);
	assert_int_equal(server_stop(&server), 0);
	server_give_sockets(sockets, MOST + 1, "web:web:web:web:web:web:web:web:web");
	expect_no_start("fd:web",
			"with the sockets of that name there are more than 8 places to listen");
}

/* Sockets for another process are none of ours. */
static void another_process_is_not_meant(void **state)
{
	static const char *const pids[] = {"LISTEN_PID=1", "LISTEN_PID=", "LISTEN_PID=x", "A=b"};
	const char *const flags[] = {"--listen", "fd:web", NULL};
	(void)state;
	for (size_t i = 0; i < sizeof pids / sizeof *pids; i++) {
		const char *const environment[] = {pids[i], "LISTEN_FDS=1", "LISTEN_FDNAMES=web",
						   NULL};
		struct server_run run;
		assert_int_equal(server_run(&run, flags, environment), 0);
		assert_int_equal(run.code, 2);
		assert_non_null(strstr(run.err, "no socket was given by that name"));
		server_run_free(&run);
	}
}

/* By default hosts go by where the sockets can be reached from. */
static void hosts_go_by_the_sockets(void **state)
{
	static const char foreign[] =
		"GET /v2/health/live HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
	const char *const flags[] = {"--listen", "fd:web", "--hosts", "auto", NULL};
	char out[4096];
	(void)state;
	open_tcp(0);
	server_give_sockets(sockets, 1, "web");
	assert_int_equal(server_start(&server, flags, NULL), 0);
	int fd = connect_tcp(0);
	assert_true(raw_send(fd, foreign, sizeof foreign - 1));
	raw_read(fd, out, sizeof out, WAIT_MS, NULL);
	close(fd);
	assert_non_null(strstr(out, "HTTP/1.1 403 "));
	assert_int_equal(server_stop(&server), 0);
}

/* ---------------------------------------------------------------- one server after another */

/* Who connects while none runs is served by the next one, on the same socket. */
static void the_next_server_serves_who_waits(void **state)
{
	(void)state;
	open_tcp(0);
	server_give_sockets(sockets, 1, "web");
	for (int round = 0; round < 3; round++) {
		start("fd:web");
		expect_served(connect_tcp(0), LIVE);
		assert_int_equal(server_stop(&server), 0);
		int fds[20];
		for (int i = 0; i < 20; i++) {
			fds[i] = connect_tcp(0);
			assert_true(raw_send(fds[i], LIVE, sizeof LIVE - 1));
		}
		start("fd:web");
		for (int i = 0; i < 20; i++)
			expect_served(fds[i], "");
		assert_int_equal(server_stop(&server), 0);
	}
}

#define RESTARTS 4
#define WAITING 32

/* Clients that come one after another, all the time: the drain ends all the same, each is answered
 * by one server or the next, and none is told to go elsewhere. */
static void restarts_lose_nobody(void **state)
{
	int fds[WAITING];
	size_t asked = 0, answered = 0;
	(void)state;
	open_tcp(0);
	server_give_sockets(sockets, 1, "web");
	start("fd:web");
	for (int restart = 0; restart < RESTARTS; restart++) {
		int64_t end = now_ms() + WAIT_MS;
		char byte;
		assert_int_equal(kill(server.pid, SIGTERM), 0);
		/* Its output ends when it does. */
		fcntl(server.out, F_SETFL, O_NONBLOCK);
		while (read(server.out, &byte, 1) != 0) {
			assert_true(now_ms() < end);
			for (; asked - answered < WAITING; asked++) {
				fds[asked % WAITING] = connect_tcp(0);
				assert_true(raw_send(fds[asked % WAITING], LIVE, sizeof LIVE - 1));
			}
			struct pollfd first = {.fd = fds[answered % WAITING], .events = POLLIN};
			if (poll(&first, 1, 1) == 1)
				expect_served(fds[answered++ % WAITING], "");
		}
		assert_int_equal(server_wait(&server), 0);
		start("fd:web");
	}
	while (answered < asked)
		expect_served(fds[answered++ % WAITING], "");
	assert_true(asked > WAITING);
	assert_int_equal(server_stop(&server), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(all_of_a_name_are_served),      TEST(one_that_nobody_names_is_told),
		TEST(one_without_a_name_is_unknown), TEST(what_can_not_be_served_is_told),
		TEST(eight_are_served_and_not_nine), TEST(another_process_is_not_meant),
		TEST(hosts_go_by_the_sockets),       TEST(the_next_server_serves_who_waits),
		TEST(restarts_lose_nobody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
