/* Pages of other origins: what replies say to them, for each kind of list in the settings. */
#include "../support/client.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <string.h>

#define LENGTH_OF_JSON "Inference-Header-Content-Length"

#define ALLOW_ORIGIN "Access-Control-Allow-Origin"

static struct server server;

static void start(const char *list)
{
	const char *const flags[] = {"--cors-origins", list, NULL};
	assert_int_equal(server_start(&server, list ? flags : NULL, NULL), 0);
}

static int kill_server(void **state)
{
	(void)state;
	server_kill(&server); /* of a test that failed; else it is gone */
	return 0;
}

/* A header's value, or "" when it is not there. */
static const char *value_of(const struct reply *reply, const char *name)
{
	static char value[512];
	return reply_header(reply, name, value, sizeof value) ? value : "";
}

static void exchange(const char *method, const char *origin, const char *body, struct reply *reply)
{
	char header[128];
	const char *const headers[] = {"Content-Type: application/json",
				       "Access-Control-Request-Method: POST",
				       origin ? header : NULL, NULL};
	struct client *client = client_open(&server);
	snprintf(header, sizeof header, "Origin: %s", origin ? origin : "");
	client_send(
		client,
		&(struct request){
			.method = method, .path = CROSS_ENTROPY, .headers = headers, .body = body},
		reply);
	client_close(client);
}

struct expectation {
	const char *origin, *allow, *vary;
};

/* Replies, errors and preflights alike. */
static void expect(const struct expectation *wanted)
{
	static const struct {
		const char *method, *body;
		int status;
	} requests[] = {
		{"POST", GOOD, 200}, {"POST", "{", 400},     {"GET", NULL, 200},
		{"PUT", GOOD, 405},  {"OPTIONS", NULL, 204},
	};
	for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
		struct reply reply;
		bool preflight = strcmp(requests[i].method, "OPTIONS") == 0;
		bool allowed = wanted->allow[0] != '\0';
		exchange(requests[i].method, wanted->origin, requests[i].body, &reply);
		assert_int_equal(reply.status, requests[i].status);
		assert_string_equal(value_of(&reply, ALLOW_ORIGIN), wanted->allow);
		/* Of a long reply the coding may differ too. */
		const char *vary = value_of(&reply, "Vary");
		if (reply.body_size > 1024) {
			assert_memory_equal(vary, "Accept-Encoding", 15);
			vary += vary[15] == '\0' ? 15 : 17;
		}
		assert_string_equal(vary, wanted->vary);
		assert_string_equal(value_of(&reply, "Access-Control-Allow-Methods"),
				    preflight && allowed ? "GET, HEAD, POST, OPTIONS" : "");
		const char *headers = value_of(&reply, "Access-Control-Allow-Headers");
		assert_int_equal(strstr(headers, "Content-Type") != NULL, preflight && allowed);
		assert_int_equal(strstr(headers, "X-Request-Timeout-Ms") != NULL,
				 preflight && allowed);
		assert_int_equal(strstr(headers, LENGTH_OF_JSON) != NULL, preflight && allowed);
		headers = value_of(&reply, "Access-Control-Expose-Headers");
		assert_int_equal(strstr(headers, "X-Request-Id") != NULL, !preflight && allowed);
		assert_int_equal(strstr(headers, LENGTH_OF_JSON) != NULL, !preflight && allowed);
		reply_free(&reply);
	}
}

static void by_default_no_origin_is_named(void **state)
{
	(void)state;
	start(NULL);
	expect(&(struct expectation){"https://a.example", "", ""});
	assert_int_equal(server_stop(&server), 0);
}

static void origins_of_the_list_may_read(void **state)
{
	static const struct expectation table[] = {
		{"https://a.example", "https://a.example", "Origin"},
		{"http://localhost:3000", "http://localhost:3000", "Origin"},
		{"https://b.example", "", "Origin"},
		{"https://a.example.org", "", "Origin"},
		{"null", "", "Origin"},
		{NULL, "", "Origin"},
	};
	(void)state;
	start("https://a.example,http://localhost:3000");
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
		expect(&table[i]);
	assert_int_equal(server_stop(&server), 0);
}

static void all_may_read(void **state)
{
	(void)state;
	start("*");
	expect(&(struct expectation){"https://a.example", "*", ""});
	expect(&(struct expectation){NULL, "*", ""});
	assert_int_equal(server_stop(&server), 0);
}

static void expect_headers(const struct request *request, int status, const char *const *names)
{
	struct client *client = client_open(&server);
	struct reply reply;
	client_send(client, request, &reply);
	if (reply.status != status)
		fail_msg("%d: %s", reply.status, reply.body);
	for (; *names; names++)
		if (*value_of(&reply, *names) == '\0')
			fail_msg("no %s in: %s", *names, reply.headers);
	reply_free(&reply);
	client_close(client);
}

#define TRACE                                                                                      \
	"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate: a=1"
#define ALWAYS                                                                                     \
	"X-Content-Type-Options", "X-Request-Id", "traceparent", "tracestate", "Vary", ALLOW_ORIGIN

/* There is room for all headers that a reply can have. */
static void the_fullest_replies_lose_nothing(void **state)
{
	static const char *const headers[] = {TRACE, "Origin: https://a.example",
					      "Accept-Encoding: gzip",
					      "Content-Type: application/octet-stream", NULL};
	static const char document[] =
		"{\"parameters\":{\"binary_data_output\":true},"
		"\"outputs\":[{\"name\":\"grad\"}],\"inputs\":["
		"{\"name\":\"logits\",\"datatype\":\"FP32\",\"shape\":[1,1000],\"parameters\":"
		"{\"binary_data_size\":4000}},"
		"{\"name\":\"targets\",\"datatype\":\"INT64\",\"shape\":[1],\"data\":[0]}]}";
	char length[64], body[sizeof document + 4000] = {0};
	const char *const binary[] = {headers[0], headers[1], headers[2], headers[3],
				      headers[4], length,     NULL};
	(void)state;
	start("https://a.example");
	snprintf(length, sizeof length, LENGTH_OF_JSON ": %zu", sizeof document - 1);
	memcpy(body, document, sizeof document - 1);
	expect_headers(&(struct request){.path = "/v2/models/cross_entropy/infer?compress=true",
					 .headers = binary,
					 .body = body,
					 .body_size = sizeof document - 1 + 4000},
		       200,
		       (const char *const[]){ALWAYS, LENGTH_OF_JSON, "Content-Type",
					     "Content-Encoding", "Server-Timing",
					     "Access-Control-Expose-Headers", NULL});
	expect_headers(
		&(struct request){.method = "OPTIONS", .path = CROSS_ENTROPY, .headers = headers},
		204,
		(const char *const[]){ALWAYS, "Allow", "Access-Control-Allow-Methods",
				      "Access-Control-Allow-Headers", "Access-Control-Max-Age",
				      NULL});
	expect_headers(
		&(struct request){.method = "PUT", .path = CROSS_ENTROPY, .headers = headers}, 405,
		(const char *const[]){ALWAYS, "Allow", "Content-Type",
				      "Access-Control-Expose-Headers", NULL});
	assert_int_equal(server_stop(&server), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(by_default_no_origin_is_named, kill_server),
		cmocka_unit_test_teardown(origins_of_the_list_may_read, kill_server),
		cmocka_unit_test_teardown(all_may_read, kill_server),
		cmocka_unit_test_teardown(the_fullest_replies_lose_nothing, kill_server),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
