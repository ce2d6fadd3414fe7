/* Connections of TLS that do not do what is expected of them: deadlines, ends, and what they cost.
 */
#include "../support/tls_server.h"
#include "../support/tls_stream.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS 60000
#define HEAD_MS 1500
#define LIVE "GET /v2/health/live HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST "POST " CROSS_ENTROPY " HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"

static struct tls_server world;

static int start(void **state)
{
	static const char *const flags[] = {"--head-timeout-ms", "1500", "--idle-timeout-ms",
					    "3600000", NULL};
	(void)state;
	tls_server_prepare(&world);
	return tls_server_start(&world, flags);
}

static int stop(void **state)
{
	(void)state;
	int code = world.plain.pid > 0 ? tls_server_stop(&world) : 0;
	tls_server_kill(&world);
	return code;
}

static double rejected(const char *reason)
{
	char series[128];
	snprintf(series, sizeof series, "lossd_rejected_total{reason=\"%s\"}", reason);
	return server_metric(&world.plain, series);
}

/* Whether the other side ends within the time. */
static bool ends(int fd)
{
	char out[4096];
	bool closed;
	raw_read(fd, out, sizeof out, WAIT_MS, &closed);
	return closed;
}

static void expect_live(struct tls_stream *stream)
{
	char out[2048];
	assert_true(tls_stream_send(stream, LIVE, sizeof LIVE - 1));
	tls_stream_read_until(stream, out, sizeof out, "{\"live\":true}", WAIT_MS);
	assert_non_null(strstr(out, "{\"live\":true}"));
}

static struct tls_stream *open_stream(void)
{
	struct tls_stream *stream = tls_stream_open(&world.tls, NULL);
	assert_non_null(stream);
	return stream;
}

/* Only the connection that asks is left. */
static void wait_until_alone(void)
{
	int64_t end = now_ms() + WAIT_MS;
	while (server_metric(&world.plain, "lossd_connections") > 1) {
		assert_true(now_ms() < end);
		poll(NULL, 0, 1);
	}
}

/* ---------------------------------------------------------------- deadlines */

