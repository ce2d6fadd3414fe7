/* What goes around an evaluation: media types, ids, timings; HEAD, OPTIONS and the methods that a
 * path does not take. */
#include "../support/group.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------- headers */

static void assert_header(const struct reply *reply, const char *name, const char *value)
{
	char got[512];
	if (!reply_header(reply, name, got, sizeof(got)))
		fail_msg("no header %s in\n%s", name, reply->headers);
	assert_string_equal(got, value);
}

static void test_media_types_that_are_fine(void **state)
{
	(void)state;
	static const char *const headers[] = {
		"Content-Type: application/json",
		"Content-Type: Application/JSON",
		"Content-Type: application/json; charset=utf-8",
		"Content-Type: application/json;charset=\"UTF-8\"",
		"Content-Type:", /* leaves it out */
		"Accept: */*",
		"Accept: application/json",
		"Accept: application/*;q=0.1, text/html",
		"Accept: text/html, application/json;q=0.5",
		"Content-Encoding: identity",
		"X-Request-Timeout-Ms: 3600000",
		"traceparent: nonsense",
	};
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		const char *const list[] = {headers[i], NULL};
		struct reply reply;
		client_send(client,
			    &(struct request){.path = CROSS_ENTROPY,
					      .headers = list,
					      .body = "{\"logits\": [[1, 2]], \"targets\": [1]}"},
			    &reply);
		if (reply.status != 200)
			fail_msg("%s: status %d: %s", headers[i], reply.status, reply.body);
		assert_header(&reply, "Content-Type", "application/json");
		reply_free(&reply);
	}
}

static void test_server_timing(void **state)
{
	(void)state;
	static const char *const parts[] = {
		"receive;dur=", "decode;dur=", "queue;dur=", "compute;dur=", "encode;dur="};
	struct reply reply;
	client_post(client, CROSS_ENTROPY, "{\"logits\": [[1, 2]], \"targets\": [1]}", &reply);
	char timing[512];
	assert_true(reply_header(&reply, "Server-Timing", timing, sizeof(timing)));
	const char *at = timing;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		const char *found = strstr(at, parts[i]);
		if (found == NULL) {
			fail_msg("no %s in its place in %s", parts[i], timing);
			return;
		}
		double ms = strtod(found + strlen(parts[i]), NULL);
		assert_true(ms >= 0.0 && ms < 60000.0);
		at = found;
	}
	reply_free(&reply);
}

static void get_with(const char *header, struct reply *reply)
{
	const char *const headers[] = {header, NULL};
	client_send(client, &(struct request){.path = "/v1/losses", .headers = headers}, reply);
	assert_int_equal(reply->status, 200);
}

static void test_request_ids(void **state)
{
	(void)state;
	struct reply reply;
	get_with("X-Request-Id: abc-123 of mine", &reply);
	assert_header(&reply, "X-Request-Id", "abc-123 of mine");
	reply_free(&reply);

	/* One byte too long: another one is made, and a different one each time. */
	char header[256] = "X-Request-Id: ", first[256], second[256];
	size_t n = strlen(header);
	memset(header + n, 'x', 129);
	header[n + 129] = '\0';
	get_with(header, &reply);
	assert_true(reply_header(&reply, "X-Request-Id", first, sizeof(first)));
	assert_string_not_equal(first, header + n);
	assert_true(strlen(first) > 0 && strlen(first) <= 128);
	reply_free(&reply);
	get_with("Accept: */*", &reply);
	assert_true(reply_header(&reply, "X-Request-Id", second, sizeof(second)));
	assert_string_not_equal(first, second);
	reply_free(&reply);

	header[n + 128] = '\0';
	get_with(header, &reply);
	assert_header(&reply, "X-Request-Id", header + n);
	reply_free(&reply);
}

/* ---------------------------------------------------------------- methods */

static void test_head_is_get_without_a_body(void **state)
{
	(void)state;
	static const char *const paths[] = {"/",
					    "/v1/losses",
					    CROSS_ENTROPY,
					    "/v2",
					    "/v2/health/live",
					    "/v2/health/ready",
					    "/metrics",
					    "/openapi.yaml",
					    "/openapi.json",
					    "/problems/invalid_json"};
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct reply get, head;
		char type[128], length[64], expected[64];
		client_get(client, paths[i], &get);
		client_send(client, &(struct request){.method = "HEAD", .path = paths[i]}, &head);
		assert_int_equal(get.status, 200);
		assert_int_equal(head.status, 200);
		assert_true(get.body_size > 0);
		assert_int_equal(head.body_size, 0);
		assert_true(reply_header(&get, "Content-Type", type, sizeof(type)));
		assert_header(&head, "Content-Type", type);
		/* /metrics counts the request in between, and may be longer by a digit. */
		snprintf(expected, sizeof(expected), "%zu", get.body_size);
		assert_true(reply_header(&head, "Content-Length", length, sizeof(length)));
		if (strcmp(paths[i], "/metrics") != 0)
			assert_string_equal(length, expected);
		reply_free(&get);
		reply_free(&head);
	}
}

static void assert_allow(const struct reply *reply, const char *const *methods)
{
	char allow[256];
	assert_true(reply_header(reply, "Allow", allow, sizeof(allow)));
	size_t length = 0;
	for (size_t i = 0; methods[i] != NULL; i++) {
		if (strstr(allow, methods[i]) == NULL)
			fail_msg("Allow: %s has no %s", allow, methods[i]);
		length += strlen(methods[i]) + 2;
	}
	assert_int_equal(strlen(allow), length - 2); /* and nothing else */
}

static void test_options_and_405_carry_allow(void **state)
{
	(void)state;
	static const char *const reading[] = {"GET", "HEAD", "OPTIONS", NULL};
	static const char *const both[] = {"GET", "HEAD", "POST", "OPTIONS", NULL};
	static const char *const refused[] = {"PUT", "DELETE", "PATCH", "TRACE", "BREW", "get"};
	static const struct {
		const char *path;
		const char *const *methods;
	} table[] = {{CROSS_ENTROPY, both},
		     {"/v1/losses", reading},
		     {"/metrics", reading},
		     {"/v2", reading},
		     {"/v2/health/live", reading},
		     {"/", reading},
		     {"/openapi.yaml", reading},
		     {"/openapi.json", reading},
		     {"/problems/invalid_json", reading}};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct reply reply;
		client_send(client, &(struct request){.method = "OPTIONS", .path = table[i].path},
			    &reply);
		assert_true(reply.status == 200 || reply.status == 204);
		assert_allow(&reply, table[i].methods);
		reply_free(&reply);
		for (size_t k = 0; k < sizeof(refused) / sizeof(refused[0]); k++) {
			client_send(client,
				    &(struct request){.method = refused[k], .path = table[i].path},
				    &reply);
			if (reply.status != 405)
				fail_msg("%s %s: status %d", refused[k], table[i].path,
					 reply.status);
			assert_allow(&reply, table[i].methods);
			reply_free(&reply);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_media_types_that_are_fine),
		cmocka_unit_test(test_server_timing),
		cmocka_unit_test(test_request_ids),
		cmocka_unit_test(test_head_is_get_without_a_body),
		cmocka_unit_test(test_options_and_405_carry_allow),
	};
	return cmocka_run_group_tests(tests, group_start, group_stop);
}
