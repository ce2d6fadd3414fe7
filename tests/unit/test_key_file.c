/* The file of keys: what is read from it, what is said of a wrong one, what is written. */
#include "../support/capture.h"
#include "keys/key_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* SHA-256 of "abc" and of "" (FIPS 180-4's examples). */
#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define NOTHING "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define KEY(members) "{\"keys\": [{\"name\": \"a\", \"hash\": \"" ABC "\", " members "}]}"
#define SCOPES "\"scopes\": [\"evaluate\"]"
#define FULL                                                                                       \
	"{\"name\": \"ci\", \"hash\": \"" ABC "\", \"created\": \"2026-01-31T12:00:00+02:00\", "   \
	"\"scopes\": [\"metrics\", \"evaluate\"], \"requests_per_second\": 1000000, "              \
	"\"bytes_per_second\": 1099511627776, \"expires\": \"2027-01-31T12:00:00Z\"}"

static struct loss_arena *arena;
static struct key_list list;
static struct loss_error why;

static int set_up(void **state)
{
	(void)state;
	arena = loss_arena_create(NULL);
	memset(&why, 0, sizeof why);
	return arena ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	loss_arena_destroy(arena);
	return 0;
}

static bool parse(const char *text)
{
	return key_file_parse(text, strlen(text), arena, &list, &why);
}

static void keys_are_read(void **state)
{
	(void)state;
	if (!parse("{\"keys\": [" FULL ", {\"hash\": \"" NOTHING "\", \"scopes\": [\"admin\"], "
		   "\"name\": \"M\\u00fcller's \\\"CI\\\"\", \"expires\": null}]}"))
		fail_msg("%s", why.detail);
	assert_int_equal(list.n, 2);
	const struct key *key = &list.keys[0];
	unsigned char hash[KEY_HASH_BYTES];
	assert_true(key_hash("abc", 3, hash));
	assert_memory_equal(key->hash, hash, sizeof hash);
	assert_string_equal(key->name, "ci");
	assert_int_equal(key->scopes, 1u << KEY_METRICS | 1u << KEY_EVALUATE);
	assert_int_equal(key->created, 1769853600);
	assert_int_equal(key->expires, 1801396800);
	assert_int_equal(key->requests_per_second, 1000000);
	assert_int_equal(key->bytes_per_second, (uint64_t)1 << 40);
	key++;
	assert_true(key_hash("", 0, hash));
	assert_memory_equal(key->hash, hash, sizeof hash);
	assert_string_equal(key->name, "M\xc3\xbcller's \"CI\"");
	assert_int_equal(key->scopes, 1u << KEY_ADMIN);
	assert_true(key->created == KEY_NO_TIME && key->expires == KEY_NO_TIME);
	assert_true(key->requests_per_second == 0 && key->bytes_per_second == 0);
}

static void none_is_a_list_too(void **state)
{
	(void)state;
	assert_true(parse(" {\"keys\": [ ]}\n"));
	assert_int_equal(list.n, 0);
}

#define SIXTY "012345678901234567890123456789012345678901234567890123456789"
static void names_have_up_to_64_bytes(void **state)
{
	(void)state;
	assert_true(parse("{\"keys\": [{\"name\": \"" SIXTY "0123\", \"hash\": \"" ABC "\", " SCOPES
			  "}]}"));
	assert_string_equal(list.keys[0].name, SIXTY "0123");
	assert_false(parse("{\"keys\": [{\"name\": \"" SIXTY "01234\", \"hash\": \"" ABC
			   "\", " SCOPES "}]}"));
}

/* What is not would be written as something else. */
static void names_are_utf8_without_control_characters(void **state)
{
	static const char *const good[] = {"a b", "M\xc3\xbcller", "\xf0\x9f\x94\x91", "\xc2\xa0"};
	static const char *const bad[] = {"",
					  "a\n",
					  "\x7f",
					  "M\xfcller",
					  "\xc2\x9b",
					  "a\xc2\x80",
					  "\xe2\x82",
					  "\xed\xa0\x80",
					  "ci\xe2\x80\xaexyz",
					  "a\xe2\x80\xa8",
					  "a\xe2\x80\x8b",
					  "\xef\xbb\xbf"};
	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_true(key_is_name(good[i]));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(key_is_name(bad[i]));
}

