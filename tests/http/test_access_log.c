/* The log's lines of requests, of the start and of the stop, as the program writes them. */
#include "../support/client.h"
#include "../support/server.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS 60000
#define TRACE "0123456789abcdef0123456789abcdef"

static struct server server;
static struct client *client;

static void begin(const char *access, const char *format)
{
	const char *const flags[] = {"--access-log", access, "--log-format", format, NULL};
	assert_int_equal(server_start(&server, flags, NULL), 0);
	client = client_open(&server);
}

static void end(void)
{
	client_close(client);
	assert_int_equal(server_stop(&server), 0);
}

/* The n-th line (from 0) that has the text in it, when it has been written; the caller frees it. */
static char *line_with(const char *text, int n)
{
	for (int64_t until = now_ms() + WAIT_MS; now_ms() < until; poll(NULL, 0, 5)) {
		char *log = server_log(&server), *rest = NULL;
		int left = n;
		assert_non_null(log);
		for (char *line = strtok_r(log, "\n", &rest); line;
		     line = strtok_r(NULL, "\n", &rest)) {
			if (!strstr(line, text) || left-- > 0)
				continue;
			char *found = strdup(line);
			free(log);
			return found;
		}
		free(log);
	}
	fail_msg("no line has %s", text);
	return NULL;
}

static cJSON *json_with(const char *text, int n)
{
	char *line = line_with(text, n);
	cJSON *document = cJSON_ParseWithOpts(line, NULL, true);
	if (!document)
		fail_msg("not JSON: %s", line);
	free(line);
	return document;
}

static int count(const char *text)
{
	return server_log_count(&server, text);
}

/* ---------------------------------------------------------------- lines of requests */

static void ask(const char *method, const char *path, const char *body)
{
	static const char *const headers[] = {
		"Content-Type: application/json", "X-Request-Id: \"quoted\" \\id",
		"traceparent: 00-" TRACE "-0123456789abcdef-01", NULL};
	struct reply reply;
	client_send(
		client,
		&(struct request){.method = method, .path = path, .headers = headers, .body = body},
		&reply);
	reply_free(&reply);
}

static void expect_text(const cJSON *line, const char *name, const char *text)
{
	const cJSON *value = json_find(line, name);
	if (text)
		assert_string_equal(json_string(json_member(line, name)), text);
	else if (value)
		fail_msg("%s is there: %s", name, cJSON_PrintUnformatted(line));
}

static void every_request_gets_a_line(void **state)
{
	static const struct {
		const char *method, *path, *body;
		int status;
		const char *code, *loss;
		int rows; /* -1: none */
	} cases[] = {
		{"POST", CROSS_ENTROPY, GOOD, 200, NULL, "cross_entropy", 1},
		{"POST", CROSS_ENTROPY "?reduction=none",
		 "{\"logits\": [[1, 2], [3, 4]], \"targets\": [1, 0]}", 200, NULL, "cross_entropy",
		 2},
		{"POST", "/v2/models/softmax/infer",
		 "{\"inputs\": [{\"name\": \"logits\", \"shape\": [1, 2], \"datatype\": \"FP32\", "
		 "\"data\": [1, 2]}]}",
		 200, NULL, "softmax", 1},
		{"POST", CROSS_ENTROPY, "{\"logits\": [[1, 2]], \"targets\": [7]}", 422,
		 "target_out_of_bounds", "cross_entropy", -1},
		{"POST", CROSS_ENTROPY, "{\"logits\": }", 400, "invalid_json", "cross_entropy", -1},
		{"POST", "/v2/models/softmax/infer", "{}", 400, "missing_field", "softmax", -1},
		{"POST", "/v1/losses/none", GOOD, 404, "unknown_loss", NULL, -1},
		{"GET", "/nowhere?a=\"b\"", NULL, 404, "unknown_path", NULL, -1},
		{"DELETE", "/metrics", NULL, 405, "method_not_allowed", NULL, -1},
		{"GET", "/metrics", NULL, 200, NULL, NULL, -1},
		{"HEAD", "/v1/losses", NULL, 200, NULL, NULL, -1},
		{"OPTIONS", CROSS_ENTROPY, NULL, 204, NULL, "cross_entropy", -1},
	};
	static const char *const phases[] = {"receive_ms", "decode_ms", "queue_ms", "compute_ms",
					     "encode_ms"};
	(void)state;
	begin("on", "json");
	for (int i = 0; i < (int)(sizeof cases / sizeof cases[0]); i++) {
		ask(cases[i].method, cases[i].path, cases[i].body);
		cJSON *line = json_with("\"message\":\"request\"", i);
		expect_text(line, "level", "info");
		expect_text(line, "method", cases[i].method);
		expect_text(line, "target", cases[i].path);
		assert_true(json_number(json_member(line, "status")) == cases[i].status);
		expect_text(line, "code", cases[i].code);
		expect_text(line, "loss", cases[i].loss);
		expect_text(line, "lost", NULL);
		if (cases[i].rows >= 0)
			assert_true(json_number(json_member(line, "rows")) == cases[i].rows);
		else
			assert_null(json_find(line, "rows"));
		assert_int_equal(strncmp(json_string(json_member(line, "peer")), "127.0.0.1:", 10),
				 0);
		expect_text(line, "request_id", "\"quoted\" \\id");
		expect_text(line, "trace_id", TRACE);
		double sum = 0, total = json_number(json_member(line, "total_ms"));
		for (size_t p = 0; p < sizeof phases / sizeof phases[0]; p++)
			sum += json_number(json_member(line, phases[p]));
		assert_true(total > 0 && sum <= total * 1.001);
		assert_true(json_number(json_member(line, "bytes_in")) ==
			    (double)(cases[i].body ? strlen(cases[i].body) : 0));
		bool has_body = strcmp(cases[i].method, "HEAD") != 0 && cases[i].status != 204;
		assert_int_equal(json_number(json_member(line, "bytes_out")) > 0, has_body);
		cJSON_Delete(line);
	}
	end();
}

