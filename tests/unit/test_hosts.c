#include "../../server/auth/authority.h"
#include "../../server/auth/hosts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void lists_are_all_or_hosts(void **state)
{
	static const char *const good[] = {
		"auto",
		"*",
		"loopback",
		"a",
		"a.example,B.example:8080",
		"192.0.2.1:1",
		"[2001:db8::1]",
		"[::1]:8080",
		"a_b-c",
		"loopback,a.example",
	};
	static const char *const bad[] = {
		"",       "a,",   ",a",   "a, b",     "*,a",  "a,*", "http://a",
		"a/b",    "a:b",  "a:1x", "a:123456", "[::1", "::1", "[a]",
		"[::1]x", "a\"b", ":80",  "a@b",      "[]",   "a b", "*.a",
	};
	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		if (!hosts_is_list(good[i]))
			fail_msg("refused: %s", good[i]);
	for (size_t i = 0; i < COUNT(bad); i++)
		if (hosts_is_list(bad[i]))
			fail_msg("taken: %s", bad[i]);
}

struct row {
	const char *list, *host;
	bool allowed;
};

static void hosts_are_matched(void **state)
{
	static const struct row rows[] = {
		{"*", "a", true},
		{"*", "[::1", true},
		{"loopback", "localhost", true},
		{"loopback", "LOCALHOST:8080", true},
		{"loopback", "localhost.:8080", true},
		{"loopback", "a.localhost", true},
		{"loopback", "a.b.LocalHost:1", true},
		{"loopback", "127.0.0.1", true},
		{"loopback", "127.0.0.1:8080", true},
		{"loopback", "127.255.3.4", true},
		{"loopback", "[::1]", true},
		{"loopback", "[0:0:0:0:0:0:0:1]:8080", true},

		{"loopback", "evil.example", false},
		{"loopback", "evil.example:8080", false},
		{"loopback", "localhost.evil.example", false},
		{"loopback", "evillocalhost", false},
		{"loopback", ".localhost", false},
		{"loopback", "127.0.0.1.evil.example", false},
		{"loopback", "127.1", false},
		{"loopback", "128.0.0.1", false},
		{"loopback", "0.0.0.0", false},
		{"loopback", "[::]", false},
		{"loopback", "[::2]", false},
		{"loopback", "[127.0.0.1]", false},
		{"loopback", "::1", false},
		{"loopback", "localhost:80:80", false},
		{"loopback", "localhost:8x", false},
		{"loopback", "loopback", false},
		{"loopback", "", false},
		{"loopback", ":80", false},
		{"loopback", "192.0.2.1", false},

		{"a.example", "a.example", true},
		{"a.example", "A.Example:1", true},
		{"a.example", "a.example.", true},
		{"A.EXAMPLE", "a.example", true},
		{"a.example", "b.example", false},
		{"a.example", "a.example.org", false},
		{"a.example", "x.a.example", false},
		{"a.example", "a.exampl", false},
		{"a.example", "localhost", false},
		{"a.example:8080", "a.example:8080", true},
		{"a.example:8080", "a.example:8081", false},
		{"a.example:8080", "a.example:808", false},
		{"a.example:8080", "a.example", false},
		{"b,a.example:1,loopback", "127.0.0.1", true},
		{"b,a.example:1,loopback", "a.example:1", true},
		{"b,a.example:1,loopback", "b:9", true},
		{"b,a.example:1,loopback", "c", false},
		{"[2001:DB8::1]:80", "[2001:db8::1]:80", true},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (hosts_allow(rows[i].list, rows[i].host) != rows[i].allowed)
			fail_msg("%s: %s is %s", rows[i].list, rows[i].host,
				 rows[i].allowed ? "refused" : "allowed");
}

static void auto_is_as_far_as_one_can_be_reached_from(void **state)
{
	(void)state;
	assert_string_equal(hosts_auto(true), "loopback");
	assert_string_equal(hosts_auto(false), "*");
}

static void authorities_are_split(void **state)
{
	struct authority a;
	(void)state;
	assert_true(authority_split("a.example:80", 12, &a));
	assert_memory_equal(a.host, "a.example", a.n_host);
	assert_int_equal(a.n_host, 9);
	assert_memory_equal(a.port, "80", 2);
	assert_int_equal(a.n_port, 2);
	assert_true(authority_split("[::1]", 5, &a));
	assert_int_equal(a.n_host, 5);
	assert_int_equal(a.n_port, 0);
	assert_true(authority_split("a:", 2, &a));
	assert_int_equal(a.n_port, 0);
	assert_true(authority_split("a.,b", 2, &a));
	assert_int_equal(a.n_host, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_are_all_or_hosts),
		cmocka_unit_test(hosts_are_matched),
		cmocka_unit_test(auto_is_as_far_as_one_can_be_reached_from),
		cmocka_unit_test(authorities_are_split),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
