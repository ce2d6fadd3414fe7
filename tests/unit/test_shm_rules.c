/* Which keys, names and owners of shared memory are taken. */
#include "shm/shm_rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define LONGEST                                                                                    \
	"0123456789012345678901234567890123456789012345678901234567890123"                         \
	"012345678901234567890123456789012345678901234567890123456789012"

static void keys_are_plain_words(void **state)
{
	static const char *const good[] = {"a", "/a", "A-b_c.9", "/..", "..", "/.", LONGEST};
	static const char *const bad[] = {"",
					  "/",
					  "//a",
					  "a/b",
					  "/a/",
					  "a b",
					  "a\n",
					  "a\\b",
					  "\xc3\xa4",
					  "../a",
					  "/../../etc/passwd",
					  "a%",
					  "a:b",
					  "a+b",
					  LONGEST "x"};
	(void)state;
	assert_int_equal(strlen(LONGEST), SHM_NAME_MAX);
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		if (!shm_is_key(good[i]))
			fail_msg("\"%s\" is no key", good[i]);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (shm_is_key(bad[i]))
			fail_msg("\"%s\" is a key", bad[i]);
	/* The slash counts to the length. */
	assert_false(shm_is_key("/" LONGEST));
}

static void a_key_must_begin_with_the_prefix(void **state)
{
	(void)state;
	assert_true(shm_key_allowed("lossd_", "lossd_a"));
	assert_true(shm_key_allowed("lossd_", "/lossd_a"));
	assert_true(shm_key_allowed("lossd_", "lossd_"));
	assert_false(shm_key_allowed("lossd_", "lossd"));
	assert_false(shm_key_allowed("lossd_", "/Lossd_a"));
	assert_false(shm_key_allowed("lossd_", "a_lossd_"));
	assert_false(shm_key_allowed("lossd_", "//lossd_a"));
	assert_false(shm_key_allowed("none", "none"));
	assert_false(shm_key_allowed("none", "/none_at_all"));
}

static void prefixes_are_parts_of_keys(void **state)
{
	static const char *const bad[] = {"", "/", "/a", "a/", "a*", "*", "a b", LONGEST "x"};
	(void)state;
	assert_true(shm_is_prefix("none"));
	assert_true(shm_is_prefix("psm_"));
	assert_true(shm_is_on("psm_"));
	assert_false(shm_is_on("none"));
	assert_true(shm_is_prefix(LONGEST));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(shm_is_prefix(bad[i]));
}

static void names_are_printable(void **state)
{
	static const char *const good[] = {"a", " ", "in put/0", "~!\"{}", LONGEST};
	static const char *const bad[] = {"", "a\n", "\x7f", "\xc3\xa4", "\x01", LONGEST "x"};
	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_true(shm_is_name(good[i]));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(shm_is_name(bad[i]));
}

static void owners_are_a_list(void **state)
{
	static const char *const good[] = {"self",         "0",          "1000",
					   "0,1000,65534", "4294967295", "007"};
	static const char *const bad[] = {"",
					  ",",
					  "1,",
					  ",1",
					  "1,,2",
					  "-1",
					  "root",
					  "1 ",
					  " 1",
					  "1, 2",
					  "self,1",
					  "1,self",
					  "1;2",
					  "0x1",
					  "4294967296",
					  "99999999999999999999999",
					  "18446744073709551617",
					  "1,18446744073709551616"};
	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		if (!shm_is_owners(good[i]))
			fail_msg("\"%s\" is no list of owners", good[i]);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (shm_is_owners(bad[i]))
			fail_msg("\"%s\" is a list of owners", bad[i]);
}

static void an_owner_is_the_server_or_listed(void **state)
{
	(void)state;
	assert_true(shm_owner_allowed("self", 7, 7));
	assert_false(shm_owner_allowed("self", 0, 7));
	assert_true(shm_owner_allowed("1000,0,33", 0, 7));
	assert_true(shm_owner_allowed("1000,0,33", 33, 7));
	assert_true(shm_owner_allowed("1000,0,33", 7, 7));
	assert_false(shm_owner_allowed("1000,0,33", 3, 7));
	assert_false(shm_owner_allowed("1000,33", 0, 7));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_plain_words),
		cmocka_unit_test(a_key_must_begin_with_the_prefix),
		cmocka_unit_test(prefixes_are_parts_of_keys),
		cmocka_unit_test(names_are_printable),
		cmocka_unit_test(owners_are_a_list),
		cmocka_unit_test(an_owner_is_the_server_or_listed),
	};
	return cmocka_run_group_tests_name("shm rules", tests, NULL, NULL);
}
