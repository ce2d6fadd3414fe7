/* Clients that ask for much and do not read it: they hold memory, but not for long, and not while
 * others need it. */
#include "../support/group.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#define WAIT_MS 60000
#define MIB (1024.0 * 1024.0)
#define SMALL 4096 /* bytes that a client's kernel takes for it */

static int kill_server(void **state)
{
	(void)state;
	client_close(client);
	client = NULL;
	server_kill(&server); /* of a test that failed; else it is gone */
	return 0;
}

static void start(const char *const *flags)
{
	assert_int_equal(group_start_with(flags), 0);
}

static void stop(void)
{
	client_close(client);
	client = NULL;
	assert_int_equal(server_stop(&server), 0);
}

/* Sends a problem of so many zeros, and asks for its gradient: a reply of some eight bytes each, of
 * which the kernels take a few megabytes. */
static int ask_for_gradient(size_t rows, size_t classes, int receive_buffer)
{
	static const char path[] =
		"POST " CROSS_ENTROPY "?outputs=loss,grad HTTP/1.1\r\nHost: a\r\n";
	char head[256];
	size_t size;
	char *body = body_of_zeros(rows, classes, &size);
	int fd = raw_connect(&server);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
	snprintf(head, sizeof head, "%sContent-Length: %zu\r\n\r\n", path, size);
	assert_true(raw_send(fd, head, strlen(head)) && raw_send(fd, body, size));
	free(body);
	return fd;
}

static void wait_until_held(double least)
{
	int64_t end = now_ms() + WAIT_MS;
	while (server_metric(&server, "lossd_inflight_bytes") < least && now_ms() < end)
		poll(NULL, 0, 5);
	assert_true(server_metric(&server, "lossd_inflight_bytes") >= least);
}

/* Until what was sent has been read. */
static void wait_until_settled(void)
{
	double before, held = server_metric(&server, "lossd_inflight_bytes");
	do {
		poll(NULL, 0, 300);
		before = held;
		held = server_metric(&server, "lossd_inflight_bytes");
	} while (held != before);
}

static void wait_for_reset(int fd)
{
	struct pollfd state = {.fd = fd};
	int64_t end = now_ms() + WAIT_MS;
	while (!(state.revents & (POLLHUP | POLLERR)) && now_ms() < end)
		poll(&state, 1, 10);
	assert_true(state.revents & (POLLHUP | POLLERR));
	close(fd);
}

static double rejected(const char *reason)
{
	char name[128];
	snprintf(name, sizeof name, "lossd_rejected_total{reason=\"%s\"}", reason);
	return server_metric(&server, name);
}

/* However long the reply: what is not taken is no reason to wait for it. */
static void a_reply_that_nobody_reads_ends_soon(void **state)
{
	static const char *const flags[] = {"--reply-timeout-ms", "500", NULL};
	(void)state;
	start(flags);
	int fd = ask_for_gradient(400, 4000, SMALL); /* 13 MB: three minutes at the least rate */
	wait_for_reset(fd);
	assert_true(rejected("reply_timeout") >= 1);
	stop();
}

/* A problem with 32 MB of tensor is refused for want of memory for a while, and then served: since
 * slow transfers have made way, and not since their time had run out. */
static void expect_served_in_the_end(void)
{
	struct request request = {.path = CROSS_ENTROPY};
	char *body = body_of_zeros(8000, 1000, &request.body_size);
	int status = 429;
	request.body = body;
	for (int64_t end = now_ms() + WAIT_MS; status == 429 && now_ms() < end;) {
		struct reply reply;
		client_send(client, &request, &reply);
		status = reply.status;
		reply_free(&reply);
		if (status == 429)
			poll(NULL, 0, 50);
	}
	free(body);
	assert_int_equal(status, 200);
	assert_true(rejected("slow_transfer") >= 1);
	assert_true(rejected("body_timeout") == 0);
	assert_true(rejected("reply_timeout") == 0);
}

/* Two clients hold the budget; a third one is served all the same, in a moment. */
static void the_slowest_readers_go_when_memory_is_short(void **state)
{
	static const char *const flags[] = {"--memory-budget-bytes", "64MiB", NULL};
	(void)state;
	start(flags);
	int first = ask_for_gradient(300, 4000, SMALL); /* a tensor, a gradient, 10 MB of reply */
	wait_until_held(15.0 * MIB);
	int second = ask_for_gradient(300, 4000, SMALL);
	wait_until_held(34.0 * MIB);
	expect_served_in_the_end();
	close(first);
	close(second);
	stop();
}

/* The kernel of a client that reads now and then takes a reply in pieces, with pauses. */
static void a_slow_reader_that_goes_on_gets_it_all(void **state)
{
	static const char *const flags[] = {"--reply-timeout-ms", "2000",
					    "--reply-min-bytes-per-second", "1000", NULL};
	static char out[65536];
	size_t total = 0;
	ssize_t n = 1;
	(void)state;
	start(flags);
	int fd = ask_for_gradient(300, 4000, 1 << 18);
	/* Longer than a timeout in all. */
	for (int64_t begun = now_ms(); n > 0 && now_ms() < begun + 3000; total += (size_t)n) {
		poll(NULL, 0, 20);
		n = recv(fd, out, 4096, 0);
	}
	while (n > 0 && strstr(out, "\"metrics\"") == NULL) {
		struct pollfd more = {.fd = fd, .events = POLLIN};
		assert_int_equal(poll(&more, 1, WAIT_MS), 1);
		memset(out, 0, sizeof out);
		n = recv(fd, out, sizeof out - 1, 0);
		total += n > 0 ? (size_t)n : 0;
	}
	assert_true(n > 0 && total > 1000000);
	assert_true(rejected("reply_timeout") == 0);
	close(fd);
	stop();
}

