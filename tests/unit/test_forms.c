/* Texts of settings that are taken, and those that are not. */
#include "settings/forms.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void modes(void **state)
{
	static const char *const good[] = {"0", "7", "0660", "777", "0777", "000"};
	static const char *const bad[] = {"",      "1000", "07777", "00660", "8",
					  "0o660", "-1",   " 660",  "660 "};
	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_true(form_is_mode(good[i]));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(form_is_mode(bad[i]));
}

static void paths(void **state)
{
	(void)state;
	assert_true(form_is_path("none"));
	assert_true(form_is_path("/etc/lossd/a key.pem"));
	assert_false(form_is_path(""));
	assert_false(form_is_path("a\nb"));
	assert_false(form_is_path("a\177b"));
}

static void urls(void **state)
{
	static const char *const good[] = {"none", "http://localhost:4318",
					   "https://a.example/v1/traces", "http://[::1]:4318/"};
	static const char *const bad[] = {"",        "localhost:4318", "http://",    "https:///v1",
					  "ftp://a", "http://user@a",  "http://a b", "http://a\n",
					  "HTTP//a"};
	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_true(form_is_http_url(good[i]));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(form_is_http_url(bad[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(modes),
		cmocka_unit_test(paths),
		cmocka_unit_test(urls),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