/* The beginning of a hello of 512 bytes. */
static const char hello[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";

static const struct silence {
	const char *name, *bytes;
	size_t n;
} silences[] = {
	{"nothing", "", 0},
	{"a byte", hello, 1},
	{"a record's header", hello, 5},
	{"a part of a hello", hello, sizeof hello - 1},
};
#define N_SILENCES (sizeof silences / sizeof silences[0])

static double cpu_seconds(void)
{
	char path[64], text[1024];
	unsigned long user = 0, system = 0;
	snprintf(path, sizeof path, "/proc/%ld/stat", (long)world.plain.pid);
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	text[fread(text, 1, sizeof text - 1, file)] = '\0';
	fclose(file);
	const char *at = strrchr(text, ')');
	assert_non_null(at);
	assert_int_equal(
		sscanf(at, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system),
		2);
	return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

/* Each is gone at the deadline of heads, and until then no thread is busy with it. */
static void handshakes_that_stall_end_at_the_deadline_and_cost_nothing(void **state)
{
	double before = rejected("head_timeout"), tls = rejected("tls"), cpu = cpu_seconds();
	int fds[N_SILENCES];
	int64_t begun = now_ms();
	(void)state;
	for (size_t i = 0; i < N_SILENCES; i++) {
		fds[i] = raw_connect(&world.tls);
		assert_true(raw_send(fds[i], silences[i].bytes, silences[i].n));
	}
	for (size_t i = 0; i < N_SILENCES; i++) {
		if (!ends(fds[i]))
			fail_msg("%s: still there", silences[i].name);
		close(fds[i]);
	}
	int64_t took = now_ms() - begun;
	assert_in_range(took, HEAD_MS - 1, HEAD_MS + 5000);
	cpu = cpu_seconds() - cpu;
	if (cpu > (double)took / 1000 / 4)
		fail_msg("%.2f s of processor in %lld ms", cpu, (long long)took);
	assert_true(rejected("head_timeout") == before + N_SILENCES);
	assert_true(rejected("tls") == tls); /* none is counted twice */
}

/* A bytes of a handshake at a time do not move the deadline. */
static void a_trickling_handshake_ends_at_the_deadline(void **state)
{
	double before = rejected("head_timeout");
	int fd = raw_connect(&world.tls);
	int64_t begun = now_ms(), end = begun + WAIT_MS;
	struct pollfd state_of = {.fd = fd, .events = POLLIN};
	(void)state;
	raw_send(fd, hello, sizeof hello - 1);
	while (poll(&state_of, 1, 20) == 0 && now_ms() < end)
		send(fd, "\xaa", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	assert_in_range(now_ms() - begun, HEAD_MS - 1, HEAD_MS + 5000);
	close(fd);
	assert_true(rejected("head_timeout") == before + 1);
}

/* Silence is measured by a connection that has nothing but the time of heads. */
static void wait_for_the_time_of_heads(void)
{
	int fd = raw_connect(&world.tls);
	assert_true(ends(fd));
	close(fd);
}

/* What has come of handshakes and records is not taken for the beginning of a next request. */
static void idle_connections_have_the_time_of_idleness(void **state)
{
	struct tls_stream *stream = open_stream();
	(void)state;
	expect_live(stream);
	expect_live(stream);
	wait_for_the_time_of_heads();
	wait_for_the_time_of_heads();
	expect_live(stream);
	tls_stream_close(stream);
}

/* With the last request, in one record, or after it. */
static void a_begun_head_has_the_time_of_heads(void **state)
{
	char out[4096];
	bool closed;
	(void)state;
	for (int with_it = 0; with_it < 2; with_it++) {
		double before = rejected("head_timeout");
		struct tls_stream *stream = open_stream();
		const char *first = with_it ? LIVE "G" : LIVE;
		assert_true(tls_stream_send(stream, first, strlen(first)));
		tls_stream_read_until(stream, out, sizeof out, "{\"live\":true}", WAIT_MS);
		if (!with_it)
			assert_true(tls_stream_send(stream, "G", 1));
		tls_stream_read(stream, out, sizeof out, WAIT_MS, &closed);
		assert_true(closed);
		tls_stream_close(stream);
		assert_true(rejected("head_timeout") == before + 1);
	}
}

/* ---------------------------------------------------------------- ends */

static void plain_text_is_not_answered(void **state)
{
	char out[4096];
	bool closed;
	double before = rejected("tls");
	int fd = raw_connect(&world.tls);
	(void)state;
	assert_true(raw_send(fd, LIVE, sizeof LIVE - 1));
	size_t n = raw_read(fd, out, sizeof out, WAIT_MS, &closed);
	assert_true(closed);
	assert_null(strstr(out, "HTTP"));
	assert_true(n < 64); /* an alert of TLS at most */
	close(fd);
	wait_until_alone();
	assert_true(rejected("tls") == before + 1);
}

/* The client goes after each number of bytes that it would send until the handshake is complete. */
static void clients_may_leave_at_every_byte_of_a_handshake(void **state)
{
	double before = rejected("tls");
	size_t n = 1;
	(void)state;
	for (;; n++) {
		const struct tls_stream_setup setup = {
			.priorities = "NORMAL:-VERS-ALL:+VERS-TLS1.2", .leaves_after = n};
		struct tls_stream *stream = tls_stream_open(&world.tls, &setup);
		if (stream) {
			tls_stream_close(stream);
			break;
		}
	}
	assert_in_range(n, 200, 2000);
	wait_until_alone();
	assert_int_equal(rejected("tls") - before, n - 1);
	struct tls_stream *stream = open_stream();
	expect_live(stream);
	tls_stream_close(stream);
}

/* Who only looks whether somebody listens is no failure, and who has shaken hands is none. */
static void what_did_not_fail_is_not_counted(void **state)
{
	static const char *const versions[] = {"NORMAL:-VERS-ALL:+VERS-TLS1.2",
					       "NORMAL:-VERS-ALL:+VERS-TLS1.3"};
	double before = rejected("tls");
	(void)state;
	close(raw_connect(&world.tls));
	for (int i = 0; i < 4; i++) {
		const struct tls_stream_setup setup = {.priorities = versions[i % 2]};
		struct tls_stream *stream = tls_stream_open(&world.tls, &setup);
		assert_non_null(stream);
		if (i >= 2)
			expect_live(stream);
		tls_stream_close(stream);
	}
	wait_until_alone();
	assert_true(rejected("tls") == before);
}

static void resets_are_survived(void **state)
{
	const struct linger now = {1, 0};
	(void)state;
	for (int i = 0; i < 20; i++) {
		struct tls_stream *stream = open_stream();
		int fd = i % 2 ? tls_stream_fd(stream) : raw_connect(&world.tls);
		assert_true(i % 2 ? tls_stream_send(stream, LIVE, sizeof LIVE - 1)
				  : raw_send(fd, hello, sizeof hello - 1));
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
		if (i % 2 == 0)
			close(fd);
		tls_stream_close(stream);
	}
	wait_until_alone();
}

/* A long computation, which is for nobody once its client has closed. */
static void a_client_that_leaves_ends_its_work(void **state)
{
	size_t size;
	char head[256], out[16];
	char *body = body_of_zeros(2000, 1000, &size);
	double before = rejected("client_gone");
	(void)state;
	for (int64_t end = now_ms() + WAIT_MS; rejected("client_gone") == before;) {
		struct tls_stream *stream = open_stream();
		int n = snprintf(head, sizeof head, POST "Content-Length: %zu\r\n\r\n", size);
		assert_true(tls_stream_send(stream, head, (size_t)n));
		assert_true(tls_stream_send(stream, body, size));
		tls_stream_read(stream, out, sizeof out, 1, NULL);
		tls_stream_close(stream);
		assert_true(now_ms() < end);
	}
	free(body);
}

/* ---------------------------------------------------------------- stop */

/* Handshakes that wait, idle connections, an upload that is under way: the last is answered, and
 * told that it was the last. */
static void a_drain_answers_what_is_under_way(void **state)
{
	char out[4096];
	bool closed;
	struct tls_stream *idle = open_stream(), *upload = open_stream();
	int waits = raw_connect(&world.tls);
	(void)state;
	assert_true(raw_send(waits, hello, sizeof hello - 1));
	expect_live(idle);
	static const char head[] = POST "Expect: 100-continue\r\nContent-Length: "
					"36\r\n\r\n";
	assert_int_equal(sizeof GOOD - 1, 36);
	assert_true(tls_stream_send(upload, head, sizeof head - 1));
	tls_stream_read_until(upload, out, sizeof out, "\r\n\r\n", WAIT_MS);
	assert_string_equal(out, "HTTP/1.1 100 Continue\r\n\r\n");
	assert_int_equal(kill(world.plain.pid, SIGTERM), 0);
	tls_stream_read(idle, out, sizeof out, WAIT_MS, &closed); /* by then it drains */
	assert_true(closed);
	assert_true(tls_stream_send(upload, GOOD, sizeof GOOD - 1));
	tls_stream_read(upload, out, sizeof out, WAIT_MS, &closed);
	assert_true(closed);
	assert_non_null(strstr(out, "HTTP/1.1 200"));
	assert_non_null(strstr(out, "Connection: close\r\n"));
	assert_int_equal(server_wait(&world.plain), 0);
	tls_stream_close(idle);
	tls_stream_close(upload);
	close(waits);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(handshakes_that_stall_end_at_the_deadline_and_cost_nothing),
		cmocka_unit_test(a_trickling_handshake_ends_at_the_deadline),
		cmocka_unit_test(idle_connections_have_the_time_of_idleness),
		cmocka_unit_test(a_begun_head_has_the_time_of_heads),
		cmocka_unit_test(plain_text_is_not_answered),
		cmocka_unit_test(clients_may_leave_at_every_byte_of_a_handshake),
		cmocka_unit_test(what_did_not_fail_is_not_counted),
		cmocka_unit_test(resets_are_survived),
		cmocka_unit_test(a_client_that_leaves_ends_its_work),
		/* The last one: it stops the server. */
		cmocka_unit_test(a_drain_answers_what_is_under_way),
	};
	return cmocka_run_group_tests_name("TLS handshakes", tests, start, stop);
}
