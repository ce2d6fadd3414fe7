/* Spans of requests, as a collector gets them, and what becomes of them when it does not take them.
 */
#include "../support/client.h"
#include "../support/otlp.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS 60000
#define TRACE "0123456789abcdef0123456789abcdef"
#define PARENT "fedcba9876543210"
#define EXPORTED "lossd_spans_exported_total"
#define DROPPED "lossd_spans_dropped_total"

static struct server server;
static struct client *client;
static struct otlp collector;

static void begin_at(const char *endpoint, const char *drain_delay_ms)
{
	const char *const flags[] = {"--otlp-endpoint",
				     endpoint,
				     "--threads",
				     "2",
				     "--access-log",
				     "on",
				     "--log-format",
				     "json",
				     "--drain-delay-ms",
				     drain_delay_ms,
				     NULL};
	assert_int_equal(server_start(&server, flags, NULL), 0);
	client = client_open(&server);
}

static void begin(const struct otlp_answer *answers, size_t n)
{
	otlp_open(&collector, answers, n);
	begin_at(collector.url, "0");
}

static void stop_server(void)
{
	client_close(client);
	kill(server.pid, SIGTERM);
	assert_int_equal(server_wait(&server), 0);
}

static void end(void)
{
	stop_server();
	otlp_close(&collector);
}

/* The status of the reply. headers: lines for libcurl; NULL: none. */
static int ask(const char *method, const char *path, const char *body, const char *const *headers)
{
	struct reply reply;
	client_send(
		client,
		&(struct request){.method = method, .path = path, .headers = headers, .body = body},
		&reply);
	int status = reply.status;
	reply_free(&reply);
	return status;
}

static void expect_metric(const char *series, double value)
{
	double is = 0;
	for (int64_t until = now_ms() + WAIT_MS; now_ms() < until; poll(NULL, 0, 5))
		if ((is = server_metric(&server, series)) == value)
			return;
	fail_msg("%s is %g, not %g", series, is, value);
}

static void expect_log(const char *text, int times)
{
	int n = server_log_await(&server, text, times);
	if (n != times)
		fail_msg("%d lines have %s", n, text);
}

static void expect_attribute(const cJSON *span, const char *key, const char *text)
{
	const char *is = otlp_attribute(span, key);
	if (text ? !is || strcmp(is, text) != 0 : is != NULL)
		fail_msg("%s is %s, not %s", key, is ? is : "absent", text ? text : "absent");
}

static void expect_hex(const cJSON *span, const char *member, size_t n)
{
	const char *text = json_string(json_member(span, member));
	assert_int_equal(strlen(text), n);
	assert_int_equal(strspn(text, "0123456789abcdef"), n);
	assert_true(strspn(text, "0") < n);
}

static void expect_member(const cJSON *object, const char *member, const char *text)
{
	assert_string_equal(json_string(json_member(object, member)), text);
}

/* ---------------------------------------------------------------- what is in a span */

static const char *const traced[] = {"Content-Type: application/json", "X-Request-Id: mine",
				     "traceparent: 00-" TRACE "-" PARENT "-01",
				     "tracestate: a=b,c=\"\\d", NULL};

static void expect_phases(const cJSON *document, const cJSON *span, const char *const *names)
{
	uint64_t start = otlp_number(span, "startTimeUnixNano");
	uint64_t last = otlp_number(span, "endTimeUnixNano");
	const cJSON *phase = otlp_span(document, 0);
	while (phase != span)
		phase = phase->next;
	for (size_t i = 0; names[i]; i++) {
		phase = phase->next;
		assert_non_null(phase);
		expect_member(phase, "name", names[i]);
		expect_hex(phase, "spanId", 16);
		expect_member(phase, "traceId", json_string(json_member(span, "traceId")));
		expect_member(phase, "parentSpanId", json_string(json_member(span, "spanId")));
		assert_string_not_equal(json_string(json_member(phase, "spanId")),
					json_string(json_member(span, "spanId")));
		assert_true(json_number(json_member(phase, "kind")) == 1);
		uint64_t from = otlp_number(phase, "startTimeUnixNano");
		uint64_t to = otlp_number(phase, "endTimeUnixNano");
		uint64_t busy = strtoull(otlp_attribute(phase, "lossd.busy_ns"), NULL, 10);
		assert_true(start <= from && from < to && to <= last);
		assert_true(busy > 0 && busy <= to - from);
	}
}

