/* Unix sockets, from the file's making to its end, and what is served over them. */
#include "../support/capture.h"
#include "../support/client.h"
#include "../support/local.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS 60000
#define LIVE "GET /v2/health/live HTTP/1.1\r\n"
#define POST "POST " CROSS_ENTROPY " HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
#define PATH_BYTES 107 /* of the longest */

static struct server server;
static char folder[256], path[300], listen_on[320];

static int set_up(void **state)
{
	(void)state;
	make_folder(folder, sizeof folder);
	snprintf(path, sizeof path, "%s/l.sock", folder);
	snprintf(listen_on, sizeof listen_on, "unix:%s", path);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	server_kill(&server);
	remove_folder(folder);
	return 0;
}

/* With hosts for which only a Unix socket serves "a". */
static void start(const char *flag, const char *value)
{
	const char *const flags[] = {"--listen", listen_on, "--hosts", "localhost",
				     flag,       value,     NULL};
	assert_int_equal(server_start(&server, flags, NULL), 0);
}

static int connect_here(void)
{
	int fd = local_connect(path);
	assert_true(fd >= 0);
	return fd;
}

static void expect(int fd, const char *words)
{
	static char out[1 << 16];
	raw_read(fd, out, sizeof out, WAIT_MS, NULL);
	close(fd);
	if (!strstr(out, words))
		fail_msg("no %s in: %s", words, out);
}

static int send_text(const char *text)
{
	int fd = connect_here();
	assert_true(raw_send(fd, text, strlen(text)));
	return fd;
}

static mode_t mode_of(const char *file)
{
	struct stat there;
	assert_int_equal(lstat(file, &there), 0);
	assert_true(S_ISSOCK(there.st_mode));
	return there.st_mode & 07777;
}

/* What a start that fails says, in one line. */
static void expect_no_start(const char *where, const char *why)
{
	const char *const flags[] = {"--listen", where, NULL};
	struct server_run run;
	char line[1024];
	assert_int_equal(server_run(&run, flags, NULL), 0);
	snprintf(line, sizeof line, "lossd: listen: %s: %s\n", where, why);
	assert_int_equal(run.code, 2);
	assert_string_equal(run.out, "");
	assert_string_equal(run.err, line);
	server_run_free(&run);
}

/* ---------------------------------------------------------------- serving */

static void any_host_is_served(void **state)
{
	static const char *const heads[] = {
		LIVE "Host: localhost\r\nConnection: close\r\n\r\n",
		LIVE "Host: evil.example\r\nConnection: close\r\n\r\n",
		"GET /v2/health/live HTTP/1.0\r\n\r\n",
		"GET /v2/health/live HTTP/1.0\r\nHost: 192.0.2.1:1\r\n\r\n",
	};
	(void)state;
	start("--threads", "1");
	for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
		expect(send_text(heads[i]), "HTTP/1.1 200 ");
	int tcp = raw_connect(&server);
	assert_true(raw_send(tcp, heads[1], strlen(heads[1])));
	expect(tcp, "HTTP/1.1 403 ");
	/* What the head's form is about holds here too. */
	expect(send_text(LIVE "\r\n"), "HTTP/1.1 400 ");
	assert_int_equal(server_stop(&server), 0);
}

static void the_log_says_who_it_was(void **state)
{
	char wanted[128];
	(void)state;
	start("--access-log", "on");
	expect(send_text(LIVE "Host: a\r\nConnection: close\r\n\r\n"), "HTTP/1.1 200 ");
	snprintf(wanted, sizeof wanted, "request peer=unix peer_pid=%ld peer_uid=%ld method=GET",
		 (long)getpid(), (long)getuid());
	char *log = NULL;
	for (int64_t end = now_ms() + WAIT_MS; now_ms() < end; poll(NULL, 0, 1)) {
		free(log);
		log = server_log(&server);
		if (strstr(log, "method=GET"))
			break;
	}
	assert_non_null(strstr(log, wanted));
	free(log);
	assert_int_equal(server_stop(&server), 0);
}

/* All of a reply; its head is thrown away. The caller frees it. */
static char *body_of(int fd, const char *head, const char *body, size_t *size)
{
	size_t n = 0, room = (size_t)1 << 24;
	char *all = malloc(room);
	assert_non_null(all);
	assert_true(raw_send(fd, head, strlen(head)) && raw_send(fd, body, strlen(body)));
	n = raw_read(fd, all, room, WAIT_MS, NULL);
	close(fd);
	char *begin = strstr(all, "\r\n\r\n");
	assert_non_null(begin);
	*size = n - (size_t)(begin + 4 - all);
	memmove(all, begin + 4, *size);
	return all;
}

