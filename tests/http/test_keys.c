/* A server that asks for keys: which path wants which, what is said without one, and before what
 * else. What changes while it runs is in test_keys_reload.c. */
#include "../support/capture.h"
#include "../support/group.h"
#include "../support/keyring.h"
#include "../support/refusal.h"
#include "http/route.h"
#include "route/routes.h"
#include "status/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS 30000
#define MIB ((size_t)1 << 20)
#define CHALLENGE "Bearer"
#define NOT_GOOD "Bearer error=\"invalid_token\""
#define INFER "/v2/models/cross_entropy/infer"

static char folder[256], path[512];

/* By their names, which are what they may. */
static int start(void **state)
{
	const char *const flags[] = {"--keys-file",
				     path,
				     "--log-level",
				     "debug",
				     "--access-log",
				     "on",
				     "--cors-origins",
				     "https://a.example",
				     NULL};
	(void)state;
	make_folder(folder, sizeof folder);
	snprintf(path, sizeof path, "%s/keys.json", folder);
	keyring_write(
		path,
		(const char *const[]){
			keyring_entry("evaluate", "\"scopes\": [\"evaluate\"]"),
			keyring_entry("metrics", "\"scopes\": [\"metrics\"]"),
			keyring_entry("admin", "\"scopes\": [\"admin\"]"),
			keyring_entry("expired",
				      "\"scopes\": [\"evaluate\", \"metrics\", \"admin\"], "
				      "\"expires\": \"2020-01-01T00:00:00Z\""),
			keyring_entry("often",
				      "\"scopes\": [\"evaluate\"], \"requests_per_second\": 1"),
			keyring_entry("much",
				      "\"scopes\": [\"evaluate\"], \"bytes_per_second\": 1"),
			keyring_entry("chunks",
				      "\"scopes\": [\"evaluate\"], \"bytes_per_second\": 1"),
			keyring_entry("unread",
				      "\"scopes\": [\"evaluate\"], \"bytes_per_second\": 1"),
			keyring_alias("a \\\"b\\\"=c", "odd", "\"scopes\": [\"evaluate\"]"),
			NULL,
		});
	return group_start_with(flags);
}

static int stop(void **state)
{
	int status = group_stop(state);
	remove_folder(folder);
	return status;
}

/* ---------------------------------------------------------------- paths */

static void fill(const char *template, char *out, size_t size)
{
	static const struct {
		const char *name, *value;
	} names[] = {{"{loss}", "cross_entropy"},
		     {"{version}", "1"},
		     {"{code}", "unauthorized"},
		     {"{name}", "region"}};
	size_t used = 0;
	while (*template) {
		size_t n = strcspn(template, "{");
		used += (size_t)snprintf(out + used, size - used, "%.*s", (int)n, template);
		template += n;
		for (size_t i = 0; *template && i < sizeof names / sizeof *names; i++) {
			if (strncmp(template, names[i].name, strlen(names[i].name)) != 0)
				continue;
			used += (size_t)snprintf(out + used, size - used, "%s", names[i].value);
			template += strlen(names[i].name);
		}
	}
	out[used] = '\0';
}

static const char *challenge_of(const struct reply *reply)
{
	static char value[256];
	return reply_header(reply, "WWW-Authenticate", value, sizeof value) ? value : "";
}

static bool is_error_of_v2(const struct reply *reply)
{
	return strncmp(reply->body, "{\"error\":\"", 10) == 0;
}

/* 0: whatever it is, it is about neither keys nor scopes. */
static void expect(const char *method, const char *target, const char *name, int status,
		   const char *challenge)
{
	struct reply reply;
	int got = keyring_send(client, method, target, name, NULL, &reply);
	bool good = status ? got == status : got != 401 && got != 403 && got != 429 && got != 0;
	if (!good)
		fail_msg("%s %s with %s: %d, not %d: %s", method, target, name ? name : "nothing",
			 got, status, reply.body);
	assert_string_equal(challenge_of(&reply), challenge);
	if (status && strcmp(method, "HEAD") != 0)
		assert_int_equal(is_error_of_v2(&reply), strncmp(target, "/v2", 3) == 0);
	reply_free(&reply);
}

