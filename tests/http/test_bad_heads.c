/*
 * Wrong paths, methods, headers and query strings, and requests that are too large for the server's
 * settings. Wrong bodies are in test_bad_bodies.c, the framing of HTTP itself has tests of its own.
 */
#include "../support/group.h"
#include "../support/refusal.h"
#include "status/status.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)
#define WAIT_MS 20000

/* ---------------------------------------------------------------- heads */

struct bad_head {
	const char *method, *path, *header, *body;
	struct refusal wanted;
};

#define JSON "Content-Type: application/json"

static const struct bad_head heads[] = {
	{"GET", "/v1/nothing", NULL, NULL, {STATUS_UNKNOWN_PATH, NULL, "/v1/nothing"}},
	{"GET", "/v1/losses/", NULL, NULL, {STATUS_UNKNOWN_PATH, NULL, ""}},
	{"POST", CROSS_ENTROPY "/", JSON, GOOD, {STATUS_UNKNOWN_PATH, NULL, ""}},
	{"POST", "/v1/losses/cross_entropy/more", JSON, GOOD, {STATUS_UNKNOWN_PATH, NULL, ""}},
	{"POST", "/V1/losses/cross_entropy", JSON, GOOD, {STATUS_UNKNOWN_PATH, NULL, ""}},
	{"GET", "/problems/nothing", NULL, NULL, {STATUS_UNKNOWN_PATH, NULL, "nothing"}},
	{"GET", "/v1/losses/../losses", NULL, NULL, {STATUS_UNKNOWN_PATH, NULL, ""}},
	{"POST",
	 "/v1/losses/cross_entrpy",
	 JSON,
	 GOOD,
	 {STATUS_UNKNOWN_LOSS, NULL, "cross_entropy"}},
	{"GET", "/v1/losses/nllloss", NULL, NULL, {STATUS_UNKNOWN_LOSS, NULL, "nll_loss"}},
	{"POST", "/v1/losses/Softmax", JSON, GOOD, {STATUS_UNKNOWN_LOSS, NULL, "softmax"}},
	{"DELETE", CROSS_ENTROPY, NULL, NULL, {STATUS_METHOD_NOT_ALLOWED, NULL, "DELETE"}},
	{"POST", "/v1/losses", JSON, GOOD, {STATUS_METHOD_NOT_ALLOWED, NULL, "GET"}},
	{"PUT", CROSS_ENTROPY, JSON, GOOD, {STATUS_METHOD_NOT_ALLOWED, NULL, "POST"}},
	{"POST", "/metrics", JSON, GOOD, {STATUS_METHOD_NOT_ALLOWED, NULL, "POST"}},
	{"POST",
	 CROSS_ENTROPY,
	 "X-Request-Timeout-Ms: 0",
	 GOOD,
	 {STATUS_INVALID_HEADER, NULL, "3600000"}},
	{"POST",
	 CROSS_ENTROPY,
	 "X-Request-Timeout-Ms: 3600001",
	 GOOD,
	 {STATUS_INVALID_HEADER, NULL, "3600001"}},
	{"POST",
	 CROSS_ENTROPY,
	 "X-Request-Timeout-Ms: 1e3",
	 GOOD,
	 {STATUS_INVALID_HEADER, NULL, "X-Request-Timeout-Ms"}},
	{"POST",
	 CROSS_ENTROPY,
	 "X-Request-Timeout-Ms: -5",
	 GOOD,
	 {STATUS_INVALID_HEADER, NULL, "-5"}},
	{"POST",
	 CROSS_ENTROPY,
	 "X-Request-Timeout-Ms: 99999999999999999999",
	 GOOD,
	 {STATUS_INVALID_HEADER, NULL, "X-Request-Timeout-Ms"}},
	/* What curl -d sends alone, with the fix in the sentence. */
	{"POST",
	 CROSS_ENTROPY,
	 "Content-Type: application/x-www-form-urlencoded",
	 GOOD,
	 {STATUS_UNSUPPORTED_MEDIA_TYPE, NULL, "-H 'Content-Type: application/json'"}},
	{"POST",
	 CROSS_ENTROPY,
	 "Content-Type: text/plain",
	 GOOD,
	 {STATUS_UNSUPPORTED_MEDIA_TYPE, NULL, "text/plain"}},
	{"POST",
	 CROSS_ENTROPY,
	 "Content-Type: application/jsonx",
	 GOOD,
	 {STATUS_UNSUPPORTED_MEDIA_TYPE, NULL, "application/json"}},
	{"POST",
	 CROSS_ENTROPY,
	 "Content-Type: application/json; charset=latin1",
	 GOOD,
	 {STATUS_UNSUPPORTED_MEDIA_TYPE, NULL, "utf-8"}},
	{"POST",
	 CROSS_ENTROPY,
	 "Content-Encoding: gzip",
	 GOOD,
	 {STATUS_INVALID_ENCODING, NULL, "gzip"}},
	{"POST",
	 CROSS_ENTROPY,
	 "Content-Encoding: gzip, deflate",
	 GOOD,
	 {STATUS_UNSUPPORTED_ENCODING, NULL, "one of"}},
	{"POST",
	 CROSS_ENTROPY,
	 "Content-Encoding: identity, br",
	 GOOD,
	 {STATUS_UNSUPPORTED_ENCODING, NULL, "br"}},
	{"POST",
	 CROSS_ENTROPY,
	 "Accept: text/csv",
	 GOOD,
	 {STATUS_NOT_ACCEPTABLE, NULL, "application/json"}},
	{"POST",
	 CROSS_ENTROPY,
	 "Accept: application/json;q=0, text/html",
	 GOOD,
	 {STATUS_NOT_ACCEPTABLE, NULL, "application/json"}},
	{"POST",
	 CROSS_ENTROPY,
	 "Accept: */*, application/json;q=0.000, application/x-safetensors;q=0, "
	 "application/vnd.safetensors;q=0",
	 GOOD,
	 {STATUS_NOT_ACCEPTABLE, NULL, "application/json"}},
	{"POST",
	 CROSS_ENTROPY,
	 "Transfer-Encoding: chunked ",
	 GOOD,
	 {STATUS_INVALID_HEADER, NULL, "\"chunked \""}},
	{"POST",
	 CROSS_ENTROPY,
	 "Expect: 100-continue\t",
	 GOOD,
	 {STATUS_EXPECTATION_FAILED, NULL, "white space"}},
	{"POST",
	 CROSS_ENTROPY,
	 "Expect: 200-ok",
	 GOOD,
	 {STATUS_EXPECTATION_FAILED, NULL, "200-ok"}},
	{"GET",
	 "/v1/losses",
	 "Accept: image/png",
	 NULL,
	 {STATUS_NOT_ACCEPTABLE, NULL, "image/png"}},
};