/* Replies of some megabytes, of text and of several parts, are the same as over TCP. */
static void large_replies_are_the_same(void **state)
{
	static const char *const accepts[] = {"application/json", "application/x-safetensors"};
	size_t size;
	char *problem = body_of_zeros(1 << 16, 4, &size), *end = strrchr(problem, '}');
	char *body = malloc(size + 100), head[512];
	(void)state;
	assert_non_null(end);
	snprintf(body, size + 100, "%.*s, \"outputs\": [\"grad\", \"log_probs\", \"loss\"]}",
		 (int)(end - problem), problem);
	start("--hosts", "*");
	for (int i = 0; i < 2; i++) {
		size_t n_local, n_tcp;
		snprintf(head, sizeof head,
			 POST "Accept: %s\r\nConnection: close\r\n"
			      "Content-Length: %zu\r\n\r\n",
			 accepts[i], strlen(body));
		char *local = body_of(connect_here(), head, body, &n_local);
		char *tcp = body_of(raw_connect(&server), head, body, &n_tcp);
		assert_true(n_local > 1000000);
		/* What differs are the timings, which stand at the end or in the header. */
		if (i == 0)
			n_local = n_tcp = (size_t)(strstr(local, "\"totals\"") - local);
		else
			assert_memory_equal(local + n_local - 1000000, tcp + n_tcp - 1000000,
					    1000000);
		if (i == 0)
			assert_memory_equal(local, tcp, n_local);
		free(local);
		free(tcp);
	}
	free(problem);
	free(body);
	assert_int_equal(server_stop(&server), 0);
}

static void the_limit_of_an_address_is_not_theirs(void **state)
{
	int fds[5];
	(void)state;
	start("--connections-per-address", "1");
	for (int i = 0; i < 5; i++)
		fds[i] = send_text(LIVE "Host: a\r\n");
	for (int i = 0; i < 5; i++) {
		assert_true(raw_send(fds[i], "Connection: close\r\n\r\n", 21));
		expect(fds[i], "HTTP/1.1 200 ");
	}
	assert_int_equal(server_stop(&server), 0);
}

/* ---------------------------------------------------------------- the file */

/* Whatever the umask is. */
static void it_has_the_mode_that_was_asked_for(void **state)
{
	static const struct {
		const char *text;
		mode_t mode, umask;
	} modes[] = {{"0660", 0660, 0077}, {"0666", 0666, 0777}, {"0600", 0600, 0}, {"0", 0, 0}};
	(void)state;
	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
		mode_t before = umask(modes[i].umask);
		start("--unix-socket-mode", modes[i].text);
		umask(before);
		assert_int_equal(mode_of(path), modes[i].mode);
		assert_int_equal(server_stop(&server), 0);
	}
}

static void it_is_gone_after_the_stop(void **state)
{
	(void)state;
	start("--threads", "1");
	close(connect_here());
	assert_int_equal(server_stop(&server), 0);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(errno, ENOENT);
}

static void what_was_put_in_its_place_stays(void **state)
{
	(void)state;
	start("--threads", "1");
	assert_int_equal(unlink(path), 0);
	int other = local_bind(path);
	assert_int_equal(server_stop(&server), 0);
	mode_of(path);
	close(other);
}

static void a_dead_one_is_replaced(void **state)
{
	(void)state;
	close(local_bind(path));
	start("--threads", "1");
	expect(send_text(LIVE "Host: a\r\nConnection: close\r\n\r\n"), "HTTP/1.1 200 ");
	server_kill(&server); /* and leaves its own behind */
	mode_of(path);
	start("--threads", "1");
	expect(send_text(LIVE "Host: a\r\nConnection: close\r\n\r\n"), "HTTP/1.1 200 ");
	assert_int_equal(server_stop(&server), 0);
}

static void a_live_one_is_left_alone(void **state)
{
	(void)state;
	start("--threads", "1");
	expect_no_start(listen_on, "another server listens there");
	expect(send_text(LIVE "Host: a\r\nConnection: close\r\n\r\n"), "HTTP/1.1 200 ");
	assert_int_equal(server_stop(&server), 0);
}

static void what_is_no_socket_is_left_alone(void **state)
{
	struct stat there;
	(void)state;
	write_file(path, "precious");
	expect_no_start(listen_on, "there is something that is no socket");
	assert_int_equal(lstat(path, &there), 0);
	assert_int_equal(there.st_size, strlen("precious"));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	expect_no_start(listen_on, "there is something that is no socket");
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(symlink("nowhere", path), 0);
	expect_no_start(listen_on, "there is something that is no socket");
	assert_int_equal(unlink(path), 0);
}

static void a_folder_that_is_not_there_is_told(void **state)
{
	char where[400];
	(void)state;
	snprintf(where, sizeof where, "unix:%s/none/l.sock", folder);
	expect_no_start(where, "No such file or directory");
}

static void the_longest_path_works(void **state)
{
	const char *const flags[] = {"--listen", listen_on, NULL};
	struct server_run run;
	(void)state;
	size_t n = strlen(path);
	memset(path + n, 'a', PATH_BYTES + 1 - n);
	path[PATH_BYTES] = '\0';
	snprintf(listen_on, sizeof listen_on, "unix:%s", path);
	start("--threads", "1");
	expect(send_text(LIVE "Host: a\r\nConnection: close\r\n\r\n"), "HTTP/1.1 200 ");
	assert_int_equal(server_stop(&server), 0);
	strcat(listen_on, "a");
	assert_int_equal(server_run(&run, flags, NULL), 0);
	assert_int_equal(run.code, 2);
	assert_non_null(strstr(run.err, "may have 107 bytes at most"));
	server_run_free(&run);
}