static void check_method(const struct route *route, const char *target, const char *method)
{
	static const char *const scopes[] = {"evaluate", "metrics", "admin"};
	bool open = route->scope == KEY_OPEN || strcmp(method, "OPTIONS") == 0;
	expect(method, target, NULL, open ? 0 : 401, open ? "" : CHALLENGE);
	expect(method, target, "unknown", open ? 0 : 401, open ? "" : NOT_GOOD);
	expect(method, target, "expired", open ? 0 : 401, open ? "" : NOT_GOOD);
	for (int i = 0; i < KEY_N_SCOPES; i++)
		expect(method, target, scopes[i], open || (int)route->scope == i ? 0 : 403, "");
}

static void every_path_needs_its_scope(void **state)
{
	static const enum method methods[] = {METHOD_GET, METHOD_HEAD, METHOD_POST, METHOD_OPTIONS};
	size_t n = 0;
	(void)state;
	for (const struct route *route = routes; route->path; route++) {
		char target[256];
		fill(route->path, target, sizeof target);
		for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
			if (!route_allows(route, methods[i]))
				continue;
			check_method(route, target, route_method_name(methods[i]));
			n++;
		}
	}
	assert_true(n > 60);
}

/* Written down once more: what the table may not change by accident. */
static void the_scopes_are_these(void **state)
{
	static const struct {
		const char *path;
		enum key_scope scope;
	} others[] = {
		{"/", KEY_OPEN},
		{"/openapi.yaml", KEY_OPEN},
		{"/openapi.json", KEY_OPEN},
		{"/problems/{code}", KEY_OPEN},
		{"/v2/health/live", KEY_OPEN},
		{"/v2/health/ready", KEY_OPEN},
		{"/metrics", KEY_METRICS},
		{"/v2/repository/models/{loss}/load", KEY_ADMIN},
		{"/v2/repository/models/{loss}/unload", KEY_ADMIN},
		{"/v2/systemsharedmemory/unregister", KEY_ADMIN},
		{"/v2/systemsharedmemory/region/{name}/register", KEY_ADMIN},
		{"/v2/systemsharedmemory/region/{name}/unregister", KEY_ADMIN},
		{"/v2/cudasharedmemory/unregister", KEY_ADMIN},
	};
	size_t met = 0;
	(void)state;
	for (const struct route *route = routes; route->path; route++) {
		enum key_scope scope = KEY_EVALUATE;
		for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
			if (strcmp(others[i].path, route->path) != 0)
				continue;
			scope = others[i].scope;
			met++;
		}
		if (route->scope != scope)
			fail_msg("%s", route->path);
	}
	assert_int_equal(met, sizeof others / sizeof *others);
}

static void a_key_evaluates(void **state)
{
	static const char infer[] =
		"{\"inputs\": [{\"name\": \"logits\", \"shape\": [1, 2], \"datatype\": \"FP32\", "
		"\"data\": [1, 2]}, {\"name\": \"targets\", \"shape\": [1], \"datatype\": "
		"\"INT64\", \"data\": [1]}]}";
	struct reply reply;
	(void)state;
	assert_int_equal(keyring_send(client, NULL, CROSS_ENTROPY, "evaluate", GOOD, NULL), 200);
	assert_int_equal(keyring_send(client, NULL, INFER, "evaluate", infer, NULL), 200);
	assert_int_equal(keyring_send(client, NULL, INFER, NULL, infer, &reply), 401);
	assert_true(is_error_of_v2(&reply));
	reply_free(&reply);
	assert_int_equal(keyring_send(client, NULL, CROSS_ENTROPY, "admin", GOOD, &reply), 403);
	assert_int_equal(refusal_check("scope",
				       &(struct refusal){STATUS_FORBIDDEN, NULL,
							 "has not the scope evaluate, which "
							 "/v1/losses/{loss} needs"},
				       &reply),
			 0);
}

/* ---------------------------------------------------------------- the header */

