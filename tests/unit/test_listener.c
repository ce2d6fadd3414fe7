#include "../../server/http/listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "../support/capture.h"

static unsigned port_of(const char *url)
{
	return (unsigned)strtoul(strrchr(url, ':') + 1, NULL, 10);
}

static bool connects(unsigned port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
	bool connected = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
	close(fd);
	return connected;
}

static void port_0_picks_one(void **state)
{
	struct listeners one, other;
	(void)state;
	assert_true(listeners_open("127.0.0.1:0", 0600, &one));
	assert_true(listeners_open("127.0.0.1:0", 0600, &other));
	unsigned port = port_of(one.urls[0]);
	assert_int_equal(strncmp(one.urls[0], "http://127.0.0.1:", 17), 0);
	assert_true(port > 0);
	assert_int_not_equal(port, port_of(other.urls[0]));
	assert_true(connects(port));
	listeners_close(&one);
	listeners_close(&other);
	assert_false(connects(port));
}

static void addresses_of_version_6_have_brackets(void **state)
{
	struct listeners listeners;
	int probe = socket(AF_INET6, SOCK_STREAM, 0);
	struct sockaddr_in6 loopback = {.sin6_family = AF_INET6,
					.sin6_addr = IN6ADDR_LOOPBACK_INIT};
	bool has_v6 = probe >= 0 && bind(probe, (struct sockaddr *)&loopback, sizeof loopback) == 0;
	(void)state;
	if (probe >= 0)
		close(probe);
	if (!has_v6) {
		print_message("skipped: this machine has no IPv6 loopback\n");
		skip();
	}
	assert_true(listeners_open("[::1]:0", 0600, &listeners));
	assert_int_equal(strncmp(listeners.urls[0], "http://[::1]:", 13), 0);
	assert_true(port_of(listeners.urls[0]) > 0);
	listeners_close(&listeners);
}

/* One line, naming what was asked for. */
static void refusals_say_why(void **state)
{
	struct listeners open, none;
	char taken[64];
	(void)state;
	assert_true(listeners_open("127.0.0.1:0", 0600, &open));
	snprintf(taken, sizeof taken, "127.0.0.1:%u", port_of(open.urls[0]));
	const char *const bad[] = {taken, "198.51.100.1:0", "nonsense", "127.0.0.1:99999"};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		static struct capture said;
		capture_begin(&said, STDERR_FILENO);
		bool opened = listeners_open(bad[i], 0600, &none);
		capture_end(&said);
		assert_false(opened);
		assert_int_equal(none.n, 0);
		assert_non_null(strstr(said.text, bad[i]));
		assert_ptr_equal(strchr(said.text, '\n'), said.text + said.size - 1);
	}
	listeners_close(&open);
}

static void listeners_of_tls_are_told(void **state)
{
	struct listeners listeners;
	(void)state;
	assert_true(listeners_open("127.0.0.1:0,tls:127.0.0.1:0", 0600, &listeners));
	assert_false(listeners.tls[0]);
	assert_true(listeners.tls[1]);
	assert_int_equal(strncmp(listeners.urls[1], "https://127.0.0.1:", 18), 0);
	listeners_close(&listeners);
}

static void a_list_is_opened_in_its_order(void **state)
{
	struct listeners listeners;
	(void)state;
	assert_true(listeners_open("127.0.0.1:0,127.0.0.2:0", 0600, &listeners));
	assert_int_equal(listeners.n, 2);
	assert_int_equal(strncmp(listeners.urls[0], "http://127.0.0.1:", 17), 0);
	assert_int_equal(strncmp(listeners.urls[1], "http://127.0.0.2:", 17), 0);
	unsigned port = port_of(listeners.urls[0]);
	assert_true(connects(port));
	listeners_close(&listeners);
	assert_int_equal(listeners.n, 0);
	assert_false(connects(port));
}

/* The first of the list is open when the second can not be. */
static void a_list_is_opened_as_a_whole_or_not_at_all(void **state)
{
	static struct capture said;
	struct listeners listeners;
	char list[64];
	(void)state;
	assert_true(listeners_open("127.0.0.1:0", 0600, &listeners));
	unsigned port = port_of(listeners.urls[0]);
	listeners_close(&listeners);
	snprintf(list, sizeof list, "127.0.0.1:%u,198.51.100.1:0", port);
	capture_begin(&said, STDERR_FILENO);
	bool opened = listeners_open(list, 0600, &listeners);
	capture_end(&said);
	assert_false(opened);
	assert_int_equal(listeners.n, 0);
	assert_false(connects(port));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(port_0_picks_one),
		cmocka_unit_test(addresses_of_version_6_have_brackets),
		cmocka_unit_test(refusals_say_why),
		cmocka_unit_test(listeners_of_tls_are_told),
		cmocka_unit_test(a_list_is_opened_in_its_order),
		cmocka_unit_test(a_list_is_opened_as_a_whole_or_not_at_all),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
