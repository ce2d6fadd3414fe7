/*
 * More connections than there may be: nobody stops the server, whoever is served stays served, and
 * whoever waits is served as soon as there is room.
 */
#include "../support/client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define LIVE "GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n"
#define WAIT_MS 60000
#define MIB ((size_t)1 << 20)

static struct server server;

static int kill_server(void **state)
{
	(void)state;
	server_limit_files(0);
	server_kill(&server); /* of a test that failed; else it is gone */
	return 0;
}

static void start(const char *const *flags)
{
	assert_int_equal(server_start(&server, flags, NULL), 0);
}

static int connect_from(const char *address, uint16_t port)
{
	struct sockaddr_in from = {.sin_family = AF_INET};
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	inet_pton(AF_INET, address, &from.sin_addr);
	assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof from), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	return fd;
}

static bool ask(int fd)
{
	return raw_send(fd, LIVE "\r\n", sizeof LIVE + 1);
}

static bool is_answered(int fd)
{
	char out[2048];
	raw_read_until(fd, out, sizeof out, "{\"live\":true}", WAIT_MS);
	return strstr(out, "{\"live\":true}") != NULL;
}

/* A connection that has been used, and waits for a next request. */
static int open_used(void)
{
	int fd = raw_connect(&server);
	assert_true(ask(fd) && is_answered(fd));
	return fd;
}

/* Serves a newcomer, and ends as it should. */
static void expect_alive(void)
{
	int fd = raw_connect(&server);
	assert_true(ask(fd));
	assert_true(is_answered(fd));
	close(fd);
	assert_int_equal(server_stop(&server), 0);
}

static void burst(size_t n)
{
	int *fds = calloc(n, sizeof *fds);
	assert_non_null(fds);
	for (size_t i = 0; i < n; i++)
		fds[i] = raw_connect(&server);
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
	free(fds);
}

/* ---------------------------------------------------------------- over the limit */

static void a_burst_over_the_limit_is_survived(void **state)
{
	static const char *const limits[] = {"1", "8", "50"};
	static const char *const threads[] = {"1", "3"};
	(void)state;
	for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
		for (size_t k = 0; k < sizeof threads / sizeof threads[0]; k++) {
			bool fits = atoi(threads[k]) <= atoi(limits[i]);
			start((const char *const[]){"--connections", limits[i], "--io-threads",
						    fits ? threads[k] : "1", NULL});
			burst(200);
			expect_alive();
		}
}

static void few_descriptors_are_survived(void **state)
{
	static const rlim_t limits[] = {40, 64, 100};
	(void)state;
	for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
		server_limit_files(limits[i]);
		start((const char *const[]){"--io-threads", "2", NULL});
		server_limit_files(0);
		burst(300);
		expect_alive();
	}
}

/* This many in this process: as many descriptors as it may have, less some. */
static size_t descriptors(void)
{
	struct rlimit limit;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	getrlimit(RLIMIT_NOFILE, &limit);
	return limit.rlim_cur - 100;
}