static int with_header(const char *one, const char *two, struct reply *reply)
{
	const char *const headers[] = {"Content-Type: application/json", one, one ? two : NULL,
				       NULL};
	client_send(client,
		    &(struct request){.path = CROSS_ENTROPY, .headers = headers, .body = GOOD},
		    reply);
	return reply->status;
}

static void the_header_has_one_form(void **state)
{
	static const char *const good[] = {
		"Authorization: Bearer lossd_evaluate",  "authorization: bearer lossd_evaluate",
		"AUTHORIZATION: BEARER lossd_evaluate",  "Authorization:Bearer    lossd_evaluate",
		"Authorization: Bearer lossd_evaluate ", "Authorization: Bearer lossd_evaluate\t",
	};
	static const char *const bad[] = {
		"Authorization;" /* libcurl's way to say: empty */,
		"Authorization: Bearer",
		"Authorization: Bearerlossd_evaluate",
		"Authorization: Bearer\tlossd_evaluate",
		"Authorization: lossd_evaluate",
		"Authorization: Basic lossd_evaluate",
		"Authorization: Bearer lossd_evaluate lossd_evaluate",
		"Authorization: Bearer lossd_evaluate,Bearer lossd_evaluate",
		"Authorization: Bearer \"lossd_evaluate\"",
		"Authorization: Bearer lossd_evaluat",
		"Authorization: Bearer lossd_evaluatee",
		"Authorization: Bearer lossd_Evaluate",
		"Authorization: Bearer =lossd_evaluate",
		"Authorization: Bearer lossd_evaluate=",
		"Authorization: Bearer lossd=evaluate",
		"Authorization: Bearer ===",
		"Authorization: Bearer l\xc3\xb6ssd",
		"Proxy-Authorization: Bearer lossd_evaluate",
		"X-Api-Key: lossd_evaluate",
	};
	struct reply reply;
	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		if (with_header(good[i], NULL, &reply) != 200)
			fail_msg("%s: %s", good[i], reply.body);
		reply_free(&reply);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		if (with_header(bad[i], NULL, &reply) != 401)
			fail_msg("%s: %s", bad[i], reply.body);
		bool sent = strncmp(bad[i], "Authorization", 13) == 0;
		assert_string_equal(challenge_of(&reply), sent ? NOT_GOOD : CHALLENGE);
		reply_free(&reply);
	}
	/* Two are none, even of one key. */
	assert_int_equal(with_header(good[0], good[1], &reply), 401);
	assert_string_equal(challenge_of(&reply), NOT_GOOD);
	reply_free(&reply);
}

/* The whole reply of a bare socket, which the server closes. */
static void ask_raw(const char *head, char *out, size_t size)
{
	bool closed = false;
	int fd = raw_connect(&server);
	assert_true(raw_send(fd, head, strlen(head)));
	raw_read(fd, out, size, WAIT_MS, &closed);
	close(fd);
	assert_true(closed);
}

static void a_header_of_a_megabyte_is_too_long(void **state)
{
	char *head = malloc(MIB + 256), out[4096];
	(void)state;
	assert_non_null(head);
	int n = sprintf(head,
			"GET /v1/losses HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer lossd_long");
	memset(head + n, 'x', MIB);
	memcpy(head + n + MIB, "\r\n\r\n", 5);
	int fd = raw_connect(&server);
	raw_send(fd, head, strlen(head)); /* the server need not take all of it */
	raw_read(fd, out, sizeof out, WAIT_MS, NULL);
	close(fd);
	free(head);
	/* What was left unread may have taken the reply with it. */
	if (out[0])
		assert_memory_equal(out, "HTTP/1.1 431 ", 13);
}

/* ---------------------------------------------------------------- what is told first */

#define JSON_HEADERS "Host: a\r\nContent-Type: application/json\r\nContent-Length: 36\r\n"
#define KEY_HEADER "Authorization: Bearer lossd_evaluate\r\n"
#define CLOSE "Connection: close\r\n"