static void a_request_is_a_span_of_its_caller(void **state)
{
	static const char *const phases[] = {"receive", "decode", "compute", "encode", NULL};
	char size[16];
	(void)state;
	begin(NULL, 0);
	uint64_t before = (uint64_t)time(NULL);
	assert_int_equal(ask("POST", CROSS_ENTROPY "?reduction=sum", GOOD, traced), 200);
	cJSON *document = otlp_document(&collector, 0);
	const cJSON *span = otlp_span(document, 0);
	expect_member(span, "traceId", TRACE);
	expect_member(span, "parentSpanId", PARENT);
	expect_member(span, "traceState", "a=b,c=\"\\d");
	expect_hex(span, "spanId", 16);
	expect_member(span, "name", "POST /v1/losses/{loss}");
	assert_true(json_number(json_member(span, "kind")) == 2);
	assert_true(json_number(json_member(span, "flags")) == 0x301);
	assert_null(json_member(span, "status")->child);
	uint64_t start = otlp_number(span, "startTimeUnixNano") / 1000000000;
	assert_in_range(start, before - 1, (uint64_t)time(NULL) + 1);
	expect_attribute(span, "http.request.method", "POST");
	expect_attribute(span, "http.route", "/v1/losses/{loss}");
	expect_attribute(span, "url.path", CROSS_ENTROPY);
	expect_attribute(span, "url.scheme", "http");
	expect_attribute(span, "http.response.status_code", "200");
	expect_attribute(span, "error.type", NULL);
	expect_attribute(span, "network.peer.address", "127.0.0.1");
	assert_true(atoi(otlp_attribute(span, "network.peer.port")) > 0);
	snprintf(size, sizeof size, "%zu", strlen(GOOD));
	expect_attribute(span, "http.request.body.size", size);
	assert_true(atoi(otlp_attribute(span, "http.response.body.size")) > 100);
	expect_attribute(span, "lossd.request_id", "mine");
	expect_attribute(span, "lossd.loss", "cross_entropy");
	expect_attribute(span, "lossd.rows", "1");
	expect_attribute(span, "lossd.threads", "1");
	expect_attribute(span, "lossd.code", NULL);
	expect_phases(document, span, phases);
	assert_null(otlp_span(document, 5));
	assert_null(strstr(collector.documents[0], "reduction"));
	cJSON_Delete(document);
	end();
}

static void the_document_says_who_sends_it(void **state)
{
	char pid[16];
	(void)state;
	begin(NULL, 0);
	ask("GET", "/v2", NULL, NULL);
	cJSON *document = otlp_document(&collector, 0);
	const cJSON *resource = json_member(document, "resourceSpans")->child;
	const cJSON *who = json_member(resource, "resource");
	snprintf(pid, sizeof pid, "%d", (int)server.pid);
	expect_attribute(who, "service.name", "lossd");
	assert_true(strlen(otlp_attribute(who, "service.version")) > 0);
	expect_attribute(who, "process.pid", pid);
	const char *id = otlp_attribute(who, "service.instance.id");
	assert_int_equal(strlen(id), 36);
	assert_int_equal(id[14], '4');
	assert_non_null(strchr("89ab", id[19]));
	expect_member(json_member(json_member(resource, "scopeSpans")->child, "scope"), "name",
		      "lossd");
	assert_int_equal(strncmp(collector.heads[0], "POST /v1/traces HTTP/1.1\r\n", 26), 0);
	assert_non_null(strcasestr(collector.heads[0], "\r\nContent-Type: application/json\r\n"));
	assert_null(strcasestr(collector.heads[0], "\r\nExpect:"));
	cJSON_Delete(document);
	end();
}

/* A long problem waits for the compute thread, and its body is decoded while it comes. */
static void a_large_problem_has_all_its_phases(void **state)
{
	static const char *const phases[] = {"receive", "decode", "queue",
					     "compute", "encode", NULL};
	struct reply reply;
	size_t size;
	char *body = body_of_zeros(6000, 1000, &size);
	(void)state;
	begin(NULL, 0);
	client_send(
		client,
		&(struct request){
			.path = CROSS_ENTROPY, .headers = traced, .body = body, .body_size = size},
		&reply);
	assert_int_equal(reply.status, 200);
	reply_free(&reply);
	cJSON *document = otlp_document(&collector, 0);
	const cJSON *span = otlp_span(document, 0);
	expect_attribute(span, "lossd.rows", "6000");
	expect_attribute(span, "lossd.threads", "2");
	expect_phases(document, span, phases);
	expect_metric(EXPORTED, 6);
	cJSON_Delete(document);
	free(body);
	end();
}