#define QUERY(query, ...)                                                                          \
	{                                                                                          \
		"POST", CROSS_ENTROPY "?" query, JSON, GOOD,                                       \
		{                                                                                  \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}

static const struct bad_head queries[] = {
	QUERY("reduction=%zz", STATUS_INVALID_QUERY, NULL, "%zz"),
	QUERY("reduction=sum%2", STATUS_INVALID_QUERY, NULL, "%2"),
	QUERY("%", STATUS_INVALID_QUERY, NULL, "%"),
	QUERY("=sum", STATUS_INVALID_QUERY, NULL, "name=value"),
	QUERY("reductoin=sum", LOSS_UNKNOWN_FIELD, "reductoin", "reduction"),
	QUERY("logits=1", LOSS_UNKNOWN_FIELD, "logits", "body"),
	QUERY("reduction=sum&reduction=sum", LOSS_DUPLICATE_FIELD, "reduction", "twice"),
	QUERY("reduction=sum&red%75ction=mean", LOSS_DUPLICATE_FIELD, "reduction", "twice"),
	QUERY("ignore_index=one", LOSS_WRONG_TYPE, "ignore_index", "one"),
	QUERY("ignore_index=1.0", LOSS_WRONG_TYPE, "ignore_index", "1.0"),
	QUERY("ignore_index=", LOSS_WRONG_TYPE, "ignore_index", "integer"),
	QUERY("ignore_index", LOSS_WRONG_TYPE, "ignore_index", "integer"),
	QUERY("ignore_index=+1", LOSS_WRONG_TYPE, "ignore_index", "integer"),
	QUERY("label_smoothing=0,1", LOSS_WRONG_TYPE, "label_smoothing", "0,1"),
	QUERY("label_smoothing=0x1", LOSS_WRONG_TYPE, "label_smoothing", "number"),
	QUERY("size_average=yes", LOSS_WRONG_TYPE, "size_average", "yes"),
	QUERY("reduce=TRUE", LOSS_WRONG_TYPE, "reduce", "TRUE"),
	QUERY("label_smoothing=NaN", LOSS_ARGUMENT_OUT_OF_RANGE, "label_smoothing", "NaN"),
	QUERY("label_smoothing=Infinity", LOSS_ARGUMENT_OUT_OF_RANGE, "label_smoothing", "0 to 1"),
	QUERY("label_smoothing=2", LOSS_ARGUMENT_OUT_OF_RANGE, "label_smoothing", "0 to 1"),
	QUERY("ignore_index=9223372036854775808", LOSS_ARGUMENT_OUT_OF_RANGE, "ignore_index",
	      "9223372036854775808"),
	QUERY("reduction=average", LOSS_ARGUMENT_OUT_OF_RANGE, "reduction", "average"),
	QUERY("outputs=loss,lost", LOSS_ARGUMENT_OUT_OF_RANGE, "/outputs/1", "lost"),
	QUERY("outputs=loss&outputs=loss", LOSS_ARGUMENT_OUT_OF_RANGE, "/outputs/1", "twice"),
	{"POST",
	 CROSS_ENTROPY "?reduction=sum",
	 JSON,
	 "{\"logits\": [[1, 2]], \"targets\": [1], \"reduction\": \"sum\"}",
	 {LOSS_DUPLICATE_FIELD, "reduction", "twice"}},
	{"POST",
	 CROSS_ENTROPY "?outputs=loss",
	 JSON,
	 "{\"logits\": [[1, 2]], \"targets\": [1], \"outputs\": [\"loss\"]}",
	 {LOSS_DUPLICATE_FIELD, "outputs", "twice"}},
	/* The text of the body comes before the fields, wherever they stand. */
	{"POST", CROSS_ENTROPY "?nonsense=1", JSON, "{", {STATUS_TRUNCATED_BODY, NULL, "line 1"}},
};

static void run_heads(const struct bad_head *table, size_t n)
{
	int bad = 0;
	for (size_t i = 0; i < n; i++) {
		const char *const headers[] = {table[i].header, NULL};
		char what[256];
		struct reply reply;
		client_send(client,
			    &(struct request){.method = table[i].method,
					      .path = table[i].path,
					      .headers = headers,
					      .body = table[i].body},
			    &reply);
		snprintf(what, sizeof(what), "%s %s, %s", table[i].method, table[i].path,
			 table[i].header != NULL ? table[i].header : "no header");
		bad += refusal_check(what, &table[i].wanted, &reply);
	}
	if (bad > 0)
		fail_msg("%d things are wrong with these refusals", bad);
}

static void test_heads(void **state)
{
	(void)state;
	run_heads(heads, sizeof(heads) / sizeof(heads[0]));
}

static void test_queries(void **state)
{
	(void)state;
	run_heads(queries, sizeof(queries) / sizeof(queries[0]));
}

/* ---------------------------------------------------------------- limits */

/* A server with one other setting, for one test. */
struct limited {
	struct server server;
	struct client *client;
};

static void start_limited(struct limited *limited, const char *setting)
{
	const char *const environment[] = {setting, NULL};
	assert_int_equal(server_start(&limited->server, NULL, environment), 0);
	limited->client = client_open(&limited->server);
}

/* It must still serve, and stop as told. */
static void stop_limited(struct limited *limited)
{
	struct reply reply;
	client_post(limited->client, CROSS_ENTROPY, GOOD, &reply);
	assert_int_equal(reply.status, 200);
	reply_free(&reply);
	client_close(limited->client);
	assert_int_equal(server_stop(&limited->server), 0);
}

/* {"targets": [0], "logits": [[0,0,...,0 with n elements, then `tail`; the caller frees it. */
static char *make_text(size_t n, const char *tail)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	assert_non_null(out);
	fputs("{\"targets\": [0], \"logits\": [[0", out);
	for (size_t i = 1; i < n; i++)
		fputs(",0", out);
	fputs(tail, out);
	assert_int_equal(fclose(out), 0);
	return text;
}

