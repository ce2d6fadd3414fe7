/* What the server tells a service manager: this test is one, with a socket of its own. */
#include "../support/capture.h"
#include "../support/client.h"
#include "../support/local.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS 60000
#define POST "POST " CROSS_ENTROPY " HTTP/1.1\r\nHost: a\r\nContent-Length: 36\r\n"

static struct server server;
static char folder[256], path[300], variable[400];
static int manager = -1;

static int set_up(void **state)
{
	(void)state;
	make_folder(folder, sizeof folder);
	snprintf(path, sizeof path, "%s/notify", folder);
	snprintf(variable, sizeof variable, "NOTIFY_SOCKET=%s", path);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	server_kill(&server);
	if (manager >= 0)
		close(manager);
	manager = -1;
	remove_folder(folder);
	return 0;
}

static void listen_as(const struct sockaddr_un *address, size_t size)
{
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(manager, (const struct sockaddr *)address, (socklen_t)size), 0);
}

static void listen_here(void)
{
	const struct sockaddr_un address = local_address(path);
	listen_as(&address, sizeof address);
}

static void start(const char *const *flags, const char *one, const char *other)
{
	const char *const environment[] = {variable, one, other, NULL};
	assert_int_equal(server_start(&server, flags, environment), 0);
}

/* The next message, if one comes in time. */
static bool receive(char out[2048], int ms)
{
	struct pollfd ready = {.fd = manager, .events = POLLIN};
	if (poll(&ready, 1, ms) != 1)
		return false;
	ssize_t n = recv(manager, out, 2047, 0);
	assert_true(n > 0);
	out[n] = '\0';
	return true;
}

/* The next that is no sign of life. */
static void expect(const char *begin, char out[2048])
{
	do {
		assert_true(receive(out, WAIT_MS));
	} while (strcmp(out, "WATCHDOG=1") == 0);
	if (strncmp(out, begin, strlen(begin)) != 0)
		fail_msg("not %s, but %s", begin, out);
}

static unsigned long long number_after(const char *text, const char *name)
{
	const char *at = strstr(text, name);
	assert_non_null(at);
	return strtoull(at + strlen(name), NULL, 10);
}

/* From the first sign of life to the last, all of it. */
static void a_life_is_told(void **state)
{
	static const char *const flags[] = {"--drain-timeout-ms", "12345", "--drain-delay-ms", "1",
					    NULL};
	char text[2048], wanted[256];
	struct timespec now;
	(void)state;
	listen_here();
	start(flags, NULL, NULL);
	expect("READY=1\n", text);
	snprintf(wanted, sizeof wanted, "READY=1\nSTATUS=ready on %s", server.url);
	assert_string_equal(text, wanted);
	struct client *client = client_open(&server);
	struct reply reply;
	client_get(client, "/v2/health/ready", &reply);
	assert_int_equal(reply.status, 200);
	reply_free(&reply);
	client_close(client);

	assert_int_equal(kill(server.pid, SIGHUP), 0);
	expect("RELOADING=1\nMONOTONIC_USEC=", text);
	clock_gettime(CLOCK_MONOTONIC, &now);
	unsigned long long then = number_after(text, "MONOTONIC_USEC=");
	unsigned long long here =
		(unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000;
	assert_true(then <= here && here - then < WAIT_MS * 1000ull);
	expect("READY=1", text);

	assert_int_equal(kill(server.pid, SIGTERM), 0);
	expect("STOPPING=1\n", text);
	assert_true(number_after(text, "\nEXTEND_TIMEOUT_USEC=") >= 12346 * 1000);
	assert_int_equal(server_wait(&server), 0);
	assert_false(receive(text, 0));
}

static void abstract_sockets_work_too(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char text[2048];
	(void)state;
	int n = snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "lossd-test-%ld",
			 (long)getpid());
	snprintf(variable, sizeof variable, "NOTIFY_SOCKET=@%s", address.sun_path + 1);
	listen_as(&address, sizeof address.sun_family + 1 + (size_t)n);
	start(NULL, NULL, NULL);
	expect("READY=1\n", text);
	assert_int_equal(server_stop(&server), 0);
	expect("STOPPING=1\n", text);
}