/* In a child, which has no test to fail. */
static bool connect_quietly(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(server.port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	return fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0;
}

/* So many silent connections, held by children until their pipe ends. */
static int hold(size_t n, size_t each, pid_t *children, size_t *n_children)
{
	int pipes[2], ready[2];
	char byte;
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(pipe(ready), 0);
	for (*n_children = 0; n > 0; ++*n_children) {
		size_t mine = n < each ? n : each;
		n -= mine;
		pid_t child = fork();
		if (child == 0) {
			close(pipes[1]);
			for (size_t i = 0; i < mine; i++)
				if (!connect_quietly())
					_exit(1);
			if (write(ready[1], "", 1) != 1 || read(pipes[0], &byte, 1) != 0)
				_exit(1);
			_exit(0);
		}
		children[*n_children] = child;
		assert_int_equal(read(ready[0], &byte, 1), 1);
	}
	close(pipes[0]);
	close(ready[0]);
	close(ready[1]);
	return pipes[1];
}

/* A child that sends a large body: it keeps a thread of the server busy. Its connection is there
 * when this returns. */
static pid_t upload(const char *body, size_t size)
{
	char head[256], out[4096];
	int fd = raw_connect(&server);
	snprintf(head, sizeof head,
		 "POST " CROSS_ENTROPY
		 " HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n",
		 size);
	pid_t child = fork();
	if (child == 0) {
		bool sent = raw_send(fd, head, strlen(head)) && raw_send(fd, body, size);
		raw_read_until(fd, out, sizeof out, "\r\n\r\n", WAIT_MS);
		_exit(sent && strncmp(out, "HTTP/1.1 200 ", 13) == 0 ? 0 : 1);
	}
	close(fd);
	return child;
}

static void expect_success(pid_t child)
{
	int status = -1;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* The limit is reached while the threads that serve have no time to notice. */
static void thousands_over_the_limit_are_survived(void **state)
{
	static const char *const limits[] = {"2000", "20000"};
	pid_t children[64], uploads[2];
	size_t n, size, each = descriptors();
	char *body = body_of_zeros(built_with_sanitizer() ? 500 : 12000, 1000, &size);
	(void)state;
	for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
		size_t limit = (size_t)atoi(limits[i]);
		/* The server has as many descriptors as this process. */
		if (each + 1000 < limit) {
			print_message("left out: %s connections, with %zu descriptors\n", limits[i],
				      each);
			continue;
		}
		start((const char *const[]){"--connections", limits[i], NULL});
		int held = hold(limit - 100, each < 8000 ? each : 8000, children, &n);
		for (int k = 0; k < 2; k++)
			uploads[k] = upload(body, size);
		burst(300);
		for (int k = 0; k < 2; k++)
			expect_success(uploads[k]);
		close(held);
		for (size_t k = 0; k < n; k++)
			expect_success(children[k]);
		expect_alive();
	}
	free(body);
}

/* As many requests at once as libmicrohttpd asks for events, and about so many: all of them are
 * answered. The server is stopped while they are sent, so that it finds them together. */
static void any_number_may_be_ready_at_once(void **state)
{
	static const int numbers[] = {127, 128, 129, 255, 256, 257};
	static int fds[257];
	(void)state;
	start((const char *const[]){"--io-threads", "1", NULL});
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		for (int k = 0; k < numbers[i]; k++)
			fds[k] = open_used();
		assert_int_equal(kill(server.pid, SIGSTOP), 0);
		for (int k = 0; k < numbers[i]; k++)
			assert_true(ask(fds[k]));
		assert_int_equal(kill(server.pid, SIGCONT), 0);
		for (int k = 0; k < numbers[i]; k++) {
			assert_true(is_answered(fds[k]));
			close(fds[k]);
		}
	}
	assert_int_equal(server_stop(&server), 0);
}

/* They send something, and have left before it is read: nobody waits for them. */
static void those_that_have_left_hold_no_places(void **state)
{
	static const char *const beginnings[] = {"", "G", LIVE};
	(void)state;
	start((const char *const[]){"--connections", "4", NULL});
	for (size_t i = 0; i < 3; i++) {
		for (int k = 0; k < 200; k++) {
			int fd = raw_connect(&server);
			assert_true(raw_send(fd, beginnings[i], strlen(beginnings[i])));
			close(fd);
		}
		int64_t begun = now_ms();
		int fd = raw_connect(&server);
		assert_true(ask(fd) && is_answered(fd));
		close(fd);
		/* Half a second for each four of them would be this long. */
		assert_true(now_ms() - begun < 200 / 4 * 500);
	}
	assert_int_equal(server_stop(&server), 0);
}

/* Silent connections in the moment of a stop that waits for nobody. */
static void a_stop_without_patience_is_clean(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++) {
		int fds[300];
		start((const char *const[]){"--drain-timeout-ms", "0", NULL});
		for (int k = 0; k < 300; k++) {
			fds[k] = raw_connect(&server);
			if (k == 200)
				kill(server.pid, SIGSTOP);
		}
		kill(server.pid, SIGTERM);
		kill(server.pid, SIGCONT);
		assert_int_equal(server_wait(&server), 0);
		for (int k = 0; k < 300; k++)
			close(fds[k]);
	}
}

/* ---------------------------------------------------------------- making room */