#define REST "]]}"

static char *make_body(size_t n)
{
	return make_text(n, REST);
}

static void test_body_too_large(void **state)
{
	(void)state;
	struct limited limited;
	start_limited(&limited, "LOSSD_MAX_BODY_BYTES=1000");
	char *large = make_body(600);
	static const struct refusal wanted = {STATUS_BODY_TOO_LARGE, NULL, "1000"};
	struct reply reply;
	client_post(limited.client, CROSS_ENTROPY, large, &reply);
	assert_int_equal(refusal_check("a declared length", &wanted, &reply), 0);
	/* A chunked body tells its size only as it comes. */
	static const char *const chunked[] = {"Content-Type: application/json",
					      "Transfer-Encoding: chunked", NULL};
	client_send(limited.client,
		    &(struct request){.path = CROSS_ENTROPY, .headers = chunked, .body = large},
		    &reply);
	assert_int_equal(refusal_check("a chunked body", &wanted, &reply), 0);
	free(large);
	stop_limited(&limited);
}

static void test_too_many_elements_of_a_tensor(void **state)
{
	(void)state;
	struct limited limited;
	start_limited(&limited, "LOSSD_MAX_ELEMENTS=10");
	static const struct refusal wanted = {STATUS_TOO_MANY_ELEMENTS, "logits", "10"};
	struct reply reply;
	char *body = make_body(11);
	client_post(limited.client, CROSS_ENTROPY, body, &reply);
	assert_int_equal(refusal_check("11 elements", &wanted, &reply), 0);
	free(body);
	static const struct refusal shape = {STATUS_TOO_MANY_ELEMENTS, "/logits/shape", "10"};
	client_post(limited.client, CROSS_ENTROPY,
		    "{\"logits\": {\"dtype\": \"F32\", \"shape\": [1, 11], \"data\": [1]}, "
		    "\"targets\": [0]}",
		    &reply);
	assert_int_equal(refusal_check("a shape of 11", &shape, &reply), 0);
	body = make_body(10);
	client_post(limited.client, CROSS_ENTROPY, body, &reply);
	assert_int_equal(reply.status, 200);
	reply_free(&reply);
	free(body);
	stop_limited(&limited);
}

