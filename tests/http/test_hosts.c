/* Which Host values are served: by default this machine's own, so that a page whose name has been
 * made to point here (DNS rebinding) reads nothing. */
#include "../support/group.h"
#include "../support/refusal.h"
#include "status/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS 20000
#define JSON "Content-Type: application/json"

static int start(void **state)
{
	static const char *const flags[] = {"--hosts", "auto", NULL};
	(void)state;
	return group_start_with(flags);
}

static const struct target {
	const char *method, *path, *body;
	int status;
} targets[] = {
	{"GET", "/", NULL, 200},
	{"GET", "/v1/losses", NULL, 200},
	{"GET", "/metrics", NULL, 200},
	{"GET", "/v2/health/live", NULL, 200},
	{"GET", "/v2/health/ready", NULL, 200},
	{"POST", CROSS_ENTROPY, GOOD, 200},
	{"OPTIONS", CROSS_ENTROPY, NULL, 204},
	{"GET", "/nothing", NULL, 404},
};
#define N_TARGETS (sizeof targets / sizeof targets[0])

static void ask(struct client *by, const struct target *target, const char *host,
		struct reply *reply)
{
	char header[128];
	const char *const headers[] = {header, JSON, NULL};
	snprintf(header, sizeof header, "Host: %s", host);
	client_send(by,
		    &(struct request){.method = target->method,
				      .path = target->path,
				      .headers = headers,
				      .body = target->body},
		    reply);
}

static void expect_served(struct client *by, const char *host)
{
	for (size_t i = 0; i < N_TARGETS; i++) {
		struct reply reply;
		ask(by, &targets[i], host, &reply);
		if (reply.status != targets[i].status)
			fail_msg("%s for %s: %d %s", targets[i].path, host, reply.status,
				 reply.body);
		reply_free(&reply);
	}
}

/* In a sentence that names the Host and the setting, whose value is not everybody's business. */
static void expect_refused(struct client *by, const char *host)
{
	char words[256];
	const struct refusal wanted = {STATUS_FORBIDDEN, NULL, words};
	snprintf(words, sizeof words, "Host is \"%s\"", host);
	for (size_t i = 0; i < N_TARGETS; i++) {
		struct reply reply;
		ask(by, &targets[i], host, &reply);
		if (strncmp(targets[i].path, "/v2", 3) == 0) {
			assert_int_equal(reply.status, 403);
			assert_non_null(strstr(reply.body, "{\"error\":\"Host is"));
			reply_free(&reply);
			continue;
		}
		assert_non_null(strstr(reply.body, "the setting hosts"));
		assert_int_equal(refusal_check(host, &wanted, &reply), 0);
	}
}

static void by_default_hosts_are_loopback(void **state)
{
	static const char *const served[] = {"localhost", "127.0.0.1:1", "[::1]:8080",
					     "loss.localhost:3000"};
	static const char *const refused[] = {"evil.example", "evil.example:8080", "192.0.2.1",
					      "127.0.0.1.evil.example", "loopback"};
	(void)state;
	for (size_t i = 0; i < sizeof served / sizeof served[0]; i++)
		expect_served(client, served[i]);
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
		expect_refused(client, refused[i]);
}

static void a_list_of_hosts_is_served(void **state)
{
	static const char *const flags[] = {"--hosts", "loss.example:8080,other.example", NULL};
	struct server listed;
	(void)state;
	assert_int_equal(server_start(&listed, flags, NULL), 0);
	struct client *by = client_open(&listed);
	expect_served(by, "loss.example:8080");
	expect_served(by, "Other.Example:1");
	expect_refused(by, "loss.example");
	expect_refused(by, "localhost");
	client_close(by);
	assert_int_equal(server_stop(&listed), 0);
}

/* What a bare socket gets for a request; the connection is closed with it. */
static void exchange(const char *request, char *out, size_t size)
{
	int fd = raw_connect(&server);
	assert_true(raw_send(fd, request, strlen(request)));
	raw_read(fd, out, size, WAIT_MS, NULL);
	close(fd);
}

static void old_requests_need_no_host(void **state)
{
	char out[4096];
	(void)state;
	exchange("GET /v2/health/live HTTP/1.0\r\n\r\n", out, sizeof out);
	assert_non_null(strstr(out, "HTTP/1.1 200 "));
	exchange("GET /v2/health/live HTTP/1.0\r\nHost: evil.example\r\n\r\n", out, sizeof out);
	assert_non_null(strstr(out, "HTTP/1.1 403 "));
	exchange("GET /v2/health/live HTTP/1.1\r\nHost: localhost \t\r\nConnection: close\r\n\r\n",
		 out, sizeof out);
	assert_non_null(strstr(out, "HTTP/1.1 200 "));
}

/* Of the absolute form, the target's host is meant, whatever Host says. */
static void a_host_in_the_target_goes_before_host(void **state)
{
	static const struct {
		const char *target, *host, *status, *words;
	} cases[] = {
		{"http://localhost/v2/health/live", "localhost", "200", ""},
		{"http://localhost/v2/health/live", "evil.example", "200", ""},
		{"HTTPS://127.0.0.1:9/v2/health/live?a", "evil.example", "200", ""},
		{"http://[::1]:80/v2/health/live", "localhost", "200", ""},
		{"http://evil.example/v2/health/live", "localhost", "403",
		 "the host of the request's target is \\\"evil.example\\\", which is not among"},
		{"http://evil.example:8080/v1/losses", "localhost", "403", "the setting hosts"},
		{"https://localhost.evil.example", "localhost", "403", "the setting hosts"},
		{"http:///v1/losses", "localhost", "400", "the request's target is for \\\"\\\"; "},
		{"http://a@localhost/v1/losses", "localhost", "400", "is for \\\"a@localhost\\\""},
		{"http://localhost\\@a/", "localhost", "400", "invalid_header"},
	};
	char request[256], out[4096];
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char line[32];
		snprintf(request, sizeof request,
			 "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
			 cases[i].target, cases[i].host);
		exchange(request, out, sizeof out);
		snprintf(line, sizeof line, "HTTP/1.1 %s ", cases[i].status);
		if (!strstr(out, line) || !strstr(out, cases[i].words))
			fail_msg("%s: %s", cases[i].target, out);
	}
	exchange("GET http://evil.example/ HTTP/1.0\r\n\r\n", out, sizeof out);
	assert_non_null(strstr(out, "HTTP/1.1 403 "));
}

/* A malformed Host is a malformed request, whatever hosts there are. */
static void bad_hosts_stay_bad(void **state)
{
	static const char *const hosts[] = {"a/b", "a b", "a@localhost", ""};
	char request[256], out[4096];
	(void)state;
	for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
		snprintf(request, sizeof request, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", hosts[i]);
		exchange(request, out, sizeof out);
		assert_non_null(strstr(out, "HTTP/1.1 400 "));
		assert_non_null(strstr(out, "invalid_header"));
	}
}

static void every_code_was_met(void **state)
{
	(void)state;
	refusal_assert_all_met(REFUSAL_ORIGINS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_default_hosts_are_loopback),
		cmocka_unit_test(a_list_of_hosts_is_served),
		cmocka_unit_test(old_requests_need_no_host),
		cmocka_unit_test(a_host_in_the_target_goes_before_host),
		cmocka_unit_test(bad_hosts_stay_bad),
		cmocka_unit_test(every_code_was_met),
	};
	return cmocka_run_group_tests(tests, start, group_stop);
}