/* When it has ended, all of its lines have been written. */
static void await_end(void)
{
	char line[512];
	kill(server.pid, SIGTERM);
	while (server_line(&server, line, sizeof line))
		;
}

/* What is asked for of the lines that two requests would leave, one of which is in error. */
static int lines_of(const char *access, const char *level)
{
	const char *const flags[] = {"--access-log", access, "--log-level", level, NULL};
	assert_int_equal(server_start(&server, flags, NULL), 0);
	client = client_open(&server);
	ask("POST", CROSS_ENTROPY, GOOD);
	ask("GET", "/nowhere", NULL);
	client_close(client);
	await_end();
	int good = count("status=200"), bad = count("status=404");
	assert_int_equal(server_wait(&server), 0);
	return 10 * good + bad;
}

static void the_setting_says_which(void **state)
{
	(void)state;
	assert_int_equal(lines_of("on", "info"), 11);
	assert_int_equal(lines_of("errors", "info"), 1);
	assert_int_equal(lines_of("off", "info"), 0);
	assert_int_equal(lines_of("on", "debug"), 11);
	assert_int_equal(lines_of("on", "warning"), 0);
}

/* No client pushes the rest out of its line. */
static void a_long_target_is_cut(void **state)
{
	static const size_t sizes[] = {399, 400, 401, 5000};
	char path[5001];
	(void)state;
	begin("on", "text");
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		memset(path, 'a', sizes[i]);
		path[0] = '/';
		path[sizes[i]] = '\0';
		ask("GET", path, NULL);
		char *line = line_with(" request ", (int)i);
		const char *target = strstr(line, " target=/");
		assert_non_null(target);
		size_t n = strcspn(target + strlen(" target="), " ");
		bool cut = strstr(line, "aaa... status=404 ") != NULL;
		assert_int_equal(cut, sizes[i] > 399);
		assert_int_equal(n, cut ? 399 : sizes[i]);
		assert_non_null(strstr(line, " status=404 "));
		assert_non_null(strstr(line, " trace_id=" TRACE));
		free(line);
	}
	end();
}

static void errors_are_what_is_logged_unasked(void **state)
{
	(void)state;
	assert_int_equal(server_start(&server, NULL, NULL), 0);
	client = client_open(&server);
	ask("POST", CROSS_ENTROPY, GOOD);
	ask("POST", CROSS_ENTROPY, "{}");
	char *line = line_with(" request ", 0);
	assert_non_null(strstr(line, " info request peer=127.0.0.1:"));
	assert_non_null(strstr(line, " method=POST target=" CROSS_ENTROPY
				     " status=422 code=missing_field "
				     "loss=cross_entropy total_ms="));
	assert_non_null(strstr(line, " request_id=\"\\\"quoted\\\" \\\\id\" trace_id=" TRACE));
	assert_null(strstr(line, "rows="));
	free(line);
	end();
}

/* Bytes that a client may send in a head: all but those that end a line or the value. */
static size_t put_hostile(char *out)
{
	size_t n = 0;
	for (int c = 1; c < 256; c++)
		if (c != '\r' && c != '\n')
			out[n++] = (char)c;
	return n;
}

/* Whatever clients write into headers and targets, a line stays a line, of text that a terminal
 * does not obey. */