static void path_and_method_come_before_keys_and_all_else_after(void **state)
{
	static const struct {
		const char *head;
		int status;
	} cases[] = {
		{"GET /nothing HTTP/1.1\r\nHost: a\r\n" CLOSE, 404},
		{"GET /v1/losses/nothing HTTP/1.1\r\nHost: a\r\n" CLOSE, 404},
		{"GET /v2/models/softmax/versions/2 HTTP/1.1\r\nHost: a\r\n" CLOSE, 404},
		{"GET /v1/losses/nothing HTTP/1.1\r\nHost: a\r\n" CLOSE
		 "Authorization: Bearer lossd_metrics\r\n",
		 404},
		{"PUT /v1/losses/softmax HTTP/1.1\r\nHost: a\r\n" CLOSE, 405},
		{"PATCH /metrics HTTP/1.1\r\nHost: a\r\n" CLOSE, 405},
		/* Framing. */
		{"POST " CROSS_ENTROPY " HTTP/1.1\r\n" JSON_HEADERS "Content-Length: 36\r\n", 401},
		{"POST " CROSS_ENTROPY " HTTP/1.1\r\n" JSON_HEADERS KEY_HEADER
		 "Content-Length: 36\r\n",
		 400},
		{"GET /v1/losses HTTP/1.1\r\nHost: a\r\nHost: b\r\n", 401},
		{"GET /v1/losses HTTP/1.1\r\nHost: a\r\nHost: b\r\n" KEY_HEADER, 400},
		{"POST " CROSS_ENTROPY " HTTP/1.1\r\nHost: a\r\n" CLOSE, 401},
		{"POST " CROSS_ENTROPY " HTTP/1.1\r\nHost: a\r\n" KEY_HEADER, 411},
		/* One header that is doubled does not hide those after it. */
		{"GET /v1/losses HTTP/1.1\r\nHost: a\r\nContent-Type: a/b\r\nContent-Type: "
		 "a/b\r\n" CLOSE,
		 401},
		{"GET /v1/losses HTTP/1.1\r\nHost: a\r\nContent-Type: a/b\r\nContent-Type: "
		 "a/b\r\n" KEY_HEADER CLOSE,
		 400},
		{"GET /v1/losses HTTP/1.1\r\nHost: a\r\nX-Request-Timeout-Ms: 0\r\n" CLOSE, 401},
		{"GET /v1/losses HTTP/1.1\r\nHost: a\r\nX-Request-Timeout-Ms: 0\r\n" KEY_HEADER
			 CLOSE,
		 400},
		{"GET /v1/losses HTTP/1.1\r\nHost: a\r\nExpect: cake\r\n", 401},
		{"GET /v1/losses HTTP/1.1\r\nHost: a\r\nExpect: cake\r\n" KEY_HEADER, 417},
		/* Media types, sizes. */
		{"GET /v1/losses HTTP/1.1\r\nHost: a\r\nAccept: text/plain\r\n" CLOSE, 401},
		{"GET /v1/losses HTTP/1.1\r\nHost: a\r\nAccept: text/plain\r\n" KEY_HEADER CLOSE,
		 406},
		{"POST " CROSS_ENTROPY " HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999\r\n",
		 401},
		{"POST " CROSS_ENTROPY
		 " HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999\r\n" KEY_HEADER,
		 413},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char head[1024], out[8192], status[32];
		snprintf(head, sizeof head, "%s\r\n", cases[i].head);
		snprintf(status, sizeof status, "HTTP/1.1 %d ", cases[i].status);
		ask_raw(head, out, sizeof out);
		if (strncmp(out, status, strlen(status)) != 0)
			fail_msg("not %d: %s\n%.400s", cases[i].status, cases[i].head, out);
		assert_int_equal(strstr(out, "WWW-Authenticate: Bearer") != NULL,
				 cases[i].status == 401);
	}
}

/* ---------------------------------------------------------------- bodies of strangers */

/* Sends a head and n bytes of a body, then asks for something else on the same connection, which is
 * answered where the body was read to its end. */
static void send_body(const char *head, size_t n, const char *next, char *out, size_t size)
{
	char *body = calloc(n + 1, 1);
	int fd = raw_connect(&server);
	assert_non_null(body);
	assert_true(raw_send(fd, head, strlen(head)));
	if (n > 0)
		assert_true(raw_send(fd, body, n));
	free(body);
	if (next)
		raw_send(fd, next, strlen(next));
	raw_read(fd, out, size, WAIT_MS, NULL);
	close(fd);
}

