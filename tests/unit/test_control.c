/* Small JSON documents: what is taken from them, and what is said of wrong ones. */
#include "codec/json/control.h"
#include "status/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static struct loss_arena *arena;
static struct loss_error err;

/* What is read into. */
static struct {
	char key[8];
	uint64_t offset, byte_size;
	bool flag;
} values;

static const struct control_field fields[] = {
	{"key", CONTROL_TEXT, true, values.key, sizeof values.key},
	{"offset", CONTROL_SIZE, false, &values.offset, 0},
	{"byte_size", CONTROL_SIZE, true, &values.byte_size, 0},
	{"flag", CONTROL_FLAG, false, &values.flag, 0},
	{"parameters", CONTROL_OBJECT, false, NULL, 0},
};

static int set_up(void **state)
{
	(void)state;
	arena = loss_arena_create(NULL);
	memset(&values, 0, sizeof values);
	memset(&err, 0, sizeof err);
	return arena ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	loss_arena_destroy(arena);
	return 0;
}

static struct loss_buffer *body_of(const char *text)
{
	struct loss_buffer *body = loss_buffer_create(arena);
	assert_true(loss_buffer_append(body, text, strlen(text)));
	return body;
}

static loss_status read_body(const char *text)
{
	return control_read(body_of(text), fields, sizeof fields / sizeof *fields, &err);
}

/* A document that may have no members says so. */
static void a_document_without_members(void **state)
{
	(void)state;
	assert_int_equal(control_read(body_of("{}"), NULL, 0, &err), LOSS_OK);
	assert_int_equal(control_read(NULL, NULL, 0, &err), LOSS_OK);
	assert_int_equal(control_read(body_of("{\"x\": 1}"), NULL, 0, &err), LOSS_UNKNOWN_FIELD);
	assert_string_equal(err.detail,
			    "there is a member \"x\", but this document has none: send {}, "
			    "or no body");
}

static void members_fill_their_values(void **state)
{
	(void)state;
	assert_int_equal(read_body(" {\"byte_size\": 18446744073709551615, \"key\":\"\\u002fa\","
				   "\"flag\":true,\"offset\":12} \n"),
			 LOSS_OK);
	assert_string_equal(values.key, "/a");
	assert_int_equal(values.offset, 12);
	assert_true(values.byte_size == UINT64_MAX);
	assert_true(values.flag);
}

/* Beyond 2^53 a double would not do. */
static void sizes_are_exact(void **state)
{
	(void)state;
	assert_int_equal(read_body("{\"key\":\"k\",\"byte_size\":9007199254740993,\"offset\":-0}"),
			 LOSS_OK);
	assert_true(values.byte_size == 9007199254740993u);
	assert_int_equal(values.offset, 0);
}

static void what_is_left_out_stays_as_it_was(void **state)
{
	(void)state;
	values.offset = 7;
	values.flag = true;
	assert_int_equal(read_body("{\"key\":\"k\",\"byte_size\":1,\"offset\":null}"), LOSS_OK);
	assert_int_equal(values.offset, 7);
	assert_true(values.flag);
}

static void objects_are_not_looked_into(void **state)
{
	(void)state;
	assert_int_equal(read_body("{\"key\":\"k\",\"parameters\":{\"key\":\"x\",\"a\":[{\"b\":"
				   "[1]},{}],\"a\":2},\"byte_size\":1}"),
			 LOSS_OK);
	assert_string_equal(values.key, "k");
}

static void an_empty_body_is_an_empty_object(void **state)
{
	static const struct control_field optional[] = {
		{"flag", CONTROL_FLAG, false, &values.flag, 0}};
	static const char *const empty[] = {"", " \n\t", "{}", " { } "};
	(void)state;
	assert_int_equal(control_read(NULL, optional, 1, &err), LOSS_OK);
	for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) {
		assert_int_equal(control_read(body_of(empty[i]), optional, 1, &err), LOSS_OK);
		assert_int_equal(control_read(body_of(empty[i]), NULL, 0, &err), LOSS_OK);
		assert_int_equal(read_body(empty[i]), LOSS_MISSING_FIELD);
		assert_string_equal(err.field, "key");
	}
	assert_int_equal(control_read(NULL, fields, 1, &err), LOSS_MISSING_FIELD);
}