/* One that is opened is closed again, file and all, when a later one can not be. */
static void nothing_is_half_started(void **state)
{
	char where[800];
	(void)state;
	snprintf(where, sizeof where, "%s,%s/none", listen_on, listen_on);
	const char *const flags[] = {"--listen", where, NULL};
	struct server_run run;
	assert_int_equal(server_run(&run, flags, NULL), 0);
	assert_int_equal(run.code, 2);
	assert_non_null(strstr(run.err, "Not a directory"));
	server_run_free(&run);
	assert_int_equal(access(path, F_OK), -1);
}

/* ---------------------------------------------------------------- the end */

#define DRAINS 5
#define MANY 40

static void send_problem(int fd, int i)
{
	char head[256];
	size_t size;
	char *body = body_of_zeros((size_t)1 << (i % 18), 2, &size);
	snprintf(head, sizeof head, POST "Content-Length: %zu\r\n\r\n", size);
	assert_true(raw_send(fd, head, strlen(head)) && raw_send(fd, body, size));
	free(body);
}

/* On fresh connections and used ones, wherever the signal finds them. */
static void what_was_asked_is_answered(void **state)
{
	int fds[MANY];
	(void)state;
	for (int drain = 0; drain < DRAINS; drain++) {
		start("--io-threads", "2");
		for (int i = 0; i < MANY; i++) {
			char out[2048];
			fds[i] = connect_here();
			if (i % 2 == 0)
				continue;
			assert_true(raw_send(fds[i], LIVE "Host: a\r\n\r\n",
					     sizeof(LIVE "Host: a\r\n\r\n") - 1));
			raw_read_until(fds[i], out, sizeof out, "}", WAIT_MS);
		}
		for (int i = 0; i < MANY; i++)
			send_problem(fds[i], i);
		assert_int_equal(kill(server.pid, SIGTERM), 0);
		for (int i = 0; i < MANY; i++)
			expect(fds[i], "\"loss\":0.693147");
		assert_int_equal(server_wait(&server), 0);
	}
}

static void pipelined_requests_are_answered(void **state)
{
	static char out[1 << 16];
	(void)state;
	for (int drain = 0; drain < DRAINS; drain++) {
		size_t n = 0;
		start("--io-threads", "2");
		int fd = connect_here();
		send_problem(fd, 17);
		for (int i = 0; i < 20; i++)
			send_problem(fd, i % 8);
		assert_int_equal(kill(server.pid, SIGTERM), 0);
		raw_read(fd, out, sizeof out, WAIT_MS, NULL);
		close(fd);
		for (const char *at = out; (at = strstr(at, "\"loss\":0.693147")) != NULL; at++)
			n++;
		assert_int_equal(n, 21);
		assert_int_equal(server_wait(&server), 0);
	}
}

/* Its file goes when it drains: a next server can be started at once, and is found. */
static void the_next_server_takes_over(void **state)
{
	struct server next = {0};
	(void)state;
	start("--drain-timeout-ms", "3600000");
	int fd = send_text(POST "Content-Length: 36\r\nExpect: 100-continue\r\n\r\n");
	char out[64];
	raw_read_until(fd, out, sizeof out, "\r\n\r\n", WAIT_MS);
	assert_int_equal(kill(server.pid, SIGTERM), 0);
	for (int64_t end = now_ms() + WAIT_MS; access(path, F_OK) == 0 && now_ms() < end;)
		poll(NULL, 0, 1);
	const char *const flags[] = {"--listen", listen_on, NULL};
	assert_int_equal(server_start(&next, flags, NULL), 0);
	assert_true(raw_send(fd, GOOD, 36));
	expect(fd, "\"loss\":");
	assert_int_equal(server_wait(&server), 0);
	expect(send_text(LIVE "Host: a\r\nConnection: close\r\n\r\n"), "HTTP/1.1 200 ");
	assert_int_equal(server_stop(&next), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(any_host_is_served),
		TEST(the_log_says_who_it_was),
		TEST(large_replies_are_the_same),
		TEST(the_limit_of_an_address_is_not_theirs),
		TEST(it_has_the_mode_that_was_asked_for),
		TEST(it_is_gone_after_the_stop),
		TEST(what_was_put_in_its_place_stays),
		TEST(a_dead_one_is_replaced),
		TEST(a_live_one_is_left_alone),
		TEST(what_is_no_socket_is_left_alone),
		TEST(a_folder_that_is_not_there_is_told),
		TEST(the_longest_path_works),
		TEST(nothing_is_half_started),
		TEST(what_was_asked_is_answered),
		TEST(pipelined_requests_are_answered),
		TEST(the_next_server_takes_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