#define NEXT "GET /v2/health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
#define HEAD_OF(key) "POST " CROSS_ENTROPY " HTTP/1.1\r\nHost: a\r\n" key

static void up_to_a_mebibyte_is_thrown_away(void **state)
{
	static const size_t sizes[] = {0, 1, 36, MIB - 1, MIB};
	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		char head[256], out[8192];
		snprintf(head, sizeof head, HEAD_OF("") "Content-Length: %zu\r\n\r\n", sizes[i]);
		send_body(head, sizes[i], NEXT, out, sizeof out);
		assert_memory_equal(out, "HTTP/1.1 401 ", 13);
		assert_non_null(strstr(out, "HTTP/1.1 200 "));
		char *first = strstr(out, "HTTP/1.1 200 ");
		*first = '\0';
		assert_null(strstr(out, "Connection: close"));
	}
}

/* No byte of it is waited for. */
static void more_or_who_knows_how_much_is_refused_at_once(void **state)
{
	static const char *const framings[] = {
		"Content-Length: 1048577\r\n\r\n",
		"Content-Length: 1000000000\r\n\r\n",
		"Transfer-Encoding: chunked\r\n\r\n",
		"Expect: 100-continue\r\nContent-Length: 36\r\n\r\n",
		"Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n",
	};
	static const char *const keys[] = {"", "Authorization: Bearer lossd_unknown\r\n"};
	(void)state;
	for (size_t i = 0; i < 2 * sizeof framings / sizeof *framings; i++) {
		char head[256], out[8192];
		snprintf(head, sizeof head, HEAD_OF("%s") "%s", keys[i % 2], framings[i / 2]);
		ask_raw(head, out, sizeof out);
		assert_memory_equal(out, "HTTP/1.1 401 ", 13);
		assert_non_null(strstr(out, "Connection: close\r\n"));
	}
}

/* Who is known is read to the end, as with any other error; but not asked to begin. */
static void bodies_of_known_keys_are_read(void **state)
{
	char out[8192];
	(void)state;
	send_body(
		HEAD_OF("Authorization: Bearer lossd_admin\r\n") "Content-Length: 2097152\r\n\r\n",
		2 * MIB, NEXT, out, sizeof out);
	assert_memory_equal(out, "HTTP/1.1 403 ", 13);
	assert_non_null(strstr(out, "HTTP/1.1 200 "));
	send_body(HEAD_OF("Authorization: Bearer lossd_admin\r\n") "Transfer-Encoding: "
								   "chunked\r\n\r\n"
								   "3\r\nabc\r\n0\r\n\r\n",
		  0, NEXT, out, sizeof out);
	assert_memory_equal(out, "HTTP/1.1 403 ", 13);
	assert_non_null(strstr(out, "HTTP/1.1 200 "));
	ask_raw(HEAD_OF("Authorization: Bearer lossd_admin\r\n") "Content-Length: 36\r\nExpect: "
								 "100-continue\r\n\r\n",
		out, sizeof out);
	assert_memory_equal(out, "HTTP/1.1 403 ", 13);
}

/* ---------------------------------------------------------------- rates */

static double retry_after(const struct reply *reply)
{
	char value[32];
	assert_true(reply_header(reply, "Retry-After", value, sizeof value));
	return strtod(value, NULL);
}

static void too_many_requests_are_told_when_to_come_again(void **state)
{
	struct reply reply;
	int status = 200;
	(void)state;
	/* More often than once a second, on any machine. */
	for (int i = 0; i < 1000 && status == 200; i++) {
		status = keyring_send(client, NULL, CROSS_ENTROPY, "often", GOOD, &reply);
		if (status == 200)
			reply_free(&reply);
	}
	assert_int_equal(status, 429);
	assert_true(retry_after(&reply) == 1);
	assert_string_equal(challenge_of(&reply), "");
	assert_int_equal(refusal_check("requests",
				       &(struct refusal){STATUS_RATE_LIMITED, NULL,
							 "the key \"often\" may send 1 requests a "
							 "second (requests_per_second)"},
				       &reply),
			 0);
}

