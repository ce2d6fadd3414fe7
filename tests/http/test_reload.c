/* SIGHUP: what is read again while the server runs, and what stays as it was. */
#include "../support/capture.h"
#include "../support/client.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WAIT_MS 60000

static struct server server;
static char folder[256], path[512];

static int set_up(void **state)
{
	(void)state;
	make_folder(folder, sizeof folder);
	snprintf(path, sizeof path, "%s/settings.json", folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	server_kill(&server);
	remove_folder(folder);
	return 0;
}

static void start(const char *text, const char *const *environment)
{
	const char *const flags[] = {"--config", path, NULL};
	write_file(path, text);
	assert_int_equal(server_start(&server, flags, environment), 0);
}

/* How often the log says this. */
static int count(const char *words)
{
	return server_log_count(&server, words);
}

static void hang_up_until(const char *words, int times)
{
	assert_int_equal(kill(server.pid, SIGHUP), 0);
	for (int64_t end = now_ms() + WAIT_MS; count(words) < times && now_ms() < end;)
		poll(NULL, 0, 1);
	assert_int_equal(count(words), times);
}

/* Its line, where it has one, is written once the connection's next request is answered. */
static void ask(const char *target, int status)
{
	struct client *client = client_open(&server);
	struct reply reply;
	client_get(client, target, &reply);
	assert_int_equal(reply.status, status);
	reply_free(&reply);
	client_get(client, "/v2/health/live", &reply);
	assert_int_equal(reply.status, 200);
	reply_free(&reply);
	client_close(client);
}

static void the_level_is_read_again(void **state)
{
	(void)state;
	start("{\"log_level\": \"error\"}", NULL);
	ask("/first", 404);
	write_file(path, "{\"log_level\": \"info\"}");
	hang_up_until("reloaded what=log_level", 1);
	ask("/second", 404);
	write_file(path, "{\"log_level\": \"warning\"}");
	hang_up_until("reloaded what=log_level", 2);
	ask("/third", 404);
	hang_up_until("reloaded what=log_level", 3);
	assert_int_equal(count("target=/first"), 0);
	assert_int_equal(count("target=/second"), 1);
	assert_int_equal(count("target=/third"), 0);
	assert_int_equal(server_stop(&server), 0);
}

static void a_wrong_file_changes_nothing(void **state)
{
	static const char *const wrong[] = {
		"{\"log_level\": \"error\", \"threads\": 0}",
		"{\"log_level\": \"loud\"}",
		"{\"log_level\": \"error\", \"tls_key\": \"/key.pem\"}",
		"{\"log_level\": \"error\"",
		"",
	};
	(void)state;
	start("{}", NULL);
	for (int i = 0; i < 5; i++) {
		write_file(path, wrong[i]);
		hang_up_until("kept as it was what=log_level", i + 1);
	}
	assert_int_equal(remove(path), 0);
	hang_up_until("kept as it was what=log_level", 6);
	assert_int_equal(count("threads must be a whole number from 1 to 1024, or auto, not"), 1);
	assert_int_equal(count("one of debug, info, warning, error, not"), 1);
	assert_int_equal(count("tls_certificate is none; set both"), 1);
	assert_int_equal(count("is not valid JSON"), 2);
	assert_int_equal(count("No such file or directory"), 1);
	ask("/still", 404);
	write_file(path, "{}");
	hang_up_until("reloaded what=log_level", 1);
	assert_int_equal(count("target=/still"), 1);
	assert_int_equal(server_stop(&server), 0);
}

/* As at the start: what stands in a variable wins over the file. */
static void stronger_places_still_win(void **state)
{
	static const char *const environment[] = {"LOSSD_LOG_LEVEL=error", NULL};
	(void)state;
	start("{}", environment);
	write_file(path, "{\"log_level\": \"debug\"}");
	hang_up_until("reloaded what=log_level", 1);
	ask("/quiet", 404);
	hang_up_until("reloaded what=log_level", 2);
	assert_int_equal(count("target=/quiet"), 0);
	assert_int_equal(server_stop(&server), 0);
}

/* What is wrong is told in the log's own form. */
static void complaints_are_lines_of_the_log(void **state)
{
	const char *const flags[] = {"--config", path, "--log-format", "json", NULL};
	(void)state;
	write_file(path, "{}");
	assert_int_equal(server_start(&server, flags, NULL), 0);
	write_file(path, "{\"log_level\": 1}");
	hang_up_until("\"what\":\"log_level\"", 1);
	char *log = server_log(&server);
	for (char *line = strtok(log, "\n"); line; line = strtok(NULL, "\n")) {
		cJSON *document = cJSON_ParseWithOpts(line, NULL, true);
		if (!document)
			fail_msg("not JSON: %s", line);
		cJSON_Delete(document);
	}
	free(log);
	assert_int_equal(server_stop(&server), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(the_level_is_read_again),
		TEST(a_wrong_file_changes_nothing),
		TEST(stronger_places_still_win),
		TEST(complaints_are_lines_of_the_log),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