static void hashes_may_be_in_capitals(void **state)
{
	unsigned char hash[KEY_HASH_BYTES];
	char text[256];
	(void)state;
	snprintf(text, sizeof text, "%s",
		 "{\"keys\": [{\"name\": \"a\", \"hash\": "
		 "\"BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD\", " SCOPES
		 "}]}");
	assert_true(parse(text));
	assert_true(key_hash("abc", 3, hash));
	assert_memory_equal(list.keys[0].hash, hash, sizeof hash);
}

static void what_is_wrong_is_said_with_entry_member_and_value(void **state)
{
#define NO_HASH                                                                                    \
	"keys[0].hash must be the SHA-256 of the key, 64 hexadecimal digits; what stands there "   \
	"is "                                                                                      \
	"not shown"
#define NO_TIME "must be a time like 2027-01-31T12:00:00Z, not "
#define MEMBERS                                                                                    \
	"; there may be name, hash, scopes, created, expires, requests_per_second and "            \
	"bytes_per_second"
#define NO_NAME "must be 1 to 64 bytes without control characters, not "
	static const struct {
		const char *text, *detail;
	} cases[] = {
		{"", "the file must hold one JSON object, {\"keys\": [...]}"},
		{" \n", "the file must hold one JSON object, {\"keys\": [...]}"},
		{"[]", "the file must hold one JSON object, {\"keys\": [...]}"},
		{"{}", "\"keys\" is missing; it must be a list of objects"},
		{"{\"keys\": null}", "\"keys\" is missing; it must be a list of objects"},
		{"{\"keys\": {}}", "\"keys\" must be a list of objects"},
		{"{\"keys\": 1}", "\"keys\" must be a list of objects"},
		{"{\"keys\": [], \"keys\": []}", "\"keys\" stands there twice"},
		{"{\"keys\": [], \"version\": 1}",
		 "the file has a member \"version\"; there may be \"keys\" alone"},
		{"{\"keys\": [1]}", "keys[0] must be an object, not 1"},
		{"{\"keys\": [[]]}", "keys[0] must be an object, not an array"},
		{"{\"keys\": [" FULL ", null]}", "keys[1] must be an object, not null"},
		{"{\"keys\": [{}]}", "keys[0] has no name"},
		{"{\"keys\": [{\"name\": \"a\"}]}", "keys[0] has no hash"},
		{"{\"keys\": [{\"name\": \"a\", \"hash\": \"" ABC "\"}]}", "keys[0] has no scopes"},
		{KEY(SCOPES ", \"scopes\": [\"admin\"]"), "keys[0].scopes stands there twice"},
		{KEY(SCOPES ", \"key\": \"lossd_secret\""), "keys[0] has a member \"key\"" MEMBERS},
		{KEY(SCOPES ", \"Expires\": null"), "keys[0] has a member \"Expires\"" MEMBERS},
		{"{\"keys\": [{\"name\": \"\"}]}", "keys[0].name " NO_NAME "\"\""},
		{"{\"keys\": [{\"name\": 7}]}", "keys[0].name " NO_NAME "7"},
		{"{\"keys\": [{\"name\": \"a\\nb\"}]}", "keys[0].name " NO_NAME "\"a?b\""},
		{"{\"keys\": [{\"name\": \"a\\u007f\"}]}", "keys[0].name " NO_NAME "\"a?\""},
		{"{\"keys\": [{\"hash\": \"lossd_secret\"}]}", NO_HASH},
		{"{\"keys\": [{\"hash\": 12}]}", NO_HASH},
		{"{\"keys\": [{\"hash\": \"" ABC "0\"}]}", NO_HASH},
		{"{\"keys\": [{\"hash\": \"g" SIXTY "012\"}]}", NO_HASH},
		{KEY("\"scopes\": []"),
		 "keys[0].scopes must be a list of evaluate, metrics and admin, not empty"},
		{KEY("\"scopes\": \"evaluate\""),
		 "keys[0].scopes must be a list of evaluate, metrics and admin, not \"evaluate\""},
		{KEY("\"scopes\": [\"evaluate\", \"all\"]"),
		 "keys[0].scopes[1] must be one of evaluate, metrics and admin, not \"all\""},
		{KEY("\"scopes\": [[\"evaluate\"]]"),
		 "keys[0].scopes[0] must be one of evaluate, metrics and admin, not an array"},
		{KEY("\"scopes\": [\"admin\", \"admin\"]"),
		 "keys[0].scopes[1] is \"admin\", which stands there twice"},
		{KEY(SCOPES ", \"expires\": \"2027-01-31\""),
		 "keys[0].expires " NO_TIME "\"2027-01-31\""},
		{KEY(SCOPES ", \"expires\": 1801396800"), "keys[0].expires " NO_TIME "1801396800"},
		{KEY(SCOPES ", \"created\": \"today\""), "keys[0].created " NO_TIME "\"today\""},
		{KEY(SCOPES ", \"requests_per_second\": 0"),
		 "keys[0].requests_per_second must be a whole number from 1 to 1000000, not 0"},
		{KEY(SCOPES ", \"requests_per_second\": 1000001"),
		 "keys[0].requests_per_second must be a whole number from 1 to 1000000, not "
		 "1000001"},
		{KEY(SCOPES ", \"requests_per_second\": 0.5"),
		 "keys[0].requests_per_second must be a whole number from 1 to 1000000, not 0.5"},
		{KEY(SCOPES ", \"requests_per_second\": \"5\""),
		 "keys[0].requests_per_second must be a whole number from 1 to 1000000, not \"5\""},
		{KEY(SCOPES ", \"bytes_per_second\": -1"),
		 "keys[0].bytes_per_second must be a whole number from 1 to 1099511627776, not -1"},
		{KEY(SCOPES ", \"bytes_per_second\": 1099511627777"),
		 "keys[0].bytes_per_second must be a whole number from 1 to 1099511627776, not "
		 "1099511627777"},
		{"{\"keys\": [" FULL ", {\"name\": \"b\", \"hash\": \"" ABC "\", " SCOPES "}]}",
		 "keys[1].hash is that of keys[0], too"},
		{"{\"keys\": [" FULL ", {\"name\": \"ci\", \"hash\": \"" NOTHING "\", " SCOPES
		 "}]}",
		 "keys[1].name is \"ci\", as that of keys[0]"},
		/* What is no JSON is told before anything else. */
		{"{\"keys\": [1], \"x\": }",
		 "line 1, column 20: found '}', but a value is expected"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		if (parse(cases[i].text))
			fail_msg("is read: %s", cases[i].text);
		assert_string_equal(why.detail, cases[i].detail);
	}
}

/* One that is cut, at any byte, is never taken for another. */
static void a_part_of_a_file_is_none(void **state)
{
	static const char whole[] = "{\"keys\": [" FULL "]}";
	(void)state;
	for (size_t n = 0; n < sizeof whole - 1; n++)
		assert_false(key_file_parse(whole, n, arena, &list, &why));
	assert_true(key_file_parse(whole, sizeof whole - 1, arena, &list, &why));
}

static void what_is_written_is_read_again(void **state)
{
	(void)state;
	assert_true(parse("{\"keys\": [" FULL ", {\"hash\": \"" NOTHING
			  "\", \"scopes\": [\"admin\"], \"name\": \"\\\"\\\\ \\u00fc\"}]}"));
	struct key_list before = list;
	struct loss_buffer *text = loss_buffer_create(arena);
	assert_true(key_file_write(&before, text));
	assert_true(key_file_parse(text->data, text->size, arena, &list, &why));
	assert_int_equal(list.n, before.n);
	for (size_t i = 0; i < list.n; i++) {
		const struct key *a = &before.keys[i], *b = &list.keys[i];
		assert_string_equal(a->name, b->name);
		assert_memory_equal(a->hash, b->hash, KEY_HASH_BYTES);
		assert_true(a->scopes == b->scopes && a->created == b->created &&
			    a->expires == b->expires &&
			    a->requests_per_second == b->requests_per_second &&
			    a->bytes_per_second == b->bytes_per_second);
	}
	struct loss_buffer *empty = loss_buffer_create(arena);
	assert_true(key_file_write(&(struct key_list){NULL, 0}, empty));
	assert_true(key_file_parse(empty->data, empty->size, arena, &list, &why));
	assert_int_equal(list.n, 0);
}

/* ---------------------------------------------------------------- files */

static void files_that_can_not_be_read_say_why(void **state)
{
	char folder[256], path[512];
	(void)state;
	make_folder(folder, sizeof folder);
	snprintf(path, sizeof path, "%s/keys.json", folder);
	assert_false(key_file_read(path, arena, &list, &why));
	assert_string_equal(why.detail, strerror(ENOENT));
	assert_false(key_file_read(folder, arena, &list, &why));
	assert_string_equal(why.detail, "is no regular file");
	/* Nobody waits for its other end. */
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_false(key_file_read(path, arena, &list, &why));
	assert_string_equal(why.detail, "is no regular file");
	assert_int_equal(remove(path), 0);
	write_file(path, "{\"keys\": [" FULL "]}");
	assert_true(key_file_read(path, arena, &list, &why));
	assert_int_equal(list.n, 1);
	remove_folder(folder);
}

/* One byte less than the bound, as much, and one more. */
static void files_have_up_to_16_mib(void **state)
{
	char folder[256], path[512];
	static const char text[] = "{\"keys\": []}";
	char *spaces = malloc(KEY_FILE_BYTES + 2);
	(void)state;
	assert_non_null(spaces);
	make_folder(folder, sizeof folder);
	snprintf(path, sizeof path, "%s/keys.json", folder);
	for (size_t n = KEY_FILE_BYTES - 1; n <= KEY_FILE_BYTES + 1; n++) {
		memset(spaces, ' ', n);
		memcpy(spaces, text, sizeof text - 1);
		spaces[n] = '\0';
		write_file(path, spaces);
		assert_int_equal(key_file_read(path, arena, &list, &why), n <= KEY_FILE_BYTES);
	}
	assert_string_equal(why.detail, "is larger than 16MiB");
	free(spaces);
	remove_folder(folder);
}

static void a_file_for_all_to_read_is_noticed(void **state)
{
	char folder[256], path[512];
	(void)state;
	make_folder(folder, sizeof folder);
	snprintf(path, sizeof path, "%s/keys.json", folder);
	write_file(path, "{\"keys\": []}");
	for (mode_t mode = 0600; mode <= 0666; mode++) {
		assert_int_equal(chmod(path, mode), 0);
		assert_int_equal(key_file_is_exposed(path), (mode & 6) != 0);
	}
	remove_folder(folder);
}

/* ---------------------------------------------------------------- keys */

static void keys_are_256_bits_of_base64url(void **state)
{
	char first[KEY_TEXT_SIZE], second[KEY_TEXT_SIZE];
	bool seen[64] = {false};
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	(void)state;
	assert_true(key_make(first));
	for (int i = 0; i < 100; i++) {
		assert_true(key_make(second));
		assert_int_equal(strlen(second), 49);
		assert_memory_equal(second, "lossd_", 6);
		assert_int_equal(strspn(second + 6, digits), 43);
		assert_string_not_equal(first, second);
		for (int j = 6; j < 49; j++)
			seen[strchr(digits, second[j]) - digits] = true;
		/* Of the last one two bits are no bits of the key. */
		assert_int_equal((strchr(digits, second[48]) - digits) % 4, 0);
	}
	for (int i = 0; i < 64; i++)
		assert_true(seen[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(keys_are_read),
		TEST(none_is_a_list_too),
		TEST(names_have_up_to_64_bytes),
		TEST(names_are_utf8_without_control_characters),
		TEST(hashes_may_be_in_capitals),
		TEST(what_is_wrong_is_said_with_entry_member_and_value),
		TEST(a_part_of_a_file_is_none),
		TEST(what_is_written_is_read_again),
		TEST(files_that_can_not_be_read_say_why),
		TEST(files_have_up_to_16_mib),
		TEST(a_file_for_all_to_read_is_noticed),
		TEST(keys_are_256_bits_of_base64url),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