static void what_went_wrong_is_told(void **state)
{
	static const char *const json[] = {"Content-Type: application/json", NULL};
	static const struct {
		const char *method, *path, *body;
		int status;
		const char *name, *its_method, *route, *code;
	} cases[] = {
		{"GET", "/nowhere%0a%22%ff", NULL, 404, "GET", "GET", NULL, "unknown_path"},
		{"PATCH", CROSS_ENTROPY, NULL, 405, "HTTP /v1/losses/{loss}", "_OTHER",
		 "/v1/losses/{loss}", "method_not_allowed"},
		{"POST", CROSS_ENTROPY, "{}", 422, "POST /v1/losses/{loss}", "POST",
		 "/v1/losses/{loss}", "missing_field"},
		{"POST", "/v2/models/softmax/infer", "{x", 400, "POST /v2/models/{loss}/infer",
		 "POST", "/v2/models/{loss}/infer", "invalid_json"},
		{"OPTIONS", "/v2", NULL, 204, "OPTIONS /v2", "OPTIONS", "/v2", NULL},
	};
	enum { N = sizeof cases / sizeof cases[0] };
	(void)state;
	begin(NULL, 0);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(ask(cases[i].method, cases[i].path, cases[i].body, json),
				 cases[i].status);
	stop_server();
	cJSON *spans = otlp_requests(&collector);
	assert_int_equal(cJSON_GetArraySize(spans), N);
	for (int i = 0; i < N; i++) {
		const cJSON *span = cJSON_GetArrayItem(spans, i);
		char status[12];
		snprintf(status, sizeof status, "%d", cases[i].status);
		expect_member(span, "name", cases[i].name);
		expect_attribute(span, "http.request.method", cases[i].its_method);
		expect_attribute(span, "http.route", cases[i].route);
		expect_attribute(span, "http.response.status_code", status);
		expect_attribute(span, "lossd.code", cases[i].code);
		expect_attribute(span, "error.type", NULL);
		expect_attribute(span, "lossd.rows", NULL);
		assert_null(json_member(span, "status")->child); /* no fault of the server's */
		assert_null(json_find(span, "parentSpanId"));
		assert_null(json_find(span, "traceState"));
		assert_true(json_number(json_member(span, "flags")) == 0x101);
		if (i == 0)
			expect_attribute(span, "url.path", "/nowhere\n\"\xef\xbf\xbd");
	}
	cJSON_Delete(spans);
	otlp_close(&collector);
}

static void expect_error(const cJSON *span, const char *type)
{
	expect_attribute(span, "error.type", type);
	assert_true(json_number(json_member(json_member(span, "status"), "code")) == 2);
}

/* Who asks for its own: the pages that watch the server have spans then. */
static void a_server_that_fails_says_so(void **state)
{
	(void)state;
	otlp_open(&collector, NULL, 0);
	begin_at(collector.url, "1000");
	kill(server.pid, SIGTERM);
	while (ask("GET", "/v2/health/ready", NULL, traced) != 503)
		poll(NULL, 0, 5);
	client_close(client);
	assert_int_equal(server_wait(&server), 0);
	const cJSON *span = NULL;
	bool found = false;
	cJSON *spans = otlp_requests(&collector);
	cJSON_ArrayForEach(span, spans)
	{
		if (strcmp(otlp_attribute(span, "http.response.status_code"), "503") != 0)
			continue;
		expect_error(span, "not_ready");
		found = true;
	}
	assert_true(found);
	cJSON_Delete(spans);
	otlp_close(&collector);
}

static void who_leaves_is_told(void **state)
{
	static const char head[] = "POST " CROSS_ENTROPY " HTTP/1.1\r\nHost: a\r\nContent-Type: "
				   "application/json\r\nContent-Length: 100\r\n\r\n{";
	(void)state;
	begin(NULL, 0);
	int fd = raw_connect(&server);
	assert_true(raw_send(fd, head, sizeof head - 1));
	while (server_metric(&server, "lossd_connections") < 2)
		poll(NULL, 0, 5);
	close(fd);
	cJSON *document = otlp_document(&collector, 0);
	expect_error(otlp_span(document, 0), "client_gone");
	expect_attribute(otlp_span(document, 0), "http.response.status_code", NULL);
	cJSON_Delete(document);
	end();
}