static void wrong_documents_say_what_is_wrong(void **state)
{
	static const struct {
		const char *body;
		loss_status status;
		const char *words;
	} table[] = {
		{"[]", LOSS_WRONG_TYPE, "must be a JSON object"},
		{"1", LOSS_WRONG_TYPE, "must be a JSON object"},
		{"null", LOSS_WRONG_TYPE, "must be a JSON object"},
		{"[{\"key\": 1}]", LOSS_WRONG_TYPE, "must be a JSON object"},
		{"{\"Key\":\"k\"}", LOSS_UNKNOWN_FIELD,
		 "\"Key\" here; there may be \"key\", \"offset\", \"byte_size\", \"flag\" and "
		 "\"parameters\""},
		{"{\"key\":\"k\",\"key\":\"k\"}", LOSS_DUPLICATE_FIELD,
		 "\"key\" stands there twice"},
		{"{\"offset\":null,\"offset\":1}", LOSS_DUPLICATE_FIELD, "\"offset\""},
		{"{\"key\":1}", LOSS_WRONG_TYPE, "\"key\" must be a string, not 1"},
		{"{\"key\":[\"k\"]}", LOSS_WRONG_TYPE, "\"key\" must be a string, not an array"},
		{"{\"offset\":\"1\"}", LOSS_WRONG_TYPE, "\"offset\" must be a whole number"},
		{"{\"offset\":-1}", LOSS_WRONG_TYPE, "not -1"},
		{"{\"offset\":1.0}", LOSS_WRONG_TYPE, "not 1.0"},
		{"{\"offset\":1e3}", LOSS_WRONG_TYPE, "not 1e3"},
		{"{\"offset\":18446744073709551616}", LOSS_WRONG_TYPE, "2^64 - 1"},
		{"{\"offset\":true}", LOSS_WRONG_TYPE, "not true"},
		{"{\"flag\":1}", LOSS_WRONG_TYPE, "\"flag\" must be true or false, not 1"},
		{"{\"flag\":\"true\"}", LOSS_WRONG_TYPE, "not \"true\""},
		{"{\"parameters\":[]}", LOSS_WRONG_TYPE, "\"parameters\" must be an object"},
		{"{\"key\":\"12345678\",\"byte_size\":1}", LOSS_ARGUMENT_OUT_OF_RANGE,
		 "longer than 7 bytes"},
		{"{\"byte_size\":1}", LOSS_MISSING_FIELD, "\"key\" is missing"},
		{"{\"key\":\"k\"}", LOSS_MISSING_FIELD, "\"byte_size\" is missing"},
		{"{\"key\":null,\"byte_size\":1}", LOSS_MISSING_FIELD, "\"key\" is missing"},
		/* Of several the one that goes first, whatever the order; syntax goes before all.
		 */
		{"{\"a\":1,\"key\":1}", LOSS_UNKNOWN_FIELD, "\"a\""},
		{"{\"key\":1,\"a\":1}", LOSS_UNKNOWN_FIELD, "\"a\""},
		{"{\"key\":1,\"offset\":true}", LOSS_WRONG_TYPE, "\"key\""},
		{"{\"key\":\"12345678\"}", LOSS_MISSING_FIELD, "\"byte_size\""},
		{"{\"key\":1,}", STATUS_INVALID_JSON, "line 1, column 10"},
		{"{\"key\":1", STATUS_TRUNCATED_BODY, "ends here"},
		{"{} {}", STATUS_INVALID_JSON, "line 1, column 4"},
		{"{\"key\":'k'}", STATUS_INVALID_JSON, ""},
		{"{\"offset\":01}", STATUS_INVALID_JSON, ""},
		{"{\"offset\":NaN}", STATUS_INVALID_JSON, ""},
		{"{\"key\":\"\xff\"}", STATUS_INVALID_JSON, "UTF-8"},
		{"{\"parameters\":{\"a\":[1,]}}", STATUS_INVALID_JSON, ""},
	};
	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		loss_status status = read_body(table[i].body);
		if (status != table[i].status || !strstr(err.detail, table[i].words))
			fail_msg("%s: %s: %s", table[i].body, status_words(status)->code,
				 err.detail);
		assert_int_equal(err.status, status);
	}
}

/* A name with a NUL inside is not the name before it. */
static void an_escaped_nul_is_part_of_a_text(void **state)
{
	(void)state;
	assert_int_equal(read_body("{\"key\\u0000\":\"k\"}"), LOSS_UNKNOWN_FIELD);
	assert_int_equal(read_body("{\"key\":\"k\\u0000\",\"byte_size\":1}"), LOSS_OK);
	assert_string_not_equal(values.key, "k");
}

static void long_texts_and_names_are_refused(void **state)
{
	char body[2048] = "{\"key\":\"";
	(void)state;
	memset(body + 8, 'x', 1000);
	strcpy(body + 1008, "\",\"byte_size\":1}");
	assert_int_equal(read_body(body), LOSS_ARGUMENT_OUT_OF_RANGE);
	strcpy(body, "{\"");
	memset(body + 2, 'y', 1000);
	strcpy(body + 1002, "\":1}");
	assert_int_equal(read_body(body), LOSS_UNKNOWN_FIELD);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_document_without_members),
		TEST(members_fill_their_values),
		TEST(sizes_are_exact),
		TEST(what_is_left_out_stays_as_it_was),
		TEST(objects_are_not_looked_into),
		TEST(an_empty_body_is_an_empty_object),
		TEST(wrong_documents_say_what_is_wrong),
		TEST(an_escaped_nul_is_part_of_a_text),
		TEST(long_texts_and_names_are_refused),
	};
	return cmocka_run_group_tests_name("control", tests, NULL, NULL);
}