/* 36 bytes at one a second. */
static void too_many_bytes_too(void **state)
{
	struct reply reply;
	(void)state;
	assert_int_equal(keyring_send(client, NULL, CROSS_ENTROPY, "much", GOOD, NULL), 200);
	assert_int_equal(keyring_send(client, NULL, CROSS_ENTROPY, "much", GOOD, &reply), 429);
	assert_in_range((int)retry_after(&reply), 2, 36);
	assert_int_equal(refusal_check("bytes",
				       &(struct refusal){STATUS_RATE_LIMITED, NULL,
							 "1 bytes a second (bytes_per_second)"},
				       &reply),
			 0);
	assert_int_equal(keyring_send(client, NULL, "/v1/losses", "much", NULL, NULL), 200);
}

static size_t upload(void *context, char *out, size_t n)
{
	const char **rest = context;
	size_t left = strlen(*rest);
	n = n < left ? n : left;
	memcpy(out, *rest, n);
	*rest += n;
	return n;
}

static void chunks_are_bytes_too(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		const char *rest = GOOD;
		const char *const headers[] = {"Content-Type: application/json",
					       keyring_header("chunks"), NULL};
		struct reply reply;
		client_send(client,
			    &(struct request){.path = CROSS_ENTROPY,
					      .headers = headers,
					      .upload = upload,
					      .context = &rest},
			    &reply);
		assert_int_equal(reply.status, i == 0 ? 200 : 429);
		if (i > 0)
			assert_in_range((int)retry_after(&reply), 2, 36);
		reply_free(&reply);
	}
}

/* What is refused by its declared length has not come, and is not counted. */
static void bodies_that_are_not_read_cost_nothing(void **state)
{
	char out[8192];
	(void)state;
	ask_raw(HEAD_OF("Authorization: Bearer lossd_unread\r\n") "Content-Length: "
								  "18446744073709551615\r\n\r\n",
		out, sizeof out);
	assert_memory_equal(out, "HTTP/1.1 413 ", 13);
	assert_int_equal(keyring_send(client, NULL, CROSS_ENTROPY, "unread", GOOD, NULL), 200);
}

/* ---------------------------------------------------------------- browsers */

static const char *header_of(const struct reply *reply, const char *name)
{
	static char value[512];
	return reply_header(reply, name, value, sizeof value) ? value : "";
}

static void browsers_ask_before_without_a_key(void **state)
{
	const char *const headers[] = {"Origin: https://a.example",
				       "Access-Control-Request-Method: POST",
				       "Access-Control-Request-Headers: authorization", NULL};
	struct reply reply;
	(void)state;
	client_send(
		client,
		&(struct request){.method = "OPTIONS", .path = CROSS_ENTROPY, .headers = headers},
		&reply);
	assert_int_equal(reply.status, 204);
	assert_memory_equal(header_of(&reply, "Access-Control-Allow-Headers"), "Authorization, ",
			    15);
	reply_free(&reply);
	client_send(client, &(struct request){.path = "/v1/losses", .headers = headers}, &reply);
	assert_int_equal(reply.status, 401);
	assert_string_equal(header_of(&reply, "Access-Control-Allow-Origin"), "https://a.example");
	reply_free(&reply);
	client_get(client, "/", &reply);
	assert_non_null(strstr(reply.body, "<input id=\"key\" type=\"password\""));
	reply_free(&reply);
}

/* ---------------------------------------------------------------- what is counted and logged */

static double rejected(const char *reason)
{
	char series[128], *line;
	struct reply reply;
	snprintf(series, sizeof series, "\nlossd_rejected_total{reason=\"%s\"} ", reason);
	assert_int_equal(keyring_send(client, NULL, "/metrics", "metrics", NULL, &reply), 200);
	line = strstr(reply.body, series);
	assert_non_null(line);
	double value = strtod(line + strlen(series), NULL);
	reply_free(&reply);
	return value;
}