/* ---------------------------------------------------------------- a full budget */

static int evaluate(void)
{
	struct reply reply;
	client_post(client, CROSS_ENTROPY, GOOD, &reply);
	int status = reply.status;
	/* The document is always whole. */
	if (status == 429)
		assert_non_null(strstr(reply.body, "too_much_memory_in_flight"));
	reply_free(&reply);
	return status;
}

static int health(void)
{
	struct reply reply;
	client_get(client, "/v2/health/ready", &reply);
	int status = reply.status;
	reply_free(&reply);
	return status;
}

#define ROW 20000
#define MOST 160 /* connections: fewer than the budget carries */
#define HEAD "POST " CROSS_ENTROPY " HTTP/1.1\r\nHost: a\r\nContent-Length: 1073741824\r\n\r\n"

/* While uploads fill the budget to the brim, a step at a time, whoever is refused is told 429, and
 * that the server is ready. */
static void a_full_budget_is_429_and_nothing_else(void **state)
{
	static const char *const flags[] = {"--memory-budget-bytes", "16MiB", NULL};
	static char row[2 * ROW + 3];
	int fds[MOST], n = 0, refused = 0;
	(void)state;
	start(flags);
	row[0] = '[';
	for (size_t i = 0; i < ROW; i++)
		memcpy(&row[1 + 2 * i], "1,", 2);
	memcpy(&row[2 * ROW], "],", 2);
	for (int i = 0; i < MOST; i++)
		fds[i] = raw_connect(&server);
	int large = raw_connect(&server);
	assert_true(raw_send(large, HEAD "{\"logits\":[", sizeof HEAD + 10));
	for (int i = 0; i < 105; i++) /* 80 KB each */
		assert_true(raw_send(large, row, 2 * ROW + 2));
	wait_until_held(13.0 * MIB);
	wait_until_settled(); /* it is not to be the one that is refused */
	for (; n < MOST; n++) {
		assert_true(raw_send(fds[n], HEAD "{", sizeof HEAD));
		int status = evaluate();
		refused += status == 429;
		if (status != 200 && status != 429)
			fail_msg("with %d uploads: %d", n + 1, status);
		assert_int_equal(health(), 200);
	}
	assert_true(refused > 0);
	for (int i = 0; i < n; i++)
		close(fds[i]);
	close(large);
	stop();
}

/* Few bytes on the wire may be many in memory: it is the latter that count. */
static void compressed_uploads_make_way_too(void **state)
{
	enum { BOMBS = 12, TENSOR = 6000000 };
	static const char *const flags[] = {"--memory-budget-bytes", "64MiB", NULL};
	static unsigned char coded[1 << 20];
	static char text[TENSOR + 16];
	int fds[BOMBS];
	char head[256];
	(void)state;
	start(flags);
	/* The beginning of a body, which decodes to 12 MB of tensor: its end never comes. */
	size_t n = (size_t)snprintf(text, sizeof text, "{\"logits\":[[");
	/* Not so alike that they would be refused as a bomb: at most a hundred to one. */
	for (unsigned random = 1; n + 2 < TENSOR; n += 2) {
		random = random * 1103515245u + 12345u;
		text[n] = (char)(n / 2 % 32 == 0 ? '0' + random / 65536 % 10 : '1');
		text[n + 1] = ',';
	}
	z_stream z = {.next_in = (unsigned char *)text,
		      .avail_in = (unsigned)n,
		      .next_out = coded,
		      .avail_out = sizeof coded};
	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&z, Z_SYNC_FLUSH), Z_OK);
	size_t size = sizeof coded - z.avail_out;
	deflateEnd(&z);
	assert_in_range(size, n / 95, 256 * 1024);
	snprintf(head, sizeof head,
		 "POST " CROSS_ENTROPY " HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\n"
		 "Content-Length: 1000000\r\n\r\n");
	for (int i = 0; i < BOMBS; i++) {
		fds[i] = raw_connect(&server);
		assert_true(raw_send(fds[i], head, strlen(head)));
		assert_true(raw_send(fds[i], coded, size));
	}
	wait_until_held(20.0 * MIB);
	expect_served_in_the_end();
	for (int i = 0; i < BOMBS; i++)
		close(fds[i]);
	stop();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, kill_server)
	const struct CMUnitTest tests[] = {
		TEST(a_reply_that_nobody_reads_ends_soon),
		TEST(the_slowest_readers_go_when_memory_is_short),
		TEST(a_slow_reader_that_goes_on_gets_it_all),
		TEST(a_full_budget_is_429_and_nothing_else),
		TEST(compressed_uploads_make_way_too),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
