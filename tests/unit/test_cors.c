#include "../../server/auth/cors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LIST "https://a.example,http://localhost:3000"

static void lists_are_none_all_or_origins(void **state)
{
	static const char *const good[] = {
		"none", "*", "https://a.example", "http://[::1]:8080", "moz-extension://0a1b-2c",
		LIST,
	};
	static const char *const bad[] = {
		"",
		"null",
		"a.example",
		"://a",
		"https://",
		"https:/a",
		"https://a.example/",
		"https://A.example",
		"https://a b",
		"https://a\"b",
		"https://a.example,",
		",https://a.example",
		"*,https://a.example",
		"https://a.example, https://b.example",
	};
	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		if (!cors_is_list(good[i]))
			fail_msg("refused: %s", good[i]);
	for (size_t i = 0; i < COUNT(bad); i++)
		if (cors_is_list(bad[i]))
			fail_msg("taken: %s", bad[i]);
}

static void origins_are_allowed_as_they_are_written(void **state)
{
	static const char *const others[] = {
		"https://a.exampl",
		"https://a.example.org",
		"http://a.example",
		"https://a.example:443",
		"http://localhost",
		"null",
		"none",
		"*",
		LIST,
		"",
	};
	(void)state;
	assert_string_equal(cors_allow(LIST, "https://a.example"), "https://a.example");
	assert_string_equal(cors_allow(LIST, "http://localhost:3000"), "http://localhost:3000");
	assert_null(cors_allow(LIST, NULL));
	for (size_t i = 0; i < COUNT(others); i++)
		if (cors_allow(LIST, others[i]))
			fail_msg("allowed: %s", others[i]);
	assert_true(cors_varies(LIST));
}

static void all_or_none_do_not_differ(void **state)
{
	(void)state;
	assert_string_equal(cors_allow("*", NULL), "*");
	assert_string_equal(cors_allow("*", "https://a.example"), "*");
	assert_false(cors_varies("*"));
	assert_null(cors_allow("none", NULL));
	assert_null(cors_allow("none", "none"));
	assert_false(cors_varies("none"));
}

static void origins_are_foreign(void **state)
{
	static const struct {
		const char *list, *origin, *host;
		bool foreign;
	} rows[] = {
		{"none", NULL, "a", false},
		{"none", NULL, NULL, false},
		{"none", "http://a", "a", false},
		{"none", "http://a", "a:80", false},
		{"none", "http://a:80", "a", false},
		{"none", "https://a", "a:443", false},
		{"none", "https://a", "a", false},
		{"none", "http://127.0.0.1:8080", "127.0.0.1:8080", false},
		{"none", "http://[::1]:8080", "[::1]:8080", false},
		{"none", "http://localhost:8080", "LocalHost:8080", false},
		{LIST, "https://a.example", "127.0.0.1:8080", false},
		{LIST, "http://localhost:3000", "127.0.0.1:8080", false},
		{"*", "https://evil.example", "a", false},

		{"none", "null", "a", true},
		{"none", "null", "null", true},
		{"none", "https://evil.example", "127.0.0.1:8080", true},
		{"none", "http://127.0.0.1", "127.0.0.1:8080", true},
		{"none", "http://127.0.0.1:8081", "127.0.0.1:8080", true},
		{"none", "http://localhost:8080", "127.0.0.1:8080", true},
		{"none", "https://a", "a:80", true},
		{"none", "http://a", "a:443", true},
		{"none", "moz-extension://a", "a:80", true},
		{"none", "http://a.evil", "a", true},
		{"none", "http://a", "a.evil", true},
		{"none", "http://a/", "a", true},
		{"none", "http://x@a", "a", true},
		{"none", "http://", "a", true},
		{"none", "a", "a", true},
		{"none", "http://a", NULL, true},
		{"none", "http://a", "a:b", true},
		{LIST, "https://b.example", "127.0.0.1:8080", true},
		{LIST, "null", "127.0.0.1:8080", true},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (cors_is_foreign(rows[i].list, rows[i].origin, rows[i].host) != rows[i].foreign)
			fail_msg("%s at %s, list %s: not %d", rows[i].origin, rows[i].host,
				 rows[i].list, rows[i].foreign);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_are_none_all_or_origins),
		cmocka_unit_test(origins_are_allowed_as_they_are_written),
		cmocka_unit_test(all_or_none_do_not_differ),
		cmocka_unit_test(origins_are_foreign),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
