/* Where to listen: the forms of one address, and of lists. */
#include "settings/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TEN "aaaaaaaaaa"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static const struct good {
	const char *text;
	enum address_kind kind;
	bool tls;
	const char *name;
	uint16_t port;
	bool local;
} good[] = {
	{"127.0.0.1:8080", ADDRESS_TCP, false, "127.0.0.1", 8080, true},
	{"127.0.0.2:0", ADDRESS_TCP, false, "127.0.0.2", 0, true},
	{"localhost:0", ADDRESS_TCP, false, "localhost", 0, true},
	{"[::1]:65535", ADDRESS_TCP, false, "::1", 65535, true},
	{"[fe80::1]:1", ADDRESS_TCP, false, "fe80::1", 1, false},
	{"[::]:8080", ADDRESS_TCP, false, "::", 8080, false},
	{"0.0.0.0:080", ADDRESS_TCP, false, "0.0.0.0", 80, false},
	{"loss.example:80", ADDRESS_TCP, false, "loss.example", 80, false},
	{"tls:0.0.0.0:8443", ADDRESS_TCP, true, "0.0.0.0", 8443, false},
	{"tls:[::1]:8443", ADDRESS_TCP, true, "::1", 8443, true},
	{"tls:127.0.0.1:1", ADDRESS_TCP, true, "127.0.0.1", 1, true},
	{"unix:/run/lossd/lossd.sock", ADDRESS_UNIX, false, "/run/lossd/lossd.sock", 0, true},
	{"unix:/a:b", ADDRESS_UNIX, false, "/a:b", 0, true},
	{"unix:/aaaaaa" HUNDRED, ADDRESS_UNIX, false, "/aaaaaa" HUNDRED, 0, true},
	{"fd:lossd.socket", ADDRESS_FD, false, "lossd.socket", 0, false},
	{"tls:fd:web", ADDRESS_FD, true, "web", 0, false},
	{"fd:aaaaaaa" HUNDRED, ADDRESS_FD, false, "aaaaaaa" HUNDRED, 0, false},
};

static void addresses_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		const struct good *g = &good[i];
		struct address address;
		const char *list = g->text, *why;
		if (!address_next(&list, &address, &why))
			fail_msg("%s: %s", g->text, why ? why : "refused");
		assert_null(list);
		assert_int_equal(address.kind, g->kind);
		assert_int_equal(address.tls, g->tls);
		assert_string_equal(address.name, g->name);
		assert_int_equal(address.port, g->port);
		assert_ptr_equal(address.written, g->text);
		assert_int_equal(address.n_written, strlen(g->text));
		assert_int_equal(address_is_local(&address), g->local);
	}
}

static const struct bad {
	const char *text;
	const char *why; /* a part of it; NULL: nothing in particular */
} bad[] = {
	{"", NULL},
	{"8080", NULL},
	{":8080", "0.0.0.0:PORT"},
	{"*:8080", "0.0.0.0:PORT"},
	{"tls:*:8443", "[::]:PORT"},
	{"*", NULL},
	{"**:80", NULL},
	{"127.0.0.1", NULL},
	{"127.0.0.1:", NULL},
	{"a:65536", NULL},
	{"a:-1", NULL},
	{"a:+1", NULL},
	{"a: 1", NULL},
	{"a:1 ", NULL},
	{"a:123456", NULL},
	{"::1:80", "stands in [ and ]"},
	{"[::1]", NULL},
	{"[::1]80", NULL},
	{"[]:80", NULL},
	{"[a]:80", NULL},
	{"[::1:80", NULL},
	{"::1]:80", NULL},
	{"a b:80", NULL},
	{"http://a:80", NULL},
	{"a:1\n", NULL},
	{"a\":1", NULL},
	{"[127.0.0.1]:80", NULL},
	{"tls:", NULL},
	{"tls:8443", NULL},
	{"tls:tls:a:1", NULL},
	{"TLS:a:1", NULL},
	{"aaaaaaaa" HUNDRED ":80", NULL},
	{"unix:", "begin with /"},
	{"unix:lossd.sock", "begin with /"},
	{"unix:@lossd", "abstract"},
	{"tls:unix:/run/lossd.sock", "no TLS over Unix sockets"},
	{"unix:/aaaaaaa" HUNDRED, "107 bytes at most"},
	{"unix:/" HUNDRED HUNDRED HUNDRED, "107 bytes at most"},
	{"unix:/a\tb", "control character"},
	{"unix:/a\"b", "quote"},
	{"unix:/a\\b", "backslash"},
	{"fd:", "1 to 107"},
	{"fd:a:b", "colon"},
	{"fd:a\nb", "printable"},
	{"tls:fd:aaaaaaaa" HUNDRED, "1 to 107"},
};

static void what_is_none_is_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct address address;
		const char *list = bad[i].text, *why;
		if (address_next(&list, &address, &why))
			fail_msg("\"%s\" was read", bad[i].text);
		assert_ptr_equal(list, bad[i].text);
		assert_int_equal(address.n_written, strlen(bad[i].text));
		if (!bad[i].why)
			assert_null(why);
		else if (!why || !strstr(why, bad[i].why))
			fail_msg("\"%s\": %s", bad[i].text, why ? why : "(nothing)");
	}
}

static void lists_are_read_in_their_order(void **state)
{
	const char *list = "127.0.0.1:1,tls:a:2,unix:/b,fd:c", *why;
	static const char *const names[] = {"127.0.0.1", "a", "/b", "c"};
	struct address address;
	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		assert_non_null(list);
		assert_true(address_next(&list, &address, &why));
		assert_string_equal(address.name, names[i]);
	}
	assert_null(list);
	list = "a:1,b,c:1";
	assert_true(address_next(&list, &address, &why));
	assert_false(address_next(&list, &address, &why));
	assert_string_equal(list, "b,c:1");
	assert_int_equal(address.n_written, 1);
	list = "a:1,";
	assert_true(address_next(&list, &address, &why));
	assert_string_equal(list, "");
	assert_false(address_next(&list, &address, &why));
}

static void a_list_is_local_where_all_of_it_is(void **state)
{
	static const struct {
		const char *list;
		bool local;
	} rows[] = {
		{"127.0.0.1:8080", true},
		{"127.0.0.1:1,[::1]:1,localhost:2,tls:127.0.0.1:3,unix:/a", true},
		{"unix:/a", true},
		{"127.0.0.1:1,0.0.0.0:1", false},
		{"0.0.0.0:1,127.0.0.1:1", false},
		{"unix:/a,tls:192.0.2.1:80", false},
		{"127.0.0.1:1,", false},
		{"", false},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (addresses_are_local(rows[i].list) != rows[i].local)
			fail_msg("%s", rows[i].list);
}

static void addresses_of_tls_are_found(void **state)
{
	static const char list[] = "unix:/a,tls:b:1,c:2,tls:d:3";
	int n = 0;
	(void)state;
	assert_ptr_equal(addresses_find(list, true, &n), list + 8);
	assert_int_equal(n, 7);
	assert_ptr_equal(addresses_find(list, false, &n), list);
	assert_int_equal(n, 7);
	assert_null(addresses_find("a:1,unix:/b", true, &n));
	assert_null(addresses_find("tls:a:1", false, &n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_read),
		cmocka_unit_test(what_is_none_is_told),
		cmocka_unit_test(lists_are_read_in_their_order),
		cmocka_unit_test(a_list_is_local_where_all_of_it_is),
		cmocka_unit_test(addresses_of_tls_are_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
