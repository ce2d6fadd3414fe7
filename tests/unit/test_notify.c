/* The watchdog of a service manager, and what a process leaves to its children: in this process.
 * tests/http/test_notify.c has what the server tells. */
#include "../support/capture.h"
#include "../support/local.h"
#include "os/activation.h"
#include "os/notify.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[256], path[300];
static int manager;

static int set_up(void **state)
{
	(void)state;
	make_folder(folder, sizeof folder);
	snprintf(path, sizeof path, "%s/notify", folder);
	const struct sockaddr_un address = local_address(path);
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(manager, (const struct sockaddr *)&address, sizeof address), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	close(manager);
	remove_folder(folder);
	return 0;
}

static bool was_told(const char *words)
{
	char text[4096];
	ssize_t n = recv(manager, text, sizeof text - 1, 0);
	if (n < 0)
		return false;
	text[n] = '\0';
	return strcmp(text, words) == 0;
}

/* Only when it is time, and only while it lives. */
static void the_watchdog_is_fed_while_it_lives(void **state)
{
	char pid[32];
	(void)state;
	notify("READY=1"); /* nobody is there yet */
	assert_int_equal(notify_sleep_ms(7), 7);
	snprintf(pid, sizeof pid, "%ld", (long)getpid());
	setenv("NOTIFY_SOCKET", path, 1);
	setenv("WATCHDOG_USEC", "20000", 1);
	setenv("WATCHDOG_PID", pid, 1);
	notify_start();
	assert_null(getenv("NOTIFY_SOCKET"));
	assert_null(getenv("WATCHDOG_USEC"));
	assert_null(getenv("WATCHDOG_PID"));
	assert_int_equal(notify_sleep_ms(1000), 0);
	notify_alive(true);
	assert_true(was_told("WATCHDOG=1"));
	notify_alive(true);
	assert_false(was_told("WATCHDOG=1"));
	assert_in_range(notify_sleep_ms(1000), 1, 10);
	assert_in_range(notify_sleep_ms(3), 1, 3);
	poll(NULL, 0, notify_sleep_ms(1000));
	while (notify_sleep_ms(1000) > 0)
		poll(NULL, 0, 1);
	notify_alive(false);
	assert_false(was_told("WATCHDOG=1"));
	while (notify_sleep_ms(1000) > 0)
		poll(NULL, 0, 1);
	notify_alive(true);
	assert_true(was_told("WATCHDOG=1"));
}

static void what_does_not_fit_is_not_told_in_part(void **state)
{
	char long_text[3000], fits[2100];
	(void)state;
	setenv("NOTIFY_SOCKET", path, 1);
	notify_start();
	memset(long_text, 'a', sizeof long_text);
	notify("%.*s", 2048, long_text);
	assert_false(was_told(""));
	notify("%.*s", 2047, long_text);
	snprintf(fits, sizeof fits, "%.*s", 2047, long_text);
	assert_true(was_told(fits));
}

static bool told_something(char text[4096])
{
	ssize_t n = recv(manager, text, 4095, 0);
	text[n < 0 ? 0 : n] = '\0';
	return n >= 0;
}

/* A manager that reads nothing for a while keeps nobody: what it had no room for it is told later,
 * in order. (If it were waited for, this would not end: nobody else reads.) */
static void nobody_waits_for_a_full_manager(void **state)
{
	char text[4096];
	int n = 0;
	(void)state;
	setenv("NOTIFY_SOCKET", path, 1);
	notify_start();
	/* More than the queue of any system has. */
	for (int i = 0; i < 5000; i++)
		notify("STATUS=%d", i);
	notify("STOPPING=1");
	notify_alive(true); /* which finds no room either */
	while (told_something(text)) {
		char wanted[32];
		snprintf(wanted, sizeof wanted, "STATUS=%d", n++);
		assert_string_equal(text, wanted);
	}
	assert_in_range(n, 1, 4999);
	notify_alive(true);
	assert_true(told_something(text));
	const char *last = strstr(text, "STATUS=4999\nSTOPPING=1");
	assert_non_null(last);
	assert_string_equal(last, "STATUS=4999\nSTOPPING=1");
	assert_false(told_something(text));
	notify("STATUS=after");
	assert_true(was_told("STATUS=after"));
}

/* Descriptors from 3 on are whatever this program has open. */
static void given_sockets_are_taken_and_hidden(void **state)
{
	char pid[32];
	int low[3];
	(void)state;
	snprintf(pid, sizeof pid, "%ld", (long)getpid());
	for (int i = 0; i < 3; i++)
		low[i] = dup2(manager, 3 + i);
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "3", 1);
	setenv("LISTEN_FDNAMES", "a:b:a", 1);
	activation_start();
	assert_null(getenv("LISTEN_PID"));
	assert_null(getenv("LISTEN_FDS"));
	assert_null(getenv("LISTEN_FDNAMES"));
	assert_int_equal(activation_find("a", 0), 3);
	assert_int_equal(activation_find("a", 1), 5);
	assert_int_equal(activation_find("a", 2), -1);
	assert_int_equal(activation_find("b", 0), 4);
	assert_int_equal(activation_find("c", 0), -1);
	assert_int_equal(activation_find("", 0), -1);
	assert_string_equal(activation_name(1), "b");
	assert_string_equal(activation_name(2), "a");
	assert_null(activation_name(3));
	assert_true(activation_is_local("a"));
	assert_false(activation_is_local("c"));
	for (int i = 0; i < 3; i++)
		assert_true(fcntl(low[i], F_GETFD) & FD_CLOEXEC);
	/* Once more there are none. */
	activation_start();
	assert_int_equal(activation_find("a", 0), -1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(the_watchdog_is_fed_while_it_lives),
		TEST(what_does_not_fit_is_not_told_in_part),
		TEST(nobody_waits_for_a_full_manager),
		TEST(given_sockets_are_taken_and_hidden),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
