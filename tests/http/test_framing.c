/*
 * Heads whose framing is not certain, on bare sockets: each is refused and the connection closed,
 * and a second request hidden after it is never answered. Then what is unusual but right, which
 * must be served.
 */
#include "../support/framing.h"
#include "../support/group.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS 30000

static int start(void **state)
{
	static const char *const flags[] = {"--max-body-bytes", "1000", NULL};
	(void)state;
	return group_start_with(flags);
}

/* ---------------------------------------------------------------- refused */

static int complain(const struct framing_refused *r, const char *what, const char *out)
{
	print_error("%s: %s: %.400s\n", r->name, what, out);
	return 1;
}

/* The number of things that are wrong. */
static int check_refused(const struct framing_refused *r)
{
	char out[8192], status[32];
	bool closed = false;
	int bad = 0, fd = raw_connect(&server);
	assert_true(raw_send(fd, r->request, r->n));
	raw_read(fd, out, sizeof out, WAIT_MS, &closed);
	close(fd);
	snprintf(status, sizeof status, "HTTP/1.1 %d ", r->status);
	if (r->status == 0 ? out[0] != '\0' : strncmp(out, status, strlen(status)) != 0)
		bad += complain(r, "not the status that is due", out);
	if (!closed)
		bad += complain(r, "the connection stays open", out);
	if (r->status != 0 && !strstr(out, "Connection: close\r\n"))
		bad += complain(r, "the end is not announced", out);
	if (strstr(out, "smuggled") || strstr(out, "HTTP/1.1 200"))
		bad += complain(r, "a second request was answered", out);
	if (r->code && !strstr(out, "X-Content-Type-Options: nosniff\r\n"))
		bad += complain(r, "its type may be guessed", out);
	if (r->code && !strstr(out, r->code))
		bad += complain(r, r->code, out);
	return bad;
}

static void uncertain_framing_is_refused_and_closed(void **state)
{
	int bad = 0;
	(void)state;
	for (const struct framing_refused *r = framing_refused; r->name; r++)
		bad += check_refused(r);
	if (bad > 0)
		fail_msg("%d things are wrong with these refusals", bad);
}

/* ---------------------------------------------------------------- served */

/* Each is answered, and so is the next request on the same connection where that stays open. */
static void unusual_framing_is_served(void **state)
{
	static const char next[] =
		"GET /v2/health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
	char out[65536];
	(void)state;
	for (const struct framing_served *s = framing_served; s->name; s++) {
		int fd = raw_connect(&server);
		bool last = strstr(s->request, "HTTP/1.0") != NULL;
		assert_true(raw_send(fd, s->request, strlen(s->request)));
		if (!last)
			assert_true(raw_send(fd, next, sizeof next - 1));
		raw_read(fd, out, sizeof out, WAIT_MS, NULL);
		close(fd);
		if (strncmp(out, "HTTP/1.1 ", 9) != 0 || strncmp(out + 9, s->status, 3) != 0 ||
		    !strstr(out, s->words))
			fail_msg("%s: not %s and %s but: %s", s->name, s->status, s->words, out);
		if (!last && !strstr(out, "{\"live\":true}"))
			fail_msg("%s: the next request was not answered: %s", s->name, out);
	}
}

static void every_split_of_a_request_is_the_same(void **state)
{
	static const char request[] =
		POST HOST "Connection: close\r\nContent-Length: " PROBLEM_LENGTH "\r\n\r\n" PROBLEM;
	char out[4096];
	(void)state;
	for (size_t split = 1; split < sizeof request - 1; split += 7) {
		int fd = raw_connect(&server);
		assert_true(raw_send(fd, request, split));
		/* Another connection's whole exchange lets the server read the first part. */
		int other = raw_connect(&server);
		assert_true(raw_send(other, HIDDEN, sizeof HIDDEN - 1));
		raw_read_until(other, out, sizeof out, "{\"live\":true}", WAIT_MS);
		close(other);
		assert_true(raw_send(fd, request + split, sizeof request - 1 - split));
		raw_read(fd, out, sizeof out, WAIT_MS, NULL);
		close(fd);
		if (!strstr(out, SEED_LOSS))
			fail_msg("split at %zu: %s", split, out);
	}
}

#define PIPELINED 1000

static void pipelined_requests_are_answered_in_order(void **state)
{
	size_t size = (size_t)PIPELINED * 1024, n = 0;
	char *requests = malloc(size), *replies = malloc(size), *at;
	int fd = raw_connect(&server);
	(void)state;
	assert_true(requests && replies);
	for (int i = 0; i < PIPELINED; i++)
		n += (size_t)snprintf(
			requests + n, size - n,
			"GET /v2/health/live HTTP/1.1\r\nHost: a\r\nX-Request-Id: n%d.\r\n"
			"%s\r\n",
			i, i + 1 == PIPELINED ? "Connection: close\r\n" : "");
	assert_true(raw_send(fd, requests, n));
	raw_read(fd, replies, size, WAIT_MS, NULL);
	close(fd);
	at = replies;
	for (int i = 0; i < PIPELINED; i++) {
		char id[32];
		snprintf(id, sizeof id, "X-Request-Id: n%d.\r\n", i);
		at = strstr(at, "X-Request-Id: ");
		if (!at || strncmp(at, id, strlen(id)) != 0)
			fail_msg("reply %d is not in its place", i);
		at++;
	}
	free(requests);
	free(replies);
}