static void test_rank_above_the_setting(void **state)
{
	(void)state;
	struct limited limited;
	start_limited(&limited, "LOSSD_MAX_RANK=2");
	static const struct refusal wanted = {STATUS_TOO_MANY_ELEMENTS, "logits", "2"};
	struct reply reply;
	client_post(limited.client, CROSS_ENTROPY, "{\"logits\": [[[1]]], \"targets\": [[0]]}",
		    &reply);
	assert_int_equal(refusal_check("rank 3", &wanted, &reply), 0);
	stop_limited(&limited);
}

static void test_too_large_for_the_server(void **state)
{
	(void)state;
	struct limited limited;
	start_limited(&limited, "LOSSD_MEMORY_BUDGET_BYTES=16777216");
	static const struct refusal wanted = {
		LOSS_TOO_LARGE_FOR_BUDGET, NULL,
		"held so far, but the whole memory budget is 16777216 bytes"};
	struct reply reply;
	char *body = make_body(5 * MIB); /* 20 MiB of float32 */
	client_post(limited.client, CROSS_ENTROPY, body, &reply);
	assert_int_equal(refusal_check("a request", &wanted, &reply), 0);
	free(body);
	body = make_body(2 * MIB); /* 8 MiB, and four times 8 MiB of outputs */
	client_post(limited.client, CROSS_ENTROPY "?outputs=grad,probs,log_probs", body, &reply);
	assert_int_equal(refusal_check("a reply", &wanted, &reply), 0);
	free(body);
	/* What came before on the connection has been counted once this is answered. */
	client_get(limited.client, "/v2/health/live", &reply);
	reply_free(&reply);
	double counted = server_metric(&limited.server, "lossd_rejected_total{reason=\"memory\"}");
	assert_true(counted == 2.0);
	stop_limited(&limited);
}

/* Bytes of memory that the server says requests hold. */
static double inflight_bytes(const struct limited *limited)
{
	return server_metric(&limited->server, "lossd_inflight_bytes");
}