static void refusals_are_counted(void **state)
{
	static const struct {
		const char *reason, *name, *body;
		int status;
	} cases[] = {
		{"unauthorized", NULL, GOOD, 401},
		{"unauthorized", "unknown", NULL, 401},
		{"forbidden", "admin", GOOD, 403},
		{"rate_limited", "much", GOOD, 429},
	};
	(void)state;
	keyring_send(client, NULL, CROSS_ENTROPY, "much", GOOD, NULL);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		double before = rejected(cases[i].reason);
		assert_int_equal(keyring_send(client, NULL, CROSS_ENTROPY, cases[i].name,
					      cases[i].body, NULL),
				 cases[i].status);
		/* The count is there before the connection takes its next request. */
		assert_true(rejected(cases[i].reason) == before + 1);
	}
}

/* Nowhere, at any level; their names are, escaped. */
static void keys_are_never_logged(void **state)
{
	const char *const headers[] = {"Authorization: Bearer lossd_evaluate",
				       "Authorization: Bearer lossd_b\x01"
				       "ad",
				       NULL};
	struct reply reply;
	(void)state;
	assert_int_equal(keyring_send(client, NULL, "/v1/losses", "odd", NULL, NULL), 200);
	client_send(client, &(struct request){.path = "/v1/losses?last", .headers = headers},
		    &reply);
	assert_int_equal(reply.status, 401);
	assert_null(strstr(reply.body, "lossd_"));
	reply_free(&reply);
	assert_int_equal(server_log_await(&server, "/v1/losses?last", 1), 1);
	char *log = server_log(&server);
	assert_non_null(strstr(log, " key=evaluate "));
	assert_non_null(strstr(log, " key=\"a \\\"b\\\"=c\" "));
	assert_non_null(strstr(log, "status=403 code=forbidden key=admin "));
	assert_non_null(strstr(log, "status=401 code=unauthorized key=expired "));
	assert_non_null(strstr(log, "status=429 code=rate_limited key=often "));
	assert_null(strstr(log, "lossd_"));
	assert_null(strstr(log, "Authorization"));
	assert_null(strstr(log, "Bearer"));
	free(log);
}

static void every_refusal_was_met(void **state)
{
	struct reply reply;
	(void)state;
	assert_int_equal(keyring_send(client, NULL, CROSS_ENTROPY, NULL, GOOD, &reply), 401);
	assert_int_equal(refusal_check("no key",
				       &(struct refusal){STATUS_UNAUTHORIZED, NULL,
							 "/v1/losses/{loss} needs a key; send "
							 "Authorization: Bearer and the key"},
				       &reply),
			 0);
	assert_int_equal(keyring_send(client, NULL, CROSS_ENTROPY, "expired", GOOD, &reply), 401);
	assert_int_equal(refusal_check("expired",
				       &(struct refusal){STATUS_UNAUTHORIZED, NULL,
							 "the key \"expired\" has expired at "
							 "2020-01-01T00:00:00Z"},
				       &reply),
			 0);
	refusal_assert_all_met(REFUSAL_KEYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_path_needs_its_scope),
		cmocka_unit_test(the_scopes_are_these),
		cmocka_unit_test(a_key_evaluates),
		cmocka_unit_test(the_header_has_one_form),
		cmocka_unit_test(a_header_of_a_megabyte_is_too_long),
		cmocka_unit_test(path_and_method_come_before_keys_and_all_else_after),
		cmocka_unit_test(up_to_a_mebibyte_is_thrown_away),
		cmocka_unit_test(more_or_who_knows_how_much_is_refused_at_once),
		cmocka_unit_test(bodies_of_known_keys_are_read),
		cmocka_unit_test(too_many_requests_are_told_when_to_come_again),
		cmocka_unit_test(too_many_bytes_too),
		cmocka_unit_test(chunks_are_bytes_too),
		cmocka_unit_test(bodies_that_are_not_read_cost_nothing),
		cmocka_unit_test(browsers_ask_before_without_a_key),
		cmocka_unit_test(refusals_are_counted),
		cmocka_unit_test(keys_are_never_logged),
		cmocka_unit_test(every_refusal_was_met),
	};
	return cmocka_run_group_tests_name("keys", tests, start, stop);
}