/* ---------------------------------------------------------------- size */

/* A head of n bytes of the same text between its start and its end. */
static void check_long(const char *start_of, const char *text, size_t repeats, const char *end,
		       const char *wanted)
{
	size_t size = strlen(start_of) + strlen(text) * repeats + strlen(end) + 1, n = 0;
	char *request = malloc(size), out[4096];
	int fd = raw_connect(&server);
	assert_non_null(request);
	n = (size_t)snprintf(request, size, "%s", start_of);
	for (size_t i = 0; i < repeats; i++)
		n += (size_t)snprintf(request + n, size - n, "%s", text);
	n += (size_t)snprintf(request + n, size - n, "%s", end);
	raw_send(fd, request, n); /* the server may have closed before it has read all of it */
	raw_read_until(fd, out, sizeof out, "\r\n\r\n", WAIT_MS);
	close(fd);
	free(request);
	if (strncmp(out, wanted, strlen(wanted)) != 0)
		fail_msg("%s%s...: not %s but: %s", start_of, text, wanted, out);
}

static void long_heads_are_refused(void **state)
{
	(void)state;
	check_long("GET /v2 HTTP/1.1\r\n" HOST "X: ", "aaaaaaaaaa", 4000, "\r\n\r\n",
		   "HTTP/1.1 431 ");
	check_long("GET /v2 HTTP/1.1\r\n" HOST, "X: a\r\n", 5000, "\r\n", "HTTP/1.1 431 ");
	check_long("GET /", "aaaaaaaaaa", 4000, " HTTP/1.1\r\n" HOST "\r\n", "HTTP/1.1 414 ");
	check_long("GET /v2 HTTP/1.1\r\n" HOST "Cookie: a=b", "; a=b", 1000, "\r\n\r\n",
		   "HTTP/1.1 431 ");
}

/* libmicrohttpd would take this query apart, run out of memory, and hang. */
static void a_long_query_behind_nul_is_refused(void **state)
{
	static const char line[] = "GET /v1/losses\0?", end[] = " HTTP/1.1\r\n" HOST "\r\n" HIDDEN;
	char query[8000], out[4096];
	bool closed;
	int fd = raw_connect(&server);
	(void)state;
	for (size_t i = 0; i < sizeof query; i++)
		query[i] = "a&"[i % 2];
	assert_true(raw_send(fd, line, sizeof line - 1));
	assert_true(raw_send(fd, query, sizeof query));
	assert_true(raw_send(fd, end, sizeof end - 1));
	raw_read(fd, out, sizeof out, WAIT_MS, &closed);
	close(fd);
	assert_true(closed);
	assert_int_equal(strncmp(out, "HTTP/1.1 400 ", 13), 0);
	assert_null(strstr(out, "smuggled"));
}

static void heads_below_the_limit_are_served(void **state)
{
	(void)state;
	check_long("GET /v2 HTTP/1.1\r\n" HOST "X: ", "aaaaaaaaaa", 2000, "\r\n\r\n",
		   "HTTP/1.1 200 ");
	check_long("GET /v2 HTTP/1.1\r\n" HOST, "X: a\r\n", 100, "\r\n", "HTTP/1.1 200 ");
	/* libmicrohttpd would take this query apart, run out of memory, and hang. */
	check_long("GET /v2?", "a&", 8000, " HTTP/1.1\r\n" HOST "\r\n", "HTTP/1.1 200 ");
}

static void send_chunk(int fd, size_t n)
{
	char chunk[1100];
	int head = snprintf(chunk, sizeof chunk, "%zx\r\n", n);
	memset(chunk + head, ' ', n);
	memcpy(chunk + head + n, "\r\n", 2);
	raw_send(fd, chunk, (size_t)head + n + 2);
}

static void long_chunked_bodies_are_thrown_away_to_twice_the_limit(void **state)
{
	char out[4096];
	bool closed;
	(void)state;
	int fd = raw_connect(&server);
	assert_true(raw_send(fd, CHUNKED, sizeof CHUNKED - 1));
	send_chunk(fd, 1000);
	send_chunk(fd, 1000);
	assert_true(raw_send(fd, "0\r\n\r\n" HIDDEN, 5 + sizeof HIDDEN - 1));
	raw_read_until(fd, out, sizeof out, "{\"live\":true}", WAIT_MS);
	assert_non_null(strstr(out, "HTTP/1.1 413 "));
	assert_non_null(strstr(out, "1000"));
	assert_non_null(
		strstr(out, "smuggled")); /* its framing is certain, so the next one counts */
	close(fd);

	fd = raw_connect(&server);
	assert_true(raw_send(fd, CHUNKED, sizeof CHUNKED - 1));
	send_chunk(fd, 1000);
	send_chunk(fd, 1000);
	send_chunk(fd, 1);
	raw_read(fd, out, sizeof out, WAIT_MS, &closed);
	assert_true(closed);
	assert_string_equal(out, "");
	close(fd);
}

