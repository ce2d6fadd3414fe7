/*
 * Long bodies that a worker decodes while the rest is received: whatever the pieces in which they
 * come, and whatever becomes of them and of their client, the reply is the one that they get when
 * they are decoded where they are received, as chunked ones are; and what they held comes back.
 */
#include "../support/group.h"

#include <math.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS 60000
#define ROWS 700
#define CLASSES 100
#define NUMBER_CHARS 20
#define N_AT_ONCE 24

/* 1.4 MB of 17 digits a number; and the reply to it, up to its metrics. */
static char *body;
static size_t n_body;
static char wanted[1024];

static int make_body(void)
{
	uint64_t random = 7;
	body = malloc((size_t)ROWS * (CLASSES + 2) * NUMBER_CHARS + 8 * ROWS);
	if (!body)
		return -1;
	char *p = body + sprintf(body, "{\"targets\":[0");
	for (int i = 1; i < ROWS; i++)
		p += sprintf(p, ",%d", i % CLASSES);
	p += sprintf(p, "],\"logits\":[");
	for (int i = 0; i < ROWS * CLASSES; i++) {
		random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		const char *before = i % CLASSES > 0 ? "," : i > 0 ? "],[" : "[";
		p += sprintf(p, "%s%.16f", before, (double)(random >> 11) * 0x1p-51 - 2.0);
	}
	p += sprintf(p, "]]}");
	n_body = (size_t)(p - body);
	return 0;
}

/* What a reply says of the body alone. */
static void keep_result(const char *document, char *out, size_t size)
{
	const char *end = strstr(document, ",\"metrics\"");
	snprintf(out, size, "%.*s", (int)(end ? (size_t)(end - document) : strlen(document)),
		 document);
}

static size_t upload(void *context, char *out, size_t n)
{
	size_t *sent = context;
	size_t part = n < n_body - *sent ? n : n_body - *sent;
	memcpy(out, body + *sent, part);
	*sent += part;
	return part;
}

static int start(void **state)
{
	if (group_start(state) != 0 || make_body() != 0)
		return -1;
	size_t sent = 0;
	struct reply reply;
	const struct request chunked = {.path = CROSS_ENTROPY, .upload = upload, .context = &sent};
	client_send(client, &chunked, &reply);
	bool good = reply.status == 200;
	keep_result(reply.body, wanted, sizeof wanted);
	reply_free(&reply);
	return good ? 0 : -1;
}

static int stop(void **state)
{
	free(body);
	return group_stop(state);
}

static void post(const char *const *headers, struct reply *reply)
{
	const struct request request = {
		.path = CROSS_ENTROPY, .headers = headers, .body = body, .body_size = n_body};
	client_send(client, &request, reply);
}

static void expect_wanted(void)
{
	char result[sizeof wanted];
	struct reply reply;
	post(NULL, &reply);
	assert_int_equal(reply.status, 200);
	keep_result(reply.body, result, sizeof result);
	assert_string_equal(result, wanted);
	reply_free(&reply);
}

/* ---------------------------------------------------------------- by hand */

static int ask(const char *fields, size_t length)
{
	char head[512];
	int n = snprintf(head, sizeof head,
			 "POST " CROSS_ENTROPY " HTTP/1.1\r\nHost: a\r\nContent-Type: "
			 "application/json\r\nConnection: close\r\n%sContent-Length: %zu\r\n\r\n",
			 fields, length);
	int fd = raw_connect(&server);
	assert_true(raw_send(fd, head, (size_t)n));
	return fd;
}

/* The status of the reply, whose document is kept. */
static int read_reply(int fd, char *document, size_t size)
{
	char reply[4096];
	int status = 0;
	bool closed;
	raw_read(fd, reply, sizeof reply, WAIT_MS, &closed);
	assert_true(closed);
	close(fd);
	const char *end = strstr(reply, "\r\n\r\n");
	assert_non_null(end);
	sscanf(reply, "HTTP/1.1 %d", &status);
	keep_result(end + 4, document, size);
	return status;
}

static void expect_reply(int fd)
{
	char document[sizeof wanted];
	assert_int_equal(read_reply(fd, document, sizeof document), 200);
	assert_string_equal(document, wanted);
}