/* Who has waited longer is told by the clock that moves with the system's ticks. */
static void await_tick(void)
{
	struct timespec before, now;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &before);
	do {
		poll(NULL, 0, 1);
		clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	} while (now.tv_sec == before.tv_sec && now.tv_nsec == before.tv_nsec);
}

static void the_longest_idle_makes_room(void **state)
{
	int fds[20], late[3];
	char byte;
	bool closed;
	(void)state;
	start((const char *const[]){"--connections", "20", NULL});
	for (int i = 0; i < 20; i++) {
		fds[i] = open_used();
		await_tick();
	}
	assert_true(ask(fds[0]) && is_answered(fds[0])); /* not the longest any more */
	for (int i = 0; i < 3; i++)
		late[i] = open_used();
	for (int i = 1; i <= 3; i++) {
		assert_int_equal(raw_read(fds[i], &byte, 1, WAIT_MS, &closed), 0);
		assert_true(recv(fds[i], &byte, 1, 0) <= 0);
	}
	for (int i = 4; i < 20; i++)
		assert_true(ask(fds[i]) && is_answered(fds[i]));
	assert_true(ask(fds[0]) && is_answered(fds[0]));
	for (int i = 0; i < 20; i++)
		close(fds[i]);
	assert_true(server_metric(&server, "lossd_rejected_total{reason=\"evicted\"}") >= 3);
	for (int i = 0; i < 3; i++)
		close(late[i]);
	assert_int_equal(server_stop(&server), 0);
}

/* Nobody is idle: the next one waits, and is served when somebody has gone. */
static void without_idle_ones_newcomers_wait(void **state)
{
	int fds[10];
	(void)state;
	start((const char *const[]){"--connections", "10", NULL});
	for (int i = 0; i < 10; i++) {
		fds[i] = raw_connect(&server);
		assert_true(raw_send(fds[i], LIVE, sizeof LIVE - 1)); /* an unfinished head */
	}
	int late = raw_connect(&server);
	assert_true(ask(late));
	/* Those that are served go on. */
	for (int i = 0; i < 9; i++) {
		char byte;
		assert_int_equal(recv(late, &byte, 1, MSG_DONTWAIT), -1);
		if (i < 4)
			continue;
		assert_true(raw_send(fds[i], "\r\n", 2));
		assert_true(is_answered(fds[i]));
		if (i == 4)
			break;
	}
	assert_true(is_answered(late));
	for (int i = 0; i < 10; i++)
		close(fds[i]);
	close(late);
	assert_int_equal(server_stop(&server), 0);
}

/* The second listener's port: on the second ready line. */
static uint16_t second_port(void)
{
	char line[256];
	assert_true(server_line(&server, line, sizeof line));
	assert_non_null(strstr(line, "ready on http://127.0.0.1:"));
	return (uint16_t)atoi(strrchr(line, ':') + 1);
}

/* A listener for health checks gets through while the other one is full. */
static void each_listener_has_connections_of_its_own(void **state)
{
	int fds[30], checks[8];
	(void)state;
	start((const char *const[]){"--connections", "20", "--listen", "127.0.0.1:0", NULL});
	uint16_t port = second_port();
	for (int i = 0; i < 30; i++) {
		fds[i] = raw_connect(&server);
		assert_true(raw_send(fds[i], LIVE, sizeof LIVE - 1));
	}
	for (int i = 0; i < 8; i++) {
		checks[i] = connect_from("127.0.0.1", port);
		assert_true(ask(checks[i]));
		assert_true(is_answered(checks[i]));
	}
	for (int i = 0; i < 8; i++)
		close(checks[i]);
	for (int i = 0; i < 30; i++)
		close(fds[i]);
	expect_alive();
}

static bool has_second_address(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	inet_pton(AF_INET, "127.0.0.2", &address.sin_addr);
	bool has = bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
	close(fd);
	return has;
}

