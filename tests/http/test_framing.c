/*
 * Heads whose framing is not certain, on bare sockets: each is refused and the connection closed,
 * and a second request hidden behind it is never answered. Then what is unusual but right, which
 * must be served.
 */
#include "../support/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define PATH "/v1/losses/cross_entropy"
#define POST "POST " PATH " HTTP/1.1\r\n"
#define HOST "Host: a\r\n"
/* Answered with its id if it is ever taken for a request. */
#define HIDDEN "GET /v2/health/live HTTP/1.1\r\nHost: a\r\nX-Request-Id: smuggled\r\n\r\n"
#define CHUNKED POST HOST "Transfer-Encoding: chunked\r\n\r\n"
#define PROBLEM "{\"logits\": [[-0.7715, -0.6205, -0.2562]], \"targets\": [0]}"
#define PROBLEM_LENGTH "57"
#define SEED_LOSS "1.3447266"
#define WAIT_MS 60000

_Static_assert(sizeof PROBLEM - 1 == 57, "PROBLEM_LENGTH is PROBLEM's");

static struct server server;

static int start(void **state)
{
	static const char *const flags[] = {"--max-body-bytes", "1000", NULL};
	(void)state;
	return server_start(&server, flags, NULL);
}

static int stop(void **state)
{
	(void)state;
	return server_stop(&server);
}

/* ---------------------------------------------------------------- refused */

struct refused {
	const char *name;
	const char *request;
	size_t n; /* where it has a NUL, else 0 */
	int status;
	const char *code; /* NULL: the HTTP library refuses it, without a document */
};

#define WITH_NUL(text) text, sizeof(text) - 1
#define TEXT(text) text, 0
#define INVALID 400, "invalid_header"
#define LIBRARY(status) status, NULL
#define LENGTH(value) TEXT(POST HOST "Content-Length: " value "\r\n\r\nabcde" HIDDEN)
#define CODING(value) TEXT(POST HOST "Transfer-Encoding: " value "\r\n\r\n0\r\n\r\n" HIDDEN)
#define GET_LOSSES "GET /v1/losses HTTP/1.1\r\n"
#define CHUNK(size) TEXT(CHUNKED size "\r\nabc\r\n0\r\n\r\n" HIDDEN)