/* Twice as often as it is asked for, also while it drains. */
static void it_shows_that_it_lives(void **state)
{
	static const char *const flags[] = {"--drain-timeout-ms", "3600000", NULL};
	char text[2048], out[4096];
	(void)state;
	listen_here();
	start(flags, "WATCHDOG_USEC=100000", NULL);
	expect("READY=1\n", text);
	int64_t begun = now_ms();
	for (int i = 0; i < 5; i++) {
		assert_true(receive(text, WAIT_MS));
		assert_string_equal(text, "WATCHDOG=1");
	}
	/* Four times 50 ms, of which the first may have been under way. */
	assert_true(now_ms() - begun >= 140);
	int fd = raw_connect(&server);
	assert_true(raw_send(fd, POST "Expect: 100-continue\r\n\r\n",
			     sizeof(POST "Expect: 100-continue\r\n\r\n") - 1));
	raw_read_until(fd, out, sizeof out, "\r\n\r\n", WAIT_MS);
	assert_int_equal(kill(server.pid, SIGTERM), 0);
	expect("STOPPING=1\n", text);
	for (int i = 0; i < 5; i++) {
		assert_true(receive(text, WAIT_MS));
		assert_string_equal(text, "WATCHDOG=1");
	}
	assert_true(raw_send(fd, GOOD, 36));
	raw_read(fd, out, sizeof out, WAIT_MS, NULL);
	close(fd);
	assert_int_equal(server_wait(&server), 0);
}

/* For another process, or of no time that it knows. */
static void no_watchdog_is_fed_that_was_not_asked_for(void **state)
{
	static const char *const asked[][2] = {
		{"WATCHDOG_USEC=1000", "WATCHDOG_PID=1"},
		{"WATCHDOG_USEC=0", NULL},
		{"WATCHDOG_USEC=x", NULL},
		{"WATCHDOG_USEC=-5", NULL},
		{"WATCHDOG_USEC=99999999999999999999", NULL},
		{"WATCHDOG_USEC=1000x", NULL},
	};
	char text[2048];
	(void)state;
	listen_here();
	for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
		start(NULL, asked[i][0], asked[i][1]);
		assert_true(receive(text, WAIT_MS));
		assert_memory_equal(text, "READY=1\n", 8);
		assert_int_equal(kill(server.pid, SIGHUP), 0);
		assert_true(receive(text, WAIT_MS));
		assert_memory_equal(text, "RELOADING=1\n", 12);
		assert_true(receive(text, WAIT_MS));
		assert_string_equal(text, "READY=1");
		assert_int_equal(server_stop(&server), 0);
		assert_true(receive(text, WAIT_MS));
		assert_memory_equal(text, "STOPPING=1\n", 11);
	}
}

/* A manager that is not there, or whose name is none, changes nothing. */
static void without_a_manager_nothing_changes(void **state)
{
	static const char *const names[] = {"", "@", "nonsense", "/nowhere/notify"};
	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(variable, sizeof variable, "NOTIFY_SOCKET=%s", names[i]);
		start(NULL, "WATCHDOG_USEC=1000", NULL);
		assert_int_equal(kill(server.pid, SIGHUP), 0);
		assert_int_equal(server_stop(&server), 0);
	}
}

/* One that does not start is not ready. */
static void who_does_not_start_is_not_ready(void **state)
{
	char text[2048];
	const char *const flags[] = {"--listen", "nonsense", NULL};
	const char *const environment[] = {variable, NULL};
	struct server_run run;
	(void)state;
	listen_here();
	assert_int_equal(server_run(&run, flags, environment), 0);
	assert_int_equal(run.code, 2);
	server_run_free(&run);
	assert_false(receive(text, 0));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_life_is_told),
		TEST(abstract_sockets_work_too),
		TEST(it_shows_that_it_lives),
		TEST(no_watchdog_is_fed_that_was_not_asked_for),
		TEST(without_a_manager_nothing_changes),
		TEST(who_does_not_start_is_not_ready),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