/* ---------------------------------------------------------------- which requests */

#define FLAGS(flags) "traceparent: 00-" TRACE "-" PARENT "-" flags

static void the_sampled_bit_decides(void **state)
{
	static const struct {
		const char *path, *traceparent;
		bool spans, is_own;
	} cases[] = {
		{"/v2?00", FLAGS("00"), false, false},
		{"/v2", FLAGS("01"), true, false},
		{"/v2?02", FLAGS("02"), false, false},
		{"/v2", FLAGS("03"), true, false},
		{"/v2?fe", FLAGS("fe"), false, false},
		{"/v2", FLAGS("ff"), true, false},
		{"/v2", NULL, true, true},
		{"/v2", FLAGS("0"), true, true},
		{"/v2", FLAGS("0g"), true, true},
		{"/v2", "traceparent: 00-00000000000000000000000000000000-" PARENT "-00", true,
		 true},
		{"/v2", "traceparent: ff-" TRACE "-" PARENT "-00", true, true},
		{"/v2", "traceparent: cc-" TRACE "-" PARENT "-01-more", true, false},
		{"/metrics", NULL, false, false},
		{"/v2/health/live", NULL, false, false},
		{"/v2/health/ready", NULL, false, false},
		{"/v2/models/softmax/ready", NULL, false, false},
		{"/v2/health/live", FLAGS("00"), false, false},
		{"/v2/health/live", FLAGS("01"), true, false},
	};
	enum { N = sizeof cases / sizeof cases[0] };
	const cJSON *span = NULL;
	double n = 0;
	(void)state;
	begin(NULL, 0);
	for (size_t i = 0; i < N; i++) {
		const char *const headers[] = {cases[i].traceparent, NULL};
		assert_int_equal(ask("GET", cases[i].path, NULL, headers), 200);
		n += cases[i].spans;
	}
	expect_metric(EXPORTED, n);
	cJSON *spans = otlp_requests(&collector);
	for (size_t i = 0; i < N; i++) {
		if (!cases[i].spans)
			continue;
		span = span ? span->next : spans->child;
		assert_non_null(span);
		const char *id = json_string(json_member(span, "traceId"));
		assert_int_equal(strcmp(id, TRACE) != 0, cases[i].is_own);
		assert_int_equal(json_find(span, "parentSpanId") == NULL, cases[i].is_own);
		if (cases[i].is_own)
			expect_log(id, 1); /* another one each; the line of the request has it */
	}
	assert_null(span->next);
	cJSON_Delete(spans);
	end();
}

static void without_an_endpoint_there_are_none(void **state)
{
	(void)state;
	assert_int_equal(server_start(&server, NULL, NULL), 0);
	client = client_open(&server);
	assert_int_equal(ask("POST", CROSS_ENTROPY, GOOD, traced), 200);
	assert_true(server_metric(&server, EXPORTED) == 0);
	assert_true(server_metric(&server, DROPPED) == 0);
	stop_server();
}

/* ---------------------------------------------------------------- collectors */

static void a_connection_is_kept(void **state)
{
	(void)state;
	begin(NULL, 0);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(ask("GET", "/v2", NULL, NULL), 200);
		cJSON_Delete(otlp_document(&collector, i));
	}
	expect_metric(EXPORTED, 2);
	assert_int_equal(otlp_connections(&collector), 1);
	end();
}

/* Many at once go together, at once. */
static void a_batch_is_of_many(void **state)
{
	size_t n = 0;
	(void)state;
	begin(NULL, 0);
	for (size_t i = 0; i < 600; i++)
		assert_int_equal(ask("GET", "/v2", NULL, NULL), 200);
	expect_metric(EXPORTED, 600);
	assert_in_range(otlp_documents(&collector), 2, 60);
	for (size_t i = 0; i < otlp_documents(&collector); i++) {
		cJSON *document = otlp_document(&collector, i);
		size_t k = 0;
		while (otlp_span(document, k))
			k++;
		assert_in_range(k, 1, 512);
		n += k;
		cJSON_Delete(document);
	}
	assert_int_equal(n, 600);
	end();
}