static void nothing_of_a_client_gets_out_of_its_line(void **state)
{
	static const char *const headers[] = {
		"X-Request-Id",         "traceparent", "tracestate", "Authorization", "User-Agent",
		"X-Request-Timeout-Ms", "Origin",      "Cookie",     "Content-Type",
	};
	enum { N = sizeof headers / sizeof headers[0] };
	static const char *const formats[] = {"text", "json"};
	(void)state;
	for (size_t f = 0; f < 2; f++) {
		const char *const flags[] = {
			"--access-log", "on", "--log-format", formats[f], "--log-level",
			"debug",        NULL};
		assert_int_equal(server_start(&server, flags, NULL), 0);
		client = client_open(&server);
		for (size_t i = 0; i < N; i++) {
			char head[2048], reply[4096];
			size_t n =
				(size_t)snprintf(head, sizeof head,
						 "GET /%%1b%%0a%%22\x1b[2J\x7f\xc2\x9b\"\\ "
						 "HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%s: ",
						 headers[i]);
			n += put_hostile(head + n);
			memcpy(head + n, "\r\n\r\n", 4);
			int fd = raw_connect(&server);
			assert_true(raw_send(fd, head, n + 4));
			raw_read(fd, reply, sizeof reply, WAIT_MS, NULL);
			close(fd);
			free(line_with("404", (int)i));
		}
		char *log = server_log(&server);
		size_t lines = 0;
		for (const char *at = log; *at; at++) {
			lines += *at == '\n';
			bool plain = (*at >= ' ' && *at < 0x7f) || *at == '\n';
			if (!plain)
				fail_msg("byte %#x in: %s", (unsigned char)*at, log);
		}
		assert_in_range(lines, N + 1, 3 * N + 2);
		free(log);
		end();
	}
}

/* What was not answered to its end is an error too. */
static void who_leaves_is_logged(void **state)
{
	static const char head[] = "POST " CROSS_ENTROPY " HTTP/1.1\r\nHost: a\r\nContent-Type: "
				   "application/json\r\nContent-Length: 100\r\n\r\n{";
	(void)state;
	begin("errors", "json");
	int fd = raw_connect(&server);
	assert_true(raw_send(fd, head, sizeof head - 1));
	while (server_metric(&server, "lossd_connections") < 2)
		poll(NULL, 0, 5);
	close(fd);
	cJSON *line = json_with("\"message\":\"request\"", 0);
	expect_text(line, "lost", "client_gone");
	expect_text(line, "method", "POST");
	assert_null(json_find(line, "status"));
	cJSON_Delete(line);
	end();
}

/* ---------------------------------------------------------------- start and stop */

static void all_is_json_from_start_to_stop(void **state)
{
	char *rest = NULL;
	(void)state;
	begin("on", "json");
	ask("GET", "/v2/health/ready", NULL);
	free(line_with("\"message\":\"request\"", 0));
	client_close(client);
	kill(server.pid, SIGTERM);
	char line[512];
	assert_false(server_line(&server, line, sizeof line)); /* no text elsewhere */
	char *log = server_log(&server);
	assert_int_equal(server_wait(&server), 0);
	static const char *const messages[] = {"ready", "request", "stopping", "not ready",
					       "stopped"};
	int n = 0;
	for (char *one = strtok_r(log, "\n", &rest); one; one = strtok_r(NULL, "\n", &rest), n++) {
		cJSON *document = cJSON_ParseWithOpts(one, NULL, true);
		assert_non_null(document);
		assert_true(n < 5);
		expect_text(document, "message", messages[n]);
		if (n == 0) {
			json_string(json_member(document, "version"));
			json_string(json_member(document, "isa"));
			assert_true(json_number(json_member(document, "threads")) >= 1);
			assert_true(json_number(json_member(document, "io_threads")) >= 1);
			assert_true(json_number(json_member(document, "memory_budget_bytes")) > 0);
			expect_text(document, "listeners", server.url);
		}
		cJSON_Delete(document);
	}
	assert_int_equal(n, 5);
	free(log);
}

static void the_start_is_said_whatever_the_level(void **state)
{
	const char *const flags[] = {"--log-level", "error", "--threads", "3", NULL};
	(void)state;
	assert_int_equal(server_start(&server, flags, NULL), 0);
	char *line = line_with(" info ready version=", 0);
	assert_non_null(strstr(line, " threads=3 io_threads="));
	assert_non_null(strstr(line, " listeners="));
	assert_non_null(strstr(line, server.url));
	free(line);
	assert_int_equal(server_stop(&server), 0);
}

static void nothing_is_lost_where_somebody_reads(void **state)
{
	(void)state;
	begin("on", "text");
	for (int i = 0; i < 300; i++)
		ask("GET", "/v2/health/live", NULL);
	free(line_with(" request ", 299));
	assert_true(server_metric(&server, "lossd_log_lines_lost_total") == 0);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_request_gets_a_line),
		cmocka_unit_test(the_setting_says_which),
		cmocka_unit_test(a_long_target_is_cut),
		cmocka_unit_test(errors_are_what_is_logged_unasked),
		cmocka_unit_test(nothing_of_a_client_gets_out_of_its_line),
		cmocka_unit_test(who_leaves_is_logged),
		cmocka_unit_test(all_is_json_from_start_to_stop),
		cmocka_unit_test(the_start_is_said_whatever_the_level),
		cmocka_unit_test(nothing_is_lost_where_somebody_reads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