/* ---------------------------------------------------------------- Expect */

static void a_refusal_comes_before_the_body(void **state)
{
	static const char *const heads[][2] = {
		{"POST /no HTTP/1.1\r\n" HOST, "HTTP/1.1 404 "},
		{"PUT " CROSS_ENTROPY " HTTP/1.1\r\n" HOST, "HTTP/1.1 405 "},
		{POST HOST "Content-Type: text/plain\r\n", "HTTP/1.1 415 "},
		{POST HOST "Accept: text/html\r\n", "HTTP/1.1 406 "},
		{POST HOST "X-Request-Timeout-Ms: 0\r\n", "HTTP/1.1 400 "},
	};
	static const char end[] = "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n";
	char out[4096];
	(void)state;
	for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
		bool closed;
		int fd = raw_connect(&server);
		assert_true(raw_send(fd, heads[i][0], strlen(heads[i][0])));
		assert_true(raw_send(fd, end, sizeof end - 1));
		raw_read(fd, out, sizeof out, WAIT_MS, &closed);
		close(fd);
		if (strncmp(out, heads[i][1], strlen(heads[i][1])) != 0 || !closed)
			fail_msg("%s: %s", heads[i][0], out);
	}
}

static void a_body_is_asked_for(void **state)
{
	static const char head[] =
		POST HOST "Expect: 100-continue\r\nContent-Length: " PROBLEM_LENGTH "\r\n\r\n";
	char out[4096];
	int fd = raw_connect(&server);
	(void)state;
	assert_true(raw_send(fd, head, sizeof head - 1));
	raw_read_until(fd, out, sizeof out, "\r\n\r\n", WAIT_MS);
	assert_string_equal(out, "HTTP/1.1 100 Continue\r\n\r\n");
	assert_true(raw_send(fd, PROBLEM, sizeof PROBLEM - 1));
	raw_read_until(fd, out, sizeof out, "}}", WAIT_MS);
	assert_non_null(strstr(out, SEED_LOSS));
	close(fd);
}

/* ---------------------------------------------------------------- ends */

static void a_client_may_close_its_side_first(void **state)
{
	static const char request[] =
		POST HOST "Content-Length: " PROBLEM_LENGTH "\r\n\r\n" PROBLEM;
	char out[4096];
	int fd = raw_connect(&server);
	(void)state;
	assert_true(raw_send(fd, request, sizeof request - 1));
	shutdown(fd, SHUT_WR);
	raw_read_until(fd, out, sizeof out, "}}", WAIT_MS);
	assert_non_null(strstr(out, SEED_LOSS));
	close(fd);
}

/* Half a body and the end in one go: libmicrohttpd overlooks that end, which would cost the body's
 * whole time. */
static void a_client_that_gives_up_is_let_go(void **state)
{
	static const char request[] = POST HOST "Content-Length: " PROBLEM_LENGTH "\r\n\r\n{";
	char out[64];
	bool closed;
	int fd = raw_connect(&server);
	(void)state;
	assert_true(raw_send(fd, request, sizeof request - 1));
	shutdown(fd, SHUT_WR);
	/* The body's deadline is 20 seconds. */
	assert_int_equal(raw_read(fd, out, sizeof out, WAIT_MS, &closed), 0);
	assert_true(closed);
	close(fd);
}

/* Clients cut at every byte, politely and with a reset: the server lives, and forgets them. */
static void clients_may_leave_at_any_byte(void **state)
{
	static const char request[] =
		POST HOST "Content-Length: " PROBLEM_LENGTH "\r\n\r\n" PROBLEM;
	const struct linger reset = {.l_onoff = 1, .l_linger = 0};
	struct reply reply;
	(void)state;
	for (size_t n = 1; n < sizeof request; n++) {
		int fd = raw_connect(&server);
		raw_send(fd, request, n);
		if (n % 2)
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
		close(fd);
	}
	client_get(client, "/v2/health/live", &reply);
	assert_int_equal(reply.status, 200);
	reply_free(&reply);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(uncertain_framing_is_refused_and_closed),
		cmocka_unit_test(unusual_framing_is_served),
		cmocka_unit_test(every_split_of_a_request_is_the_same),
		cmocka_unit_test(pipelined_requests_are_answered_in_order),
		cmocka_unit_test(long_heads_are_refused),
		cmocka_unit_test(a_long_query_behind_nul_is_refused),
		cmocka_unit_test(heads_below_the_limit_are_served),
		cmocka_unit_test(long_chunked_bodies_are_thrown_away_to_twice_the_limit),
		cmocka_unit_test(a_refusal_comes_before_the_body),
		cmocka_unit_test(a_body_is_asked_for),
		cmocka_unit_test(a_client_may_close_its_side_first),
		cmocka_unit_test(a_client_that_gives_up_is_let_go),
		cmocka_unit_test(clients_may_leave_at_any_byte),
	};
	return cmocka_run_group_tests(tests, start, group_stop);
}