/* A client that sends a head and half of its body, and waits. */
static int send_half(const struct limited *limited, const char *headers, const char *half,
		     size_t length)
{
	char *head = NULL;
	int fd = raw_connect(&limited->server);
	assert_true(asprintf(&head,
			     "POST " CROSS_ENTROPY " HTTP/1.1\r\nHost: localhost\r\n%s"
			     "Content-Length: %zu\r\n\r\n",
			     headers, length) > 0);
	assert_true(raw_send(fd, head, strlen(head)));
	assert_true(raw_send(fd, half, strlen(half)));
	free(head);
	return fd;
}

static void test_too_much_memory_in_flight(void **state)
{
	(void)state;
	struct limited limited;
	start_limited(&limited, "LOSSD_MEMORY_BUDGET_BYTES=16777216");
	char *half = make_text(5 * MIB / 2, ""); /* 10 MiB of float32 */
	int fd = send_half(&limited, "", half, strlen(half) + strlen(REST));
	int64_t until = now_ms() + WAIT_MS;
	while (inflight_bytes(&limited) < 10e6 && now_ms() < until)
		;
	assert_true(inflight_bytes(&limited) >= 10e6);

	static const struct refusal wanted = {LOSS_TOO_MUCH_MEMORY_IN_FLIGHT, NULL, "memory"};
	char *body = make_body(5 * MIB / 2);
	char retry[64] = "";
	struct reply reply;
	client_post(limited.client, CROSS_ENTROPY, body, &reply);
	assert_true(reply_header(&reply, "Retry-After", retry, sizeof(retry)));
	assert_true(strtol(retry, NULL, 10) >= 1);
	assert_int_equal(refusal_check("the second", &wanted, &reply), 0);

	/* The first is served all the same, and then there is room. */
	char answer[4096];
	assert_true(raw_send(fd, REST, strlen(REST)));
	raw_read_until(fd, answer, sizeof(answer), "\"isa\"", WAIT_MS);
	assert_int_equal(strncmp(answer, "HTTP/1.1 200 ", 13), 0);
	close(fd);
	until = now_ms() + WAIT_MS;
	while (inflight_bytes(&limited) > 1e6 && now_ms() < until)
		;
	client_post(limited.client, CROSS_ENTROPY, body, &reply);
	assert_int_equal(reply.status, 200);
	reply_free(&reply);
	free(body);
	free(half);
	stop_limited(&limited);
}

static void test_deadline_exceeded(void **state)
{
	(void)state;
	struct limited limited;
	start_limited(&limited, "LOSSD_LOG_LEVEL=error");
	static const char half[] = "{\"logits\": [[1, 2]], ", rest[] = "\"targets\": [1]}";
	int fd = send_half(&limited, "X-Request-Timeout-Ms: 1\r\n", half,
			   strlen(half) + strlen(rest));
	/* The head has been read once the request holds memory; then the clock has to go on. */
	int64_t until = now_ms() + WAIT_MS;
	while (inflight_bytes(&limited) <= 0.0 && now_ms() < until)
		;
	until = now_ms() + 20;
	while (now_ms() < until)
		;
	char answer[4096];
	assert_true(raw_send(fd, rest, strlen(rest)));
	raw_read_until(fd, answer, sizeof(answer), "\"deadline_exceeded\"", 20000);
	assert_int_equal(strncmp(answer, "HTTP/1.1 504 ", 13), 0);
	assert_non_null(strstr(answer, "\"deadline_exceeded\""));
	close(fd);
	stop_limited(&limited);
}

static void test_every_code_was_met(void **state)
{
	(void)state;
	refusal_assert_all_met(REFUSAL_HEADS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_heads),
		cmocka_unit_test(test_queries),
		cmocka_unit_test(test_body_too_large),
		cmocka_unit_test(test_too_many_elements_of_a_tensor),
		cmocka_unit_test(test_rank_above_the_setting),
		cmocka_unit_test(test_too_large_for_the_server),
		cmocka_unit_test(test_too_much_memory_in_flight),
		cmocka_unit_test(test_deadline_exceeded),
		cmocka_unit_test(test_every_code_was_met),
	};
	return cmocka_run_group_tests(tests, group_start, group_stop);
}