/* Sent again, the same, when it has said; without Retry-After after half a second at least. */
static void a_busy_collector_is_asked_again(void **state)
{
	static const struct otlp_answer answers[] = {
		{.status = 503, .headers = "Retry-After: 2\r\n"},
		{.status = 429},
		{.act = OTLP_CUTS},
		{.status = 200},
	};
	(void)state;
	begin(answers, sizeof answers / sizeof answers[0]);
	assert_int_equal(ask("GET", "/v2", NULL, NULL), 200);
	expect_metric(EXPORTED, 1);
	assert_int_equal(otlp_documents(&collector), 4);
	for (size_t i = 1; i < 4; i++)
		assert_string_equal(collector.documents[i], collector.documents[0]);
	assert_in_range(collector.came_ms[1] - collector.came_ms[0], 2000, 20000);
	assert_in_range(collector.came_ms[2] - collector.came_ms[1], 990, 20000);
	assert_in_range(collector.came_ms[3] - collector.came_ms[2], 1990, 20000);
	assert_true(server_metric(&server, DROPPED) == 0);
	end();
}

static void every_status_is_final_or_not(void **state)
{
	static const struct otlp_answer answers[] = {
		{.status = 400, .body = "{\"message\": \"no\"}"},
		{.status = 401},
		{.status = 404},
		{.status = 500},
		{.status = 302, .headers = "Location: /elsewhere\r\n"},
		{.status = 202, .body = ""},
		{.status = 502},
		{.status = 504},
		{.status = 200},
	};
	static const size_t expected[] = {1, 2, 3, 4, 5, 6, 9}; /* documents, then */
	(void)state;
	begin(answers, sizeof answers / sizeof answers[0]);
	for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
		assert_int_equal(ask("GET", "/v2", NULL, NULL), 200);
		expect_metric(i < 5 ? DROPPED : EXPORTED, (double)(i < 5 ? i + 1 : i - 4));
		assert_int_equal(otlp_documents(&collector), expected[i]);
	}
	assert_null(strstr(collector.heads[5], "elsewhere"));
	expect_log("\"the collector does not take spans\",\"why\":\"status 400: "
		   "{\\\"message\\\": \\\"no\\\"}\",\"spans\":1",
		   1);
	expect_log("the collector does not take spans", 1); /* once, not with each */
	expect_log("the collector takes spans again", 1);
	end();
}

static void a_part_may_be_refused(void **state)
{
	static const struct otlp_answer answers[] = {
		{.body = "{\"partialSuccess\": {\"rejectedSpans\": \"2\", \"errorMessage\": "
			 "\"too old\"}}"},
		{.body = "{\"partialSuccess\": {\"rejectedSpans\": \"99999\"}}"},
	};
	(void)state;
	begin(answers, sizeof answers / sizeof answers[0]);
	assert_int_equal(ask("POST", CROSS_ENTROPY, GOOD, traced), 200);
	expect_metric(EXPORTED, 3);
	expect_metric(DROPPED, 2);
	expect_log("\"why\":\"too old\",\"spans\":2", 1);
	assert_int_equal(ask("POST", CROSS_ENTROPY, GOOD, traced), 200);
	expect_metric(DROPPED, 7); /* all of them, and no more */
	assert_true(server_metric(&server, EXPORTED) == 3);
	end();
}

/* ---------------------------------------------------------------- what must not wait */

/* What does not fit is dropped and counted, to the last one; nobody waits. */
static void a_collector_that_hangs_holds_nobody_up(void **state)
{
	static const struct otlp_answer hangs = {.act = OTLP_HANGS};
	enum { ROOM = 2048, MORE = 52 };
	(void)state;
	begin(&hangs, 1);
	int64_t start = now_ms();
	for (int i = 0; i < ROOM; i++)
		assert_int_equal(ask("GET", "/v2", NULL, NULL), 200);
	assert_true(server_metric(&server, DROPPED) == 0);
	for (int i = 0; i < MORE; i++)
		assert_int_equal(ask("GET", "/v2", NULL, NULL), 200);
	/* Before the collector's time was up: one document was under way all the time. */
	if (now_ms() - start < 9000)
		expect_metric(DROPPED, MORE);
	assert_true(server_metric(&server, EXPORTED) == 0);
	end();
}