static void an_address_has_its_limit(void **state)
{
	static const char reason[] = "lossd_rejected_total{reason=\"connections_per_address\"}";
	int fds[3];
	char byte;
	(void)state;
	if (!has_second_address()) {
		print_message("skipped: this system has no 127.0.0.2\n");
		skip();
	}
	start((const char *const[]){"--connections-per-address", "3", "--listen", "127.0.0.1:0",
				    NULL});
	uint16_t second = second_port();
	for (int i = 0; i < 3; i++) {
		fds[i] = connect_from("127.0.0.2", i == 1 ? second : server.port);
		assert_true(ask(fds[i]) && is_answered(fds[i]));
	}
	for (int i = 1; i <= 20; i++) {
		int fourth = connect_from("127.0.0.2", i % 2 ? second : server.port);
		struct pollfd end = {.fd = fourth, .events = POLLIN};
		assert_int_equal(poll(&end, 1, WAIT_MS), 1);
		assert_true(recv(fourth, &byte, 1, 0) <= 0);
		close(fourth);
		assert_true(server_metric(&server, reason) == i); /* from another address */
	}
	close(fds[0]);
	for (int64_t end = now_ms() + WAIT_MS; now_ms() < end;) {
		int again = connect_from("127.0.0.2", server.port);
		struct pollfd ready = {.fd = again, .events = POLLIN};
		bool served = ask(again) && poll(&ready, 1, WAIT_MS) == 1 &&
			      recv(again, &byte, 1, MSG_PEEK) == 1 && is_answered(again);
		close(again);
		if (served)
			break;
		assert_true(now_ms() < end);
	}
	close(fds[1]);
	close(fds[2]);
	assert_int_equal(server_stop(&server), 0);
}

/* ---------------------------------------------------------------- memory */

static void wait_until_held_below(double bytes)
{
	int64_t end = now_ms() + WAIT_MS;
	while (server_metric(&server, "lossd_inflight_bytes") >= bytes && now_ms() < end)
		poll(NULL, 0, 5);
	assert_true(server_metric(&server, "lossd_inflight_bytes") < bytes);
}

/* Connections are paid for by the budget, of which they take half at most; what they are asked
 * still has its room. */
static void connections_count_against_the_budget(void **state)
{
	enum { MANY = 600 };
	static int fds[MANY];
	(void)state;
	start((const char *const[]){"--memory-budget-bytes", "16MiB", NULL});
	char *log = server_log(&server);
	assert_non_null(strstr(log, "memory_budget_bytes"));
	free(log);
	for (int i = 0; i < MANY; i++)
		fds[i] = open_used();
	double held = server_metric(&server, "lossd_inflight_bytes");
	assert_true(held > 6.0 * (double)MIB && held < 8.5 * (double)MIB);
	struct client *client = client_open(&server);
	struct reply reply;
	client_post(client, CROSS_ENTROPY, GOOD, &reply);
	assert_int_equal(reply.status, 200);
	reply_free(&reply);
	client_close(client);
	for (int i = 0; i < MANY; i++)
		close(fds[i]);
	wait_until_held_below(100000);
	assert_int_equal(server_stop(&server), 0);
}

/* Their memory goes back to the system when they close. */
static void closed_connections_leave_nothing(void **state)
{
	enum { MANY = 1500 };
	static int fds[MANY];
	(void)state;
	if (built_with_sanitizer()) {
		print_message("skipped: a sanitizer keeps memory for itself\n");
		skip();
	}
	start(NULL);
	close(open_used());
	size_t before = server_resident_bytes(&server);
	for (int i = 0; i < MANY; i++)
		fds[i] = open_used();
	assert_true(server_resident_bytes(&server) > before + MANY * (size_t)16384);
	for (int i = 0; i < MANY; i++)
		close(fds[i]);
	wait_until_held_below(100000);
	size_t after = server_resident_bytes(&server);
	if (after > before + 8 * MIB)
		fail_msg("%zu bytes before, %zu after", before, after);
	assert_int_equal(server_stop(&server), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, kill_server)
	const struct CMUnitTest tests[] = {
		TEST(a_burst_over_the_limit_is_survived),
		TEST(few_descriptors_are_survived),
		TEST(thousands_over_the_limit_are_survived),
		TEST(any_number_may_be_ready_at_once),
		TEST(those_that_have_left_hold_no_places),
		TEST(a_stop_without_patience_is_clean),
		TEST(the_longest_idle_makes_room),
		TEST(without_idle_ones_newcomers_wait),
		TEST(each_listener_has_connections_of_its_own),
		TEST(an_address_has_its_limit),
		TEST(connections_count_against_the_budget),
		TEST(closed_connections_leave_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
