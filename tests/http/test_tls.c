/* HTTP over TLS: the same replies as in plain text, by real clients and on bare streams. */
#include "../support/framing.h"
#include "../support/tls_server.h"
#include "../support/tls_stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WAIT_MS 60000
#define LIVE "GET /v2/health/live HTTP/1.1\r\nHost: a\r\n"

static struct tls_server world;
static struct client *client; /* of libcurl, by TLS */

static int start(void **state)
{
	static const char *const flags[] = {"--max-body-bytes", "32000000", NULL};
	(void)state;
	tls_server_prepare(&world);
	if (tls_server_start(&world, flags) != 0)
		return -1;
	client = tls_client_open(&world);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	client_close(client);
	return tls_server_stop(&world);
}

/* ---------------------------------------------------------------- evaluations */

static void problems_are_evaluated_on_one_connection(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		struct reply reply;
		client_post(client, CROSS_ENTROPY, PROBLEM, &reply);
		assert_int_equal(reply.status, 200);
		assert_non_null(strstr(reply.body, SEED_LOSS));
		assert_int_equal(reply.new_connections, i == 0);
		reply_free(&reply);
	}
}

static void exchange(struct client *by, const struct request *request, struct reply *reply)
{
	client_send(by, request, reply);
	assert_int_equal(reply->status, 200);
}

/* What stands after the header, which has times in it. */
static const char *tensors_of(const struct reply *reply, size_t *size)
{
	uint64_t header;
	memcpy(&header, reply->body, sizeof header);
	assert_true(header + 8 <= reply->body_size);
	*size = reply->body_size - 8 - (size_t)header;
	return reply->body + 8 + header;
}

/* 16 MB there and back, the bits of plain text; on a connection that was used before. */
static void long_bodies_and_replies_are_whole(void **state)
{
	static const char *const headers[] = {"Content-Type: application/json",
					      "Accept: application/x-safetensors", NULL};
	size_t size, n, m;
	char *body = body_of_zeros(80, 100000, &size);
	const struct request request = {.path = CROSS_ENTROPY "?outputs=loss,grad",
					.headers = headers,
					.body = body,
					.body_size = size};
	struct client *plain = client_open(&world.plain);
	struct reply reply, expected;
	(void)state;
	assert_true(size > 16000000);
	exchange(plain, &request, &expected);
	exchange(client, &request, &reply);
	const char *tensors = tensors_of(&reply, &n);
	assert_true(n > 30000000);
	assert_memory_equal(tensors, tensors_of(&expected, &m), n);
	assert_int_equal(n, m);
	reply_free(&reply);
	reply_free(&expected);
	client_close(plain);
	free(body);
}

/* ---------------------------------------------------------------- framing */

static struct tls_stream *open_stream(void)
{
	struct tls_stream *stream = tls_stream_open(&world.tls, NULL);
	assert_non_null(stream);
	return stream;
}

static void odd_framing_is_refused_as_in_plain_text(void **state)
{
	char out[8192], status[32];
	(void)state;
	for (const struct framing_refused *r = framing_refused; r->name; r++) {
		/* It is of a server whose bodies may be shorter. */
		if (strcmp(r->name, "length over the limit") == 0)
			continue;
		struct tls_stream *stream = open_stream();
		bool closed;
		assert_true(tls_stream_send(stream, r->request, r->n));
		tls_stream_read(stream, out, sizeof out, WAIT_MS, &closed);
		tls_stream_close(stream);
		snprintf(status, sizeof status, "HTTP/1.1 %d ", r->status);
		if (r->status == 0 ? out[0] != '\0' : strncmp(out, status, strlen(status)) != 0)
			fail_msg("%s: not %s but %.300s", r->name, status, out);
		if (!closed || strstr(out, "smuggled"))
			fail_msg("%s: a second request may follow: %.300s", r->name, out);
	}
}

static void unusual_framing_is_served_as_in_plain_text(void **state)
{
	char out[65536];
	(void)state;
	for (const struct framing_served *s = framing_served; s->name; s++) {
		struct tls_stream *stream = open_stream();
		bool last = strstr(s->request, "HTTP/1.0") != NULL;
		assert_true(tls_stream_send(stream, s->request, strlen(s->request)));
		if (!last)
			assert_true(tls_stream_send(stream, LIVE "Connection: close\r\n\r\n",
						    sizeof LIVE "Connection: close\r\n\r\n" - 1));
		tls_stream_read(stream, out, sizeof out, WAIT_MS, NULL);
		tls_stream_close(stream);
		if (strncmp(out, "HTTP/1.1 ", 9) != 0 || strncmp(out + 9, s->status, 3) != 0 ||
		    !strstr(out, s->words))
			fail_msg("%s: not %s and %s but: %s", s->name, s->status, s->words, out);
		if (!last && !strstr(out, "{\"live\":true}"))
			fail_msg("%s: the next request was not answered: %s", s->name, out);
	}
}

#define PIPELINED 1000

