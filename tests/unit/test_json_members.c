/* The members of JSON objects: what each token is to the one who owns the table of names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "codec/json/json_members.h"

static const char *const names[] = {"a", "b", "c"};

/* What is said of each token: a letter, and of a value its member and level. */
struct record {
	struct json_members members;
	char text[512];
};

static void on_token(void *context, const struct json_token *token)
{
	static const char letters[] = "-XN2?0V.";
	struct record *record = context;
	size_t used = strlen(record->text), room = sizeof record->text - used;
	enum json_members_event event = json_members_take(&record->members, token);
	if (event == JSON_MEMBERS_VALUE)
		snprintf(record->text + used, room, "V%zu%u ", record->members.selected,
			 record->members.level);
	else
		snprintf(record->text + used, room, "%c ", letters[event]);
}

static struct json_members read_text(const char *text, const char *const *table, size_t n,
				     const char *expected)
{
	struct loss_arena *arena = loss_arena_create(NULL);
	struct record record = {.text = ""};
	struct json_scan scan;
	struct loss_error err;
	json_members_start(&record.members, table, n);
	json_scan_start(&scan, arena, &(struct json_scan_owner){on_token, NULL, &record});
	json_scan_feed(&scan, text, strlen(text));
	assert_int_equal(json_scan_finish(&scan, &err), LOSS_OK);
	assert_string_equal(record.text, expected);
	assert_int_equal(record.members.depth, 0);
	loss_arena_destroy(arena);
	return record.members;
}

static void every_token_is_something_to_its_owner(void **state)
{
	(void)state;
	read_text("{}", names, 3, "- . ");
	read_text("{\"c\":1,\"a\":\"x\"}", names, 3, "- N V20 N V00 . ");
	read_text("{\"b\":[1,{\"a\":2}],\"a\":{}}", names, 3,
		  "- N V10 V11 V11 V12 V12 V12 V11 N V00 V01 . ");
}

static void names_come_once_and_are_known(void **state)
{
	(void)state;
	read_text("{\"a\":1,\"a\":[2,{\"b\":3}],\"b\":4}", names, 3,
		  "- N V00 2 - - - - - - - N V10 . ");
	read_text("{\"d\":{\"a\":[]},\"ab\":1,\"\":2}", names, 3, "- ? - - - - - ? - ? - . ");
	read_text("{\"a\":null,\"a\":1}", names, 3, "- N 0 2 - . ");
	read_text("{\"a\":1}", NULL, 1, "- N V00 . ");
	read_text("{\"a\":1,\"a\":null,\"z\":[]}", NULL, 1, "- N V00 N 0 N V00 V01 . ");
}

static void what_is_no_object_is_passed_over(void **state)
{
	static const char *const others[] = {"1", "null", "\"a\"", "true"};
	(void)state;
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		read_text(others[i], names, 3, "X ");
	read_text("[]", names, 3, "X - ");
	read_text("[{\"a\":1},\"a\",null]", names, 3, "X - - - - - - - ");
}

static void what_is_null_is_seen_and_missing(void **state)
{
	(void)state;
	struct json_members members =
		read_text("{\"c\":[null],\"a\":null}", names, 3, "- N V20 V21 V21 N 0 . ");
	assert_int_equal(members.seen, 5);
	assert_int_equal(members.given, 4);
	assert_true(json_members_has(&members, 2));
	assert_false(json_members_has(&members, 0));
	assert_int_equal(json_members_missing(&members, 3), 0);
	members = read_text("{\"b\":1,\"a\":2}", names, 3, "- N V10 N V00 . ");
	assert_int_equal(json_members_missing(&members, 2), 2);
	assert_int_equal(json_members_missing(&members, 3), 2);
}

static void take(struct json_members *members, enum json_event event, const char *text)
{
	const struct json_token token = {.event = event, .text = text, .size = strlen(text)};
	json_members_take(members, &token);
}

/* Also inside of what is passed over. */
static void open_objects_are_counted(void **state)
{
	struct json_members members;
	(void)state;
	json_members_start(&members, names, 3);
	take(&members, JSON_OBJECT, "");
	for (int again = 0; again < 2; again++) {
		take(&members, JSON_KEY, "b");
		assert_int_equal(members.named, 1);
		assert_int_equal(members.selected, again ? 3 : 1);
		take(&members, JSON_ARRAY, "");
		assert_int_equal(members.objects, 0);
		take(&members, JSON_OBJECT, "");
		assert_int_equal(members.objects, 1);
		take(&members, JSON_OBJECT_END, "");
		take(&members, JSON_ARRAY_END, "");
		assert_int_equal(members.objects, 0);
	}
	take(&members, JSON_OBJECT_END, "");
	assert_int_equal(members.objects, 0);
}

static void the_rest_of_a_value_can_be_passed_over(void **state)
{
	struct json_members members;
	(void)state;
	json_members_start(&members, names, 3);
	take(&members, JSON_OBJECT, "");
	take(&members, JSON_KEY, "a");
	take(&members, JSON_ARRAY, "");
	json_members_pass(&members);
	take(&members, JSON_ARRAY_END, "");
	assert_int_equal(members.selected, 3);
	take(&members, JSON_KEY, "b");
	assert_int_equal(members.selected, 1);
	assert_true(json_members_has(&members, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_token_is_something_to_its_owner),
		cmocka_unit_test(names_come_once_and_are_known),
		cmocka_unit_test(what_is_no_object_is_passed_over),
		cmocka_unit_test(what_is_null_is_seen_and_missing),
		cmocka_unit_test(open_objects_are_counted),
		cmocka_unit_test(the_rest_of_a_value_can_be_passed_over),
	};
	return cmocka_run_group_tests_name("json_members", tests, NULL, NULL);
}