static void the_pieces_do_not_matter(void **state)
{
	static const size_t pieces[] = {70001, 1 << 20, 16384, 4093};
	(void)state;
	expect_wanted();
	for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
		int fd = ask("", n_body);
		for (size_t sent = 0, n; sent < n_body; sent += n) {
			n = n_body - sent < pieces[i] ? n_body - sent : pieces[i];
			assert_true(raw_send(fd, body + sent, n));
		}
		expect_reply(fd);
	}
}

/* Its end comes while the rest of its body is still being decoded. */
static void a_half_closed_client_gets_its_reply(void **state)
{
	(void)state;
	for (int i = 0; i < 8; i++) {
		int fd = ask("", n_body);
		assert_true(raw_send(fd, body, n_body));
		shutdown(fd, SHUT_WR);
		expect_reply(fd);
	}
}

static void many_at_once(void **state)
{
	int fds[N_AT_ONCE];
	const size_t piece = 50000;
	(void)state;
	for (int i = 0; i < N_AT_ONCE; i++)
		fds[i] = ask("", n_body);
	for (size_t sent = 0, n; sent < n_body; sent += n) {
		n = n_body - sent < piece ? n_body - sent : piece;
		for (int i = 0; i < N_AT_ONCE; i++)
			assert_true(raw_send(fds[i], body + sent, n));
	}
	for (int i = 0; i < N_AT_ONCE; i++)
		expect_reply(fds[i]);
}

/* ---------------------------------------------------------------- what is wrong */

/* The reply to the body with a byte changed tells of it, as it does where no worker had it. */
static void an_error_is_told_wherever_it_is(void **state)
{
	(void)state;
	for (size_t i = 0; i <= 8; i++) {
		size_t at = 1 + i * (n_body - 2) / 8, sent = 0;
		char kept = body[at], documents[2][1024];
		struct reply reply;
		const struct request chunked = {
			.path = CROSS_ENTROPY, .upload = upload, .context = &sent};
		body[at] = 'x';
		client_send(client, &chunked, &reply);
		assert_int_equal(reply.status, 400);
		snprintf(documents[0], sizeof documents[0], "%s", reply.body);
		reply_free(&reply);
		int fd = ask("", n_body);
		assert_true(raw_send(fd, body, n_body));
		assert_int_equal(read_reply(fd, documents[1], sizeof documents[1]), 400);
		body[at] = kept;
		for (int k = 0; k < 2; k++) {
			char *id = strstr(documents[k], ",\"request_id\"");
			assert_non_null(id);
			*id = '\0';
		}
		assert_string_equal(documents[0], documents[1]);
	}
	expect_wanted();
}

/* It passes while half of the body is there; the rest is read and thrown away. */
static void a_deadline_in_the_middle(void **state)
{
	(void)state;
	char document[1024];
	int fd = ask("X-Request-Timeout-Ms: 100\r\n", n_body);
	assert_true(raw_send(fd, body, n_body / 2));
	poll(NULL, 0, 300);
	assert_true(raw_send(fd, body + n_body / 2, n_body - n_body / 2));
	assert_int_equal(read_reply(fd, document, sizeof document), 504);
	assert_non_null(strstr(document, "before the body was complete"));
	expect_wanted();
}

static double inflight(void)
{
	return server_metric(&server, "lossd_inflight_bytes");
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

/* At once, or when it has been decoded so far; and with a reset, which the server learns of while
 * it writes or reads. */
static void clients_that_leave(void **state)
{
	(void)state;
	expect_wanted();
	await(HUGE_VAL);
	double before = inflight();
	for (size_t i = 0; i < 120; i++) {
		const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
		int fd = ask("", n_body);
		assert_true(raw_send(fd, body, n_body * (i % 40 + 1) / 40));
		if (i % 3 == 0)
			poll(NULL, 0, 1);
		if (i % 2)
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
		close(fd);
	}
	await(before);
	expect_wanted();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_pieces_do_not_matter),
		cmocka_unit_test(a_half_closed_client_gets_its_reply),
		cmocka_unit_test(many_at_once),
		cmocka_unit_test(an_error_is_told_wherever_it_is),
		cmocka_unit_test(a_deadline_in_the_middle),
		cmocka_unit_test(clients_that_leave),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
