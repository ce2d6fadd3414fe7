/* Keys while the server runs: how it starts with a file of them, and what SIGHUP changes. */
#include "../support/capture.h"
#include "../support/keyring.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS 60000
#define ANY "\"scopes\": [\"evaluate\"]"

static struct server server = {.out = -1}; /* of a test that starts none, too */
static char folder[256], path[512];

static int set_up(void **state)
{
	(void)state;
	make_folder(folder, sizeof folder);
	snprintf(path, sizeof path, "%s/keys.json", folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	server_kill(&server);
	remove_folder(folder);
	return 0;
}

static void start(void)
{
	const char *const flags[] = {"--keys-file", path, "--access-log", "off", NULL};
	assert_int_equal(server_start(&server, flags, NULL), 0);
}

static int count(const char *words)
{
	return server_log_count(&server, words);
}

#define RELOADED "reloaded what=keys"
#define KEPT "kept as it was what=keys"

/* Returns when the server has said so once more. */
static void hang_up(const char *words)
{
	int times = count(words) + 1;
	assert_int_equal(kill(server.pid, SIGHUP), 0);
	for (int64_t end = now_ms() + WAIT_MS; count(words) < times && now_ms() < end;)
		poll(NULL, 0, 1);
	assert_int_equal(count(words), times);
}

static int ask(const char *name)
{
	struct client *client = client_open(&server);
	int status = keyring_send(client, NULL, CROSS_ENTROPY, name, GOOD, NULL);
	client_close(client);
	return status;
}

/* ---------------------------------------------------------------- the start */

static void a_wrong_file_is_one_line_and_no_start(void **state)
{
	static const struct {
		const char *text, *line; /* NULL: there is no file */
	} cases[] = {
		{NULL, "No such file or directory"},
		{"", "the file must hold one JSON object, {\"keys\": [...]}"},
		{"{\"keys\": [", "the file ends before its JSON does"},
		{"{\"keys\": [{\"name\": \"ci\", \"hash\": \"lossd_secret\", " ANY "}]}",
		 "keys[0].hash must be the SHA-256 of the key, 64 hexadecimal digits; what stands "
		 "there is not shown"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *const flags[] = {"--listen", "127.0.0.1:0", "--keys-file", path, NULL};
		char line[1024];
		struct server_run run;
		if (cases[i].text)
			write_file(path, cases[i].text);
		assert_int_equal(server_run(&run, flags, NULL), 0);
		assert_int_equal(run.code, 2);
		assert_string_equal(run.out, "");
		snprintf(line, sizeof line, "lossd: keys_file %s: ", path);
		if (strncmp(run.err, line, strlen(line)) != 0 || strchr(run.err, '\n')[1] ||
		    !strstr(run.err, cases[i].line))
			fail_msg("%s", run.err);
		server_run_free(&run);
	}
}

static void a_file_that_all_may_read_is_a_warning(void **state)
{
	(void)state;
	keyring_write(path, (const char *const[]){keyring_entry("a", ANY), NULL});
	assert_int_equal(chmod(path, 0644), 0);
	start();
	assert_int_equal(ask("a"), 200);
	assert_int_equal(count("warning others may read the file of keys"), 1);
	assert_int_equal(chmod(path, 0640), 0);
	hang_up(RELOADED);
	assert_int_equal(count("warning others may read the file of keys"), 1);
	assert_int_equal(server_stop(&server), 0);
}

static void an_empty_list_lets_nobody_in(void **state)
{
	(void)state;
	keyring_write(path, (const char *const[]){NULL});
	start();
	assert_int_equal(ask(NULL), 401);
	assert_int_equal(ask("a"), 401);
	assert_int_equal(server_stop(&server), 0);
}

static void metrics_may_be_open(void **state)
{
	const char *const flags[] = {"--keys-file", path, "--metrics-open", "true", NULL};
	struct client *client;
	(void)state;
	keyring_write(path, (const char *const[]){NULL});
	assert_int_equal(server_start(&server, flags, NULL), 0);
	client = client_open(&server);
	assert_int_equal(keyring_send(client, NULL, "/metrics", NULL, NULL, NULL), 200);
	assert_int_equal(keyring_send(client, NULL, "/v1/losses", NULL, NULL, NULL), 401);
	client_close(client);
	assert_int_equal(server_stop(&server), 0);
}

/* Nobody is asked for one, and whatever a proxy has left in the head is nobody's. */
static void without_a_file_no_key_is_looked_at(void **state)
{
	(void)state;
	assert_int_equal(server_start(&server, NULL, NULL), 0);
	assert_int_equal(ask(NULL), 200);
	assert_int_equal(ask("whatever"), 200);
	/* The second comes after all of the first. */
	hang_up("reloaded what=log_level");
	hang_up("reloaded what=log_level");
	assert_int_equal(count("what=keys"), 0);
	assert_int_equal(server_stop(&server), 0);
}

/* ---------------------------------------------------------------- SIGHUP */

static void keys_come_and_go(void **state)
{
	(void)state;
	keyring_write(path, (const char *const[]){keyring_entry("a", ANY), NULL});
	start();
	assert_int_equal(ask("a"), 200);
	assert_int_equal(ask("b"), 401);
	keyring_write(path, (const char *const[]){keyring_entry("b", ANY), NULL});
	assert_int_equal(ask("b"), 401); /* it has not been told yet */
	hang_up(RELOADED);
	assert_int_equal(ask("a"), 401);
	assert_int_equal(ask("b"), 200);
	keyring_write(path, (const char *const[]){keyring_entry("b", "\"scopes\": [\"admin\"]"),
						  keyring_entry("a", ANY), NULL});
	hang_up(RELOADED);
	assert_int_equal(ask("a"), 200);
	assert_int_equal(ask("b"), 403);
	assert_int_equal(server_stop(&server), 0);
}

static void a_wrong_file_changes_nothing(void **state)
{
	static const char *const wrong[] = {
		"",
		"{\"keys\": []",
		"{\"keys\": [{\"name\": \"a\"}]}",
		"{\"keys\": [], \"more\": 1}",
	};
	(void)state;
	keyring_write(path, (const char *const[]){keyring_entry("a", ANY), NULL});
	start();
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		write_file(path, wrong[i]);
		hang_up(KEPT);
		assert_int_equal(ask("a"), 200);
		assert_int_equal(ask("b"), 401);
	}
	assert_int_equal(remove(path), 0);
	hang_up(KEPT);
	assert_int_equal(ask("a"), 200);
	assert_int_equal(count("error the file of keys is wrong"), 5);
	assert_int_equal(count("why=\"keys[0] has no hash\""), 1);
	keyring_write(path, (const char *const[]){keyring_entry("b", ANY), NULL});
	hang_up(RELOADED);
	assert_int_equal(ask("a"), 401);
	assert_int_equal(ask("b"), 200);
	assert_int_equal(server_stop(&server), 0);
}

/* Judged at its head, it is answered, whatever becomes of its key. */
static void what_is_in_flight_does_not_notice(void **state)
{
	static const char head[] = "POST " CROSS_ENTROPY " HTTP/1.1\r\nHost: a\r\n"
				   "Content-Type: application/json\r\nContent-Length: 36\r\n"
				   "Authorization: Bearer lossd_a\r\nConnection: close\r\n"
				   "Expect: 100-continue\r\n\r\n";
	char out[4096];
	(void)state;
	keyring_write(path, (const char *const[]){keyring_entry("a", ANY), NULL});
	start();
	int fd = raw_connect(&server);
	assert_true(raw_send(fd, head, sizeof head - 1));
	raw_read_until(fd, out, sizeof out, "100 Continue\r\n\r\n", WAIT_MS);
	keyring_write(path, (const char *const[]){NULL});
	hang_up(RELOADED);
	assert_int_equal(ask("a"), 401);
	assert_true(raw_send(fd, GOOD, 36));
	raw_read(fd, out, sizeof out, WAIT_MS, NULL);
	close(fd);
	assert_memory_equal(out, "HTTP/1.1 200 ", 13);
	assert_int_equal(server_stop(&server), 0);
}

static void what_a_key_has_taken_stays_taken(void **state)
{
	const char *slow = "\"scopes\": [\"evaluate\"], \"bytes_per_second\": 1";
	(void)state;
	keyring_write(path, (const char *const[]){keyring_entry("a", slow), NULL});
	start();
	assert_int_equal(ask("a"), 200);
	assert_int_equal(ask("a"), 429);
	keyring_write(path, (const char *const[]){keyring_alias("other", "a", slow),
						  keyring_entry("b", slow), NULL});
	hang_up(RELOADED);
	assert_int_equal(ask("a"), 429);
	assert_int_equal(ask("b"), 200);
	assert_int_equal(server_stop(&server), 0);
}

/* ---------------------------------------------------------------- under load */

#define ROTATIONS 100
#define CLIENTS 4

static atomic_bool over;
static atomic_int lost, let_in, served;

/* In turn with a key that stays, one that never was, and none. */
static void *keep_asking(void *context)
{
	struct client *client = context;
	while (!atomic_load(&over)) {
		int good = keyring_send(client, NULL, CROSS_ENTROPY, "stays", GOOD, NULL);
		int bad = keyring_send(client, NULL, CROSS_ENTROPY, "never", GOOD, NULL);
		int none = keyring_send(client, NULL, CROSS_ENTROPY, NULL, GOOD, NULL);
		atomic_fetch_add(&lost, good != 200);
		atomic_fetch_add(&let_in, (bad != 401) + (none != 401));
		atomic_fetch_add(&served, 1);
	}
	return NULL;
}

/* Every third file is wrong. */
static void rotate(int i)
{
	if (i % 3 == 2) {
		write_file(path, "{\"keys\": [{}]}");
		hang_up(KEPT);
		return;
	}
	keyring_write(path, (const char *const[]){keyring_entry(i % 3 ? "one" : "other", ANY),
						  keyring_entry("stays", ANY), NULL});
	hang_up(RELOADED);
	/* In force at once. */
	assert_int_equal(ask("one"), i % 3 ? 200 : 401);
	assert_int_equal(ask("other"), i % 3 ? 401 : 200);
}

static void a_hundred_rotations_lose_nobody_and_let_nobody_in(void **state)
{
	struct client *clients[CLIENTS];
	pthread_t threads[CLIENTS];
	(void)state;
	keyring_write(path, (const char *const[]){keyring_entry("stays", ANY), NULL});
	start();
	for (int i = 0; i < CLIENTS; i++) {
		clients[i] = client_open(&server);
		assert_int_equal(pthread_create(&threads[i], NULL, keep_asking, clients[i]), 0);
	}
	for (int i = 0; i < ROTATIONS; i++)
		rotate(i);
	atomic_store(&over, true);
	for (int i = 0; i < CLIENTS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		client_close(clients[i]);
	}
	print_message("%d rotations, %d requests: %d lost, %d let in\n", ROTATIONS,
		      3 * atomic_load(&served), atomic_load(&lost), atomic_load(&let_in));
	assert_true(atomic_load(&served) > 0);
	assert_int_equal(atomic_load(&lost), 0);
	assert_int_equal(atomic_load(&let_in), 0);
	assert_int_equal(server_stop(&server), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_wrong_file_is_one_line_and_no_start),
		TEST(a_file_that_all_may_read_is_a_warning),
		TEST(an_empty_list_lets_nobody_in),
		TEST(metrics_may_be_open),
		TEST(without_a_file_no_key_is_looked_at),
		TEST(keys_come_and_go),
		TEST(a_wrong_file_changes_nothing),
		TEST(what_is_in_flight_does_not_notice),
		TEST(what_a_key_has_taken_stays_taken),
		TEST(a_hundred_rotations_lose_nobody_and_let_nobody_in),
	};
	return cmocka_run_group_tests_name("keys reload", tests, NULL, NULL);
}
