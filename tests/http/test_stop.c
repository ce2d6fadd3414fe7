/* SIGTERM in every state of the server: what is under way is answered, and the exit code is 0. */
#include "../support/client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define POST "POST " CROSS_ENTROPY " HTTP/1.1\r\nHost: a\r\n"
#define PROBLEM "{\"logits\": [[-0.7715, -0.6205, -0.2562]], \"targets\": [0]}"
#define LENGTH "Content-Length: 57\r\n"
#define SEED_LOSS "1.3447266"
#define READY "GET /v2/health/ready HTTP/1.1\r\nHost: a\r\n"
#define LIVE "GET /v2/health/live HTTP/1.1\r\nHost: a\r\n"
#define WAIT_MS 60000
#define HOUR "3600000"

_Static_assert(sizeof PROBLEM - 1 == 57, "LENGTH is PROBLEM's");

static struct server server;

static int kill_server(void **state)
{
	(void)state;
	server_kill(&server); /* of a test that failed; else it is gone */
	return 0;
}

static void start(const char *const *flags)
{
	assert_int_equal(server_start(&server, flags, NULL), 0);
}

static void terminate(void)
{
	assert_int_equal(kill(server.pid, SIGTERM), 0);
}

static bool accepts(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(server.port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
	bool connected = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
	close(fd);
	return connected;
}

/* Until the signal has been taken and the listening socket is closed. */
static void wait_until_draining(void)
{
	int64_t end = now_ms() + WAIT_MS;
	while (accepts() && now_ms() < end)
		poll(NULL, 0, 1);
	assert_false(accepts());
}

static int send_text(const char *text)
{
	int fd = raw_connect(&server);
	assert_true(raw_send(fd, text, strlen(text)));
	return fd;
}

/* Another connection's exchange: by then the server has read what was sent before. */
static void exchange(void)
{
	char out[2048];
	int fd = send_text(LIVE "Connection: close\r\n\r\n");
	raw_read(fd, out, sizeof out, WAIT_MS, NULL);
	assert_non_null(strstr(out, "{\"live\":true}"));
	close(fd);
}

/* Sends a head and returns when the server has read it: it asks for the body then. */
static int begin_upload(const char *head)
{
	static const char end[] = "Expect: 100-continue\r\n\r\n";
	char out[64];
	int fd = send_text(head);
	assert_true(raw_send(fd, end, sizeof end - 1));
	raw_read_until(fd, out, sizeof out, "\r\n\r\n", WAIT_MS);
	assert_string_equal(out, "HTTP/1.1 100 Continue\r\n\r\n");
	return fd;
}

static void expect_reply(int fd, const char *status, const char *words, char out[4096])
{
	bool closed;
	raw_read(fd, out, 4096, WAIT_MS, &closed);
	close(fd);
	if (strncmp(out, status, strlen(status)) != 0 || !strstr(out, words))
		fail_msg("not %s and %s, but: %s", status, words, out);
	assert_true(closed);
}

/* From a server that has taken the signal. */
static void expect_end(int fd, const char *status, const char *words)
{
	char out[4096];
	expect_reply(fd, status, words, out);
	assert_non_null(strstr(out, "Connection: close\r\n"));
}

static void an_idle_server_ends_at_once(void **state)
{
	(void)state;
	start(NULL);
	int64_t begun = now_ms();
	assert_int_equal(server_stop(&server), 0);
	assert_true(now_ms() - begun < WAIT_MS);
}

/* Connections that wait for nothing do not hold it up, whatever their timeouts. */
static void idle_connections_are_closed(void **state)
{
	static const char *const flags[] = {"--idle-timeout-ms",
					    HOUR,
					    "--head-timeout-ms",
					    HOUR,
					    "--drain-timeout-ms",
					    HOUR,
					    NULL};
	char out[2048];
	bool closed;
	(void)state;
	start(flags);
	int idle = send_text(LIVE "\r\n");
	raw_read_until(idle, out, sizeof out, "}", WAIT_MS);
	int fresh = raw_connect(&server);
	exchange();
	int64_t begun = now_ms();
	assert_int_equal(server_stop(&server), 0);
	assert_true(now_ms() - begun < WAIT_MS);
	assert_int_equal(raw_read(idle, out, sizeof out, WAIT_MS, &closed), 0);
	assert_true(closed);
	close(idle);
	close(fresh);
}

static void an_upload_is_finished_and_answered(void **state)
{
	(void)state;
	start(NULL);
	int fd = begin_upload(POST LENGTH);
	assert_true(raw_send(fd, PROBLEM, 10));
	terminate();
	wait_until_draining();
	assert_true(raw_send(fd, &PROBLEM[10], sizeof PROBLEM - 1 - 10));
	expect_end(fd, "HTTP/1.1 200 ", SEED_LOSS);
	assert_int_equal(server_wait(&server), 0);
}

static void new_requests_are_sent_elsewhere(void **state)
{
	(void)state;
	start(NULL);
	int post = send_text(POST);
	int live = send_text(LIVE);
	int ready = send_text(READY);
	int v2 = send_text("GET /v2 HTTP/1.1\r\nHost: a\r\n");
	exchange();
	terminate();
	wait_until_draining();
	assert_true(raw_send(post, LENGTH "\r\n" PROBLEM, sizeof LENGTH PROBLEM + 1));
	expect_end(post, "HTTP/1.1 503 ", "\"code\":\"draining\"");
	assert_true(raw_send(live, "\r\n", 2));
	expect_end(live, "HTTP/1.1 200 ", "{\"live\":true}");
	assert_true(raw_send(ready, "\r\n", 2));
	expect_end(ready, "HTTP/1.1 503 ", "{\"ready\":false}");
	assert_true(raw_send(v2, "\r\n", 2));
	expect_end(v2, "HTTP/1.1 503 ", "Retry-After: 1\r\n");
	assert_int_equal(server_wait(&server), 0);
}

/* Until the signal has been taken: it is not ready any more. */
static void wait_until_leaving(void)
{
	char out[2048] = "";
	int64_t end = now_ms() + WAIT_MS;
	while (!strstr(out, "{\"ready\":false}") && now_ms() < end) {
		int fd = send_text(READY "Connection: close\r\n\r\n");
		raw_read(fd, out, sizeof out, WAIT_MS, NULL);
		close(fd);
	}
	assert_non_null(strstr(out, "HTTP/1.1 503 "));
}

/* Not ready, but serving: whoever balances the load has not noticed yet. A second signal ends it at
 * once. */
static void the_delay_is_for_load_balancers(void **state)
{
	static const char *const flags[] = {"--drain-delay-ms", HOUR, NULL};
	(void)state;
	start(flags);
	terminate();
	wait_until_leaving();
	expect_end(send_text(POST LENGTH "\r\n" PROBLEM), "HTTP/1.1 200 ", SEED_LOSS);
	terminate();
	assert_int_equal(server_wait(&server), 1);
}

static void a_client_that_does_not_end_is_cut(void **state)
{
	static const char *const flags[] = {"--drain-timeout-ms", "200", NULL};
	char out[2048];
	(void)state;
	start(flags);
	int fd = begin_upload(POST LENGTH);
	assert_true(raw_send(fd, "{", 1));
	terminate();
	assert_int_equal(server_wait(&server), 0);
	assert_int_equal(raw_read(fd, out, sizeof out, WAIT_MS, NULL), 0);
	close(fd);
}

static void hang_up_is_no_end(void **state)
{
	(void)state;
	start(NULL);
	assert_int_equal(kill(server.pid, SIGHUP), 0);
	exchange();
	assert_int_equal(server_stop(&server), 0);
}

/* ---------------------------------------------------------------- nothing is lost */

#define USED 24
#define DRAINS 5

/* Bodies of a few hundred bytes to some megabytes; the loss of each is log 2. */
static char *body_of(int i, size_t *size)
{
	return body_of_zeros((size_t)1 << (i % 20), 2, size);
}

static int send_problem(int fd, int i)
{
	char head[256];
	size_t size;
	char *body = body_of(i, &size);
	snprintf(head, sizeof head, POST "Content-Length: %zu\r\n\r\n", size);
	assert_true(raw_send(fd, head, strlen(head)) && raw_send(fd, body, size));
	free(body);
	return fd;
}

static void expect_loss(int fd)
{
	char out[4096];
	expect_reply(fd, "HTTP/1.1 200 ", "\"loss\":0.693147", out);
}

/* Requests wholly sent on connections that were used before, in the moment of the signal. */
static void requests_on_used_connections_are_answered(void **state)
{
	int fds[USED];
	(void)state;
	for (int drain = 0; drain < DRAINS; drain++) {
		start(NULL);
		for (int i = 0; i < USED; i++) {
			char out[2048];
			fds[i] = send_text(LIVE "\r\n");
			raw_read_until(fds[i], out, sizeof out, "}", WAIT_MS);
		}
		for (int i = 0; i < USED; i++)
			send_problem(fds[i], i);
		terminate();
		for (int i = 0; i < USED; i++)
			expect_loss(fds[i]);
		assert_int_equal(server_wait(&server), 0);
	}
}

/* Connections that have not been accepted yet, since there was no room. */
static void the_backlog_is_answered(void **state)
{
	static const char *const flags[] = {"--connections", "8", "--io-threads", "2", NULL};
	int busy[8], waiting[40];
	char out[4096];
	(void)state;
	start(flags);
	for (int i = 0; i < 8; i++)
		busy[i] = begin_upload(POST LENGTH);
	for (int i = 0; i < 40; i++)
		waiting[i] = send_problem(raw_connect(&server), i % 8);
	terminate();
	for (int i = 0; i < 8; i++) {
		assert_true(raw_send(busy[i], PROBLEM, sizeof PROBLEM - 1));
		expect_reply(busy[i], "HTTP/1.1 200 ", SEED_LOSS, out);
	}
	for (int i = 0; i < 40; i++)
		expect_loss(waiting[i]);
	assert_int_equal(server_wait(&server), 0);
}

/* Connected and asked in the moment of the signal. */
static void new_connections_are_answered(void **state)
{
	int fds[100];
	(void)state;
	for (int drain = 0; drain < DRAINS; drain++) {
		start(NULL);
		for (int i = 0; i < 100; i++)
			fds[i] = send_problem(raw_connect(&server), i % 16);
		terminate();
		for (int i = 0; i < 100; i++)
			expect_loss(fds[i]);
		assert_int_equal(server_wait(&server), 0);
	}
}

/* All that was sent after one another before the signal, also what is after a large problem. */
static void pipelined_requests_are_answered(void **state)
{
	static char out[1 << 16];
	(void)state;
	for (int drain = 0; drain < DRAINS; drain++) {
		size_t n = 0;
		start(NULL);
		int fd = send_problem(raw_connect(&server), 18);
		for (int i = 0; i < 20; i++)
			send_problem(fd, i % 8);
		terminate();
		raw_read(fd, out, sizeof out, WAIT_MS, NULL);
		close(fd);
		for (const char *at = out; (at = strstr(at, "\"loss\":0.693147")) != NULL; at++)
			n++;
		assert_int_equal(n, 21);
		assert_int_equal(server_wait(&server), 0);
	}
}

/* Also after one whose length on the wire is not known. */
static void requests_behind_chunks_are_answered(void **state)
{
	static const char *const flags[] = {"--drain-delay-ms", HOUR, NULL};
	static const char text[] =
		POST "Transfer-Encoding: chunked\r\n\r\n39\r\n" PROBLEM "\r\n0\r\n\r\n" LIVE
		     "\r\n" LIVE "Connection: close\r\n\r\n";
	char out[8192];
	(void)state;
	start(flags);
	terminate();
	wait_until_leaving();
	int fd = send_text(text);
	raw_read(fd, out, sizeof out, WAIT_MS, NULL);
	close(fd);
	assert_non_null(strstr(out, SEED_LOSS));
	const char *first = strstr(out, "{\"live\":true}");
	assert_non_null(first);
	assert_non_null(strstr(first + 1, "{\"live\":true}"));
	terminate();
	assert_int_equal(server_wait(&server), 1);
}

/* One that never stops asking does not hold up the stop. */
static void an_endless_pipeline_is_ended(void **state)
{
	static const char *const flags[] = {"--drain-timeout-ms", HOUR, NULL};
	static const char request[] = "GET /v2 HTTP/1.1\r\nHost: a\r\n\r\n";
	static char out[1 << 16];
	ssize_t n = 1;
	(void)state;
	start(flags);
	int fd = send_problem(raw_connect(&server), 18);
	terminate();
	for (int64_t end = now_ms() + WAIT_MS; n > 0 && now_ms() < end;) {
		struct pollfd ready = {.fd = fd, .events = POLLIN | POLLOUT};
		poll(&ready, 1, WAIT_MS);
		if (ready.revents & POLLOUT)
			send(fd, request, sizeof request - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (ready.revents & (POLLIN | POLLHUP | POLLERR))
			n = recv(fd, out, sizeof out, 0);
	}
	assert_true(n <= 0);
	close(fd);
	assert_int_equal(server_wait(&server), 0);
}

/* ---------------------------------------------------------------- large problems */

#define ROWS 3000
#define CLASSES 100
#define CLIENTS 6

/* Computing, waiting to be computed, decoding: all are answered, in whatever state the signal finds
 * them. */
static void large_problems_are_finished(void **state)
{
	int fds[CLIENTS];
	size_t size;
	char *body = body_of_zeros(ROWS, CLASSES, &size), head[256];
	(void)state;
	start(NULL);
	snprintf(head, sizeof head, POST "Content-Length: %zu\r\n", size);
	for (int i = 0; i < CLIENTS; i++)
		fds[i] = begin_upload(head);
	for (int i = 0; i < CLIENTS; i++)
		assert_true(raw_send(fds[i], body, size));
	terminate();
	for (int i = 0; i < CLIENTS; i++) {
		char out[4096];
		raw_read(fds[i], out, sizeof out, WAIT_MS, NULL);
		close(fds[i]);
		if (!strstr(out, "4.60517"))
			fail_msg("client %d: %s", i, out);
	}
	assert_int_equal(server_wait(&server), 0);
	free(body);
}

/* ---------------------------------------------------------------- start */

static void a_taken_port_is_one_line(void **state)
{
	struct server_run run;
	char address[64];
	const char *flags[] = {"--listen", address, NULL};
	(void)state;
	start(NULL);
	snprintf(address, sizeof address, "127.0.0.1:%u", (unsigned)server.port);
	assert_int_equal(server_run(&run, flags, NULL), 0);
	assert_int_equal(run.code, 2);
	assert_string_equal(run.out, "");
	assert_non_null(strstr(run.err, address));
	assert_ptr_equal(strchr(run.err, '\n'), run.err + strlen(run.err) - 1);
	server_run_free(&run);
	assert_int_equal(server_stop(&server), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, kill_server)
	const struct CMUnitTest tests[] = {
		TEST(an_idle_server_ends_at_once),
		TEST(idle_connections_are_closed),
		TEST(an_upload_is_finished_and_answered),
		TEST(new_requests_are_sent_elsewhere),
		TEST(the_delay_is_for_load_balancers),
		TEST(a_client_that_does_not_end_is_cut),
		TEST(hang_up_is_no_end),
		TEST(requests_on_used_connections_are_answered),
		TEST(the_backlog_is_answered),
		TEST(new_connections_are_answered),
		TEST(pipelined_requests_are_answered),
		TEST(requests_behind_chunks_are_answered),
		TEST(an_endless_pipeline_is_ended),
		TEST(large_problems_are_finished),
		TEST(a_taken_port_is_one_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