/* Milliseconds from SIGTERM to the end, of a server without delay. */
static int64_t stop_ms(const char *endpoint, struct otlp *waits_for)
{
	const char *const flags[] = {"--otlp-endpoint", endpoint, NULL};
	assert_int_equal(server_start(&server, flags, NULL), 0);
	client = client_open(&server);
	assert_int_equal(ask("POST", CROSS_ENTROPY, GOOD, NULL), 200);
	if (waits_for)
		cJSON_Delete(otlp_document(waits_for, 0));
	client_close(client);
	int64_t start = now_ms();
	kill(server.pid, SIGTERM);
	assert_int_equal(server_wait(&server), 0);
	return now_ms() - start;
}

static void a_stop_waits_for_no_collector(void **state)
{
	static const struct otlp_answer hangs = {.act = OTLP_HANGS},
					later = {.status = 503, .headers = "Retry-After: 100\r\n"};
	const int64_t most = built_with_sanitizer() ? 20000 : 4000;
	(void)state;
	otlp_open(&collector, &hangs, 1);
	assert_in_range(stop_ms(collector.url, NULL), 900, most); /* it gets its second */
	assert_in_range(stop_ms(collector.url, &collector), 0, most);
	otlp_close(&collector);
	/* Nobody is there any more. */
	assert_in_range(stop_ms(collector.url, NULL), 0, most);
	otlp_open(&collector, &later, 1);
	assert_in_range(stop_ms(collector.url, &collector), 0, most);
	assert_int_equal(otlp_documents(&collector), 1); /* it is left alone, as it wants to be */
	otlp_close(&collector);
}

static void what_waits_is_sent_at_the_end(void **state)
{
	(void)state;
	otlp_open(&collector, NULL, 0);
	const char *const flags[] = {"--otlp-endpoint", collector.url, NULL};
	assert_int_equal(server_start(&server, flags, NULL), 0);
	client = client_open(&server);
	for (int i = 0; i < 40; i++)
		assert_int_equal(ask("GET", "/v2", NULL, NULL), 200);
	stop_server();
	cJSON *spans = otlp_requests(&collector);
	assert_int_equal(cJSON_GetArraySize(spans), 40);
	cJSON_Delete(spans);
	otlp_close(&collector);
}

/* What the environment says of proxies is not for it; a path of its own is taken. */
static void the_endpoint_is_what_was_set(void **state)
{
	char endpoint[128];
	(void)state;
	otlp_open(&collector, NULL, 0);
	snprintf(endpoint, sizeof endpoint, "%s/my/own?key=1", collector.url);
	const char *const flags[] = {"--otlp-endpoint", endpoint, NULL};
	const char *const environment[] = {"http_proxy=http://127.0.0.1:9",
					   "all_proxy=http://127.0.0.1:9", NULL};
	assert_int_equal(server_start(&server, flags, environment), 0);
	client = client_open(&server);
	assert_int_equal(ask("GET", "/v2", NULL, NULL), 200);
	cJSON_Delete(otlp_document(&collector, 0));
	assert_int_equal(strncmp(collector.heads[0], "POST /my/own?key=1 HTTP/1.1\r\n", 29), 0);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_a_span_of_its_caller),
		cmocka_unit_test(the_document_says_who_sends_it),
		cmocka_unit_test(a_large_problem_has_all_its_phases),
		cmocka_unit_test(what_went_wrong_is_told),
		cmocka_unit_test(a_server_that_fails_says_so),
		cmocka_unit_test(who_leaves_is_told),
		cmocka_unit_test(the_sampled_bit_decides),
		cmocka_unit_test(without_an_endpoint_there_are_none),
		cmocka_unit_test(a_connection_is_kept),
		cmocka_unit_test(a_batch_is_of_many),
		cmocka_unit_test(a_busy_collector_is_asked_again),
		cmocka_unit_test(every_status_is_final_or_not),
		cmocka_unit_test(a_part_may_be_refused),
		cmocka_unit_test(a_collector_that_hangs_holds_nobody_up),
		cmocka_unit_test(a_stop_waits_for_no_collector),
		cmocka_unit_test(what_waits_is_sent_at_the_end),
		cmocka_unit_test(the_endpoint_is_what_was_set),
	};
	return cmocka_run_group_tests_name("traces", tests, NULL, NULL);
}