static const struct refused refused[] = {
	{"length, then coding",
	 TEXT(POST HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" HIDDEN),
	 INVALID},
	{"coding, then length",
	 TEXT(POST HOST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" HIDDEN),
	 INVALID},
	{"two lengths",
	 TEXT(POST HOST "Content-Length: 5\r\nContent-Length: 0\r\n\r\nabcde" HIDDEN), INVALID},
	{"the same length twice",
	 TEXT(POST HOST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nabcde" HIDDEN), INVALID},
	{"length +5", LENGTH("+5"), LIBRARY(400)},
	{"length -1", LENGTH("-1"), LIBRARY(400)},
	{"length 0x5", LENGTH("0x5"), LIBRARY(400)},
	{"length 5,5", LENGTH("5,5"), LIBRARY(400)},
	{"length empty", LENGTH(""), LIBRARY(400)},
	{"length 2^64", LENGTH("18446744073709551616"), LIBRARY(413)},
	{"length 2^63", LENGTH("9223372036854775808"), 413, "body_too_large"},
	{"length over the limit", LENGTH("1001"), 413, "body_too_large"},
	{"coding gzip, chunked", CODING("gzip, chunked"), INVALID},
	{"coding xchunked", CODING("xchunked"), INVALID},
	{"coding identity", CODING("identity"), INVALID},
	{"coding empty", CODING(""), INVALID},
	{"two codings",
	 TEXT(POST HOST
	      "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" HIDDEN),
	 INVALID},
	{"coding on HTTP/1.0",
	 TEXT("POST " PATH " HTTP/1.0\r\n" HOST
	      "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" HIDDEN),
	 INVALID},
	{"no length", TEXT(POST HOST "\r\n" HIDDEN), 411, "length_required"},

	{"no host", TEXT(GET_LOSSES "\r\n"), INVALID},
	{"empty host", TEXT(GET_LOSSES "Host:\r\n\r\n"), INVALID},
	{"two hosts", TEXT(GET_LOSSES HOST HOST "\r\n"), INVALID},
	{"host with a path", TEXT(GET_LOSSES "Host: a/b\r\n\r\n"), INVALID},

	{"space before the colon", TEXT(POST HOST "Content-Length : 5\r\n\r\nabcde" HIDDEN),
	 INVALID},
	{"tab before the colon", TEXT(POST HOST "Content-Length\t: 5\r\n\r\nabcde" HIDDEN),
	 INVALID},
	{"space in a name", TEXT(GET_LOSSES HOST "X y: 5\r\n\r\n" HIDDEN), INVALID},
	{"a header without a name", TEXT(POST HOST ": x\r\nContent-Length: 5\r\n\r\nabcde" HIDDEN),
	 400, "invalid_header"},
	{"a line without a colon", TEXT(GET_LOSSES HOST "nonsense\r\n\r\n" HIDDEN), LIBRARY(400)},
	{"a folded value", TEXT(GET_LOSSES HOST "X: a\r\n b\r\n\r\n" HIDDEN), INVALID},
	{"a folded length", TEXT(POST HOST "Content-Length: 5\r\n 0\r\n\r\nabcde" HIDDEN),
	 LIBRARY(400)},
	{"a bare line feed", TEXT(GET_LOSSES HOST "X: a\nY: b\r\n\r\n" HIDDEN), INVALID},
	{"a bare line feed behind the request line",
	 TEXT("GET /v1/losses HTTP/1.1\nHost: a\r\n\r\n" HIDDEN), INVALID},
	{"a bare line feed at the end", TEXT(GET_LOSSES "Host: a\n\n" HIDDEN), INVALID},
	{"a bare carriage return", TEXT(GET_LOSSES HOST "X: a\rb\r\n\r\n" HIDDEN), INVALID},
	{"NUL in a value", WITH_NUL(GET_LOSSES HOST "X: a\0b\r\n\r\n" HIDDEN), INVALID},
	{"NUL behind a length",
	 WITH_NUL(POST HOST "Content-Length: 5\0"
			    "0\r\n\r\nabcde" HIDDEN),
	 INVALID},
	{"space in the target", TEXT("GET /v1/losses?a b HTTP/1.1\r\n" HOST "\r\n" HIDDEN),
	 INVALID},

	{"an unknown expectation", TEXT(POST HOST "Expect: foo\r\nContent-Length: 5\r\n\r\n"), 417,
	 "expectation_failed"},
	{"HTTP/2 preface", TEXT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), LIBRARY(505)},
	{"HTTP/0.9", TEXT("GET /v1/losses\r\n\r\n"), LIBRARY(400)},
	{"no target", TEXT("GET HTTP/1.1\r\n" HOST "\r\n" HIDDEN), LIBRARY(400)},

	{"chunk size 2^64", CHUNK("10000000000000000"), LIBRARY(413)},
	{"chunk size -1", CHUNK("-1"), LIBRARY(400)},
	{"chunk size 0x3", CHUNK("0x3"), LIBRARY(400)},
	{"chunk size empty", CHUNK(""), LIBRARY(400)},
	{"no CR LF behind a chunk", TEXT(CHUNKED "3\r\nabcX0\r\n\r\n" HIDDEN), LIBRARY(400)},
};

static void check_refused(const struct refused *r)
{
	char out[8192], status[32];
	bool closed = false;
	int fd = raw_connect(&server);
	assert_true(raw_send(fd, r->request, r->n ? r->n : strlen(r->request)));
	raw_read(fd, out, sizeof out, WAIT_MS, &closed);
	close(fd);
	snprintf(status, sizeof status, "HTTP/1.1 %d ", r->status);
	if (strncmp(out, status, strlen(status)) != 0)
		fail_msg("%s: not %d but: %s", r->name, r->status, out);
	if (!closed)
		fail_msg("%s: the connection stays open", r->name);
	if (!strstr(out, "Connection: close\r\n"))
		fail_msg("%s: the end is not announced: %s", r->name, out);
	if (strstr(out, "smuggled") || strstr(out, "HTTP/1.1 200"))
		fail_msg("%s: a second request was answered: %s", r->name, out);
	if (r->code && !strstr(out, r->code))
		fail_msg("%s: no code %s in: %s", r->name, r->code, out);
}

static void uncertain_framing_is_refused_and_closed(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
		check_refused(&refused[i]);
}

/* ---------------------------------------------------------------- served */

struct served {
	const char *name;
	const char *request;
	const char *status, *words; /* what the reply must have */
};

static const struct served served[] = {
	{"a length", POST HOST "Content-Length: " PROBLEM_LENGTH "\r\n\r\n" PROBLEM, "200",
	 SEED_LOSS},
	{"a length with zeros before it",
	 POST HOST "Content-Length: 000" PROBLEM_LENGTH "\r\n\r\n" PROBLEM, "200", SEED_LOSS},
	{"chunks", CHUNKED "39\r\n" PROBLEM "\r\n0\r\n\r\n", "200", SEED_LOSS},
	{"chunks with an extension and a trailer",
	 CHUNKED "39;a=b\r\n" PROBLEM "\r\n0\r\nX: y\r\n\r\n", "200", SEED_LOSS},
	{"chunks in capitals",
	 POST HOST "transfer-encoding: Chunked\r\n\r\n39\r\n" PROBLEM "\r\n0\r\n\r\n", "200",
	 SEED_LOSS},
	{"HTTP/1.0", "POST " PATH " HTTP/1.0\r\nContent-Length: " PROBLEM_LENGTH "\r\n\r\n" PROBLEM,
	 "200", SEED_LOSS},
	{"HTTP/1.0 with an expectation",
	 "POST " PATH " HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: " PROBLEM_LENGTH
	 "\r\n\r\n" PROBLEM,
	 "200", SEED_LOSS},
	{"absolute form", "GET http://b:80/v2 HTTP/1.1\r\n" HOST "\r\n", "200", "lossd"},
	{"absolute form without a path", "GET HTTP://b HTTP/1.1\r\n" HOST "\r\n", "200", "<html"},
	{"an encoded path", "GET /v%32 HTTP/1.1\r\n" HOST "\r\n", "200", "lossd"},
	{"empty lines before it", "\r\n\r\nGET /v2 HTTP/1.1\r\n" HOST "\r\n", "200", "lossd"},
	{"white space around a value", "GET /v2 HTTP/1.1\r\n" HOST "X-Request-Id: \t id \t\r\n\r\n",
	 "200", "X-Request-Id: id\r\n"},
	{"a body behind GET", "GET /v2 HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nabcde", "200",
	 "lossd"},
	{"OPTIONS *", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "204",
	 "Allow: GET, HEAD, POST, OPTIONS\r\n"},
	{"dots", "GET /%2e%2e/ HTTP/1.1\r\n" HOST "\r\n", "404", "unknown_path"},
	{"an encoded NUL", "GET /v1/losses%00 HTTP/1.1\r\n" HOST "\r\n", "404", "NUL"},
	{"an encoded NUL before the end", "GET /%00v1/losses HTTP/1.1\r\n" HOST "\r\n", "404",
	 "NUL"},
	{"half an encoded byte", "GET /v1/losses%4 HTTP/1.1\r\n" HOST "\r\n", "404",
	 "unknown_path"},
	{"an unknown method", "FROB /v1/losses HTTP/1.1\r\n" HOST "\r\n", "405",
	 "method_not_allowed"},
	{"a method in small letters", "get /v1/losses HTTP/1.1\r\n" HOST "\r\n", "405",
	 "method_not_allowed"},
	{"CONNECT", "CONNECT a:80 HTTP/1.1\r\n" HOST "\r\n", "404", "unknown_path"},
	{"a wrong path with a body", "POST /no HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc",
	 "404", "unknown_path"},
};

/* Each is answered, and so is the next request on the same connection where that stays open. */
static void unusual_framing_is_served(void **state)
{
	static const char next[] =
		"GET /v2/health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
	char out[65536];
	(void)state;
	for (size_t i = 0; i < sizeof served / sizeof served[0]; i++) {
		const struct served *s = &served[i];
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
		{"PUT " PATH " HTTP/1.1\r\n" HOST, "HTTP/1.1 405 "},
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
	struct client *client = client_open(&server);
	client_get(client, "/v2/health/live", &reply);
	assert_int_equal(reply.status, 200);
	reply_free(&reply);
	client_close(client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(uncertain_framing_is_refused_and_closed),
		cmocka_unit_test(unusual_framing_is_served),
		cmocka_unit_test(every_split_of_a_request_is_the_same),
		cmocka_unit_test(pipelined_requests_are_answered_in_order),
		cmocka_unit_test(long_heads_are_refused),
		cmocka_unit_test(heads_below_the_limit_are_served),
		cmocka_unit_test(long_chunked_bodies_are_thrown_away_to_twice_the_limit),
		cmocka_unit_test(a_refusal_comes_before_the_body),
		cmocka_unit_test(a_body_is_asked_for),
		cmocka_unit_test(a_client_may_close_its_side_first),
		cmocka_unit_test(a_client_that_gives_up_is_let_go),
		cmocka_unit_test(clients_may_leave_at_any_byte),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