/* Most of them lie decrypted in GnuTLS, where no socket tells of them. */
static void pipelined_requests_are_answered_in_order(void **state)
{
	size_t size = (size_t)PIPELINED * 1024, n = 0;
	char *requests = malloc(size), *replies = malloc(size), *at;
	struct tls_stream *stream = open_stream();
	(void)state;
	assert_true(requests && replies);
	for (int i = 0; i < PIPELINED; i++)
		n += (size_t)snprintf(requests + n, size - n, LIVE "X-Request-Id: n%d.\r\n%s\r\n",
				      i, i + 1 == PIPELINED ? "Connection: close\r\n" : "");
	assert_true(tls_stream_send(stream, requests, n));
	tls_stream_read(stream, replies, size, WAIT_MS, NULL);
	tls_stream_close(stream);
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

/* Each byte of a request in a record of its own. */
static void a_request_may_come_in_any_records(void **state)
{
	static const char request[] =
		POST HOST "Connection: close\r\nContent-Length: " PROBLEM_LENGTH "\r\n\r\n" PROBLEM;
	char out[4096];
	(void)state;
	struct tls_stream *stream = open_stream();
	for (size_t i = 0; i + 1 < sizeof request; i++)
		assert_true(tls_stream_send(stream, request + i, 1));
	tls_stream_read(stream, out, sizeof out, WAIT_MS, NULL);
	tls_stream_close(stream);
	assert_non_null(strstr(out, SEED_LOSS));
}

/* A long computation, for which the connection is suspended, while the next request comes. */
static void what_comes_during_a_computation_is_answered_after_it(void **state)
{
	size_t size, n = 0;
	char *body = body_of_zeros(64, 50000, &size), *request = malloc(size + 1024), out[65536];
	(void)state;
	assert_non_null(request);
	n = (size_t)snprintf(request, 1024,
			     POST HOST "Content-Type: application/json\r\n"
				       "Content-Length: %zu\r\n\r\n",
			     size);
	memcpy(request + n, body, size);
	n += size;
	n += (size_t)snprintf(request + n, 512, LIVE "Connection: close\r\n\r\n");
	struct tls_stream *stream = open_stream();
	assert_true(tls_stream_send(stream, request, n));
	tls_stream_read(stream, out, sizeof out, WAIT_MS, NULL);
	tls_stream_close(stream);
	assert_true(strncmp(out, "HTTP/1.1 200", 12) == 0);
	assert_non_null(strstr(out, "{\"live\":true}"));
	free(body);
	free(request);
}

/* ---------------------------------------------------------------- what is spoken */

static void versions_from_1_2_on_are_spoken(void **state)
{
	static const struct {
		const char *priorities, *version; /* NULL: refused */
	} cases[] = {
		{"NORMAL", "TLS1.3"},
		{"NORMAL:-VERS-ALL:+VERS-TLS1.3", "TLS1.3"},
		{"NORMAL:-VERS-ALL:+VERS-TLS1.2", "TLS1.2"},
		{"NORMAL:-VERS-ALL:+VERS-TLS1.1:%COMPAT", NULL},
		{"NORMAL:-VERS-ALL:+VERS-TLS1.0:%COMPAT", NULL},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char out[1024];
		const struct tls_stream_setup setup = {.priorities = cases[i].priorities};
		struct tls_stream *stream = tls_stream_open(&world.tls, &setup);
		if (!cases[i].version) {
			assert_null(stream);
			continue;
		}
		assert_non_null(stream);
		assert_string_equal(tls_stream_version(stream), cases[i].version);
		assert_true(tls_stream_send(stream, HIDDEN, sizeof HIDDEN - 1));
		tls_stream_read_until(stream, out, sizeof out, "{\"live\":true}", WAIT_MS);
		assert_non_null(strstr(out, "{\"live\":true}"));
		tls_stream_close(stream);
	}
}

static void http_1_1_is_agreed_on(void **state)
{
	static const char *const cases[][2] = {{"http/1.1", "http/1.1"}, {"h2", ""}, {NULL, ""}};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct tls_stream_setup setup = {.protocol = cases[i][0]};
		struct tls_stream *stream = tls_stream_open(&world.tls, &setup);
		assert_non_null(stream);
		assert_string_equal(tls_stream_protocol(stream), cases[i][1]);
		tls_stream_close(stream);
	}
}

/* ---------------------------------------------------------------- counted */

static void the_end_of_the_certificate_is_a_metric(void **state)
{
	struct tls_stream *stream = open_stream();
	(void)state;
	assert_true(server_metric(&world.plain, "lossd_tls_certificate_not_after_seconds") ==
		    (double)tls_stream_not_after(stream));
	tls_stream_close(stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(problems_are_evaluated_on_one_connection),
		cmocka_unit_test(long_bodies_and_replies_are_whole),
		cmocka_unit_test(odd_framing_is_refused_as_in_plain_text),
		cmocka_unit_test(unusual_framing_is_served_as_in_plain_text),
		cmocka_unit_test(pipelined_requests_are_answered_in_order),
		cmocka_unit_test(a_request_may_come_in_any_records),
		cmocka_unit_test(what_comes_during_a_computation_is_answered_after_it),
		cmocka_unit_test(versions_from_1_2_on_are_spoken),
		cmocka_unit_test(http_1_1_is_agreed_on),
		cmocka_unit_test(the_end_of_the_certificate_is_a_metric),
	};
	return cmocka_run_group_tests_name("TLS", tests, start, stop);
}
