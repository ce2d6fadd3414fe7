/* Error documents: every row of the table, hostile text in every place that takes a caller's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "../../server/codec/json/problem_json.h"
#include "budget.h"
#include "status/status.h"

/* The context is the pointer of all errors that have a field. */
static void point(const void *context, const struct loss_error *err, char *out, size_t size)
{
	assert_string_not_equal(err->field, "");
	snprintf(out, size, "%s", (const char *)context);
}

static const char *write_problem(struct loss_arena *arena, const struct loss_error *err,
				 const char *pointer, const char *request_id)
{
	assert_non_null(arena);
	struct loss_buffer *buffer = loss_buffer_create(arena);
	assert_non_null(buffer);
	const struct problem_origin origin = {request_id, 0, point, pointer};
	assert_true(problem_json_write(buffer, err, &origin));
	assert_true(loss_buffer_append(buffer, "", 1));
	return (const char *)buffer->data;
}

static void test_the_whole_document(void **state)
{
	(void)state;
	struct loss_arena *arena = loss_arena_create(NULL);
	struct loss_error err;
	loss_fail(&err, LOSS_TARGET_OUT_OF_BOUNDS, "targets",
		  "targets[3] is 7, but there are 5 classes (0..4)");
	assert_string_equal(write_problem(arena, &err, "/targets/3", "id-1"),
			    "{\"type\":\"/problems/target_out_of_bounds\","
			    "\"title\":\"Target out of bounds\",\"status\":422,"
			    "\"detail\":\"targets[3] is 7, but there are 5 classes (0..4)\","
			    "\"code\":\"target_out_of_bounds\",\"pointer\":\"/targets/3\","
			    "\"errors\":[{\"code\":\"target_out_of_bounds\","
			    "\"detail\":\"targets[3] is 7, but there are 5 classes (0..4)\","
			    "\"pointer\":\"/targets/3\"}],"
			    "\"request_id\":\"id-1\"}\n");
	loss_arena_destroy(arena);
}

static void test_no_place_no_pointer(void **state)
{
	(void)state;
	struct loss_arena *arena = loss_arena_create(NULL);
	struct loss_error err;
	loss_fail(&err, STATUS_EMPTY_BODY, NULL, "the body is empty");
	const char *text = write_problem(arena, &err, "", "x");
	assert_null(strstr(text, "pointer"));
	assert_non_null(strstr(text, "\"code\":\"empty_body\",\"errors\":[{\"code\":"
				     "\"empty_body\",\"detail\":\"the body is empty\"}],"
				     "\"request_id\":\"x\"}"));
	loss_arena_destroy(arena);
}

static void test_a_line_and_several_errors(void **state)
{
	(void)state;
	struct loss_arena *arena = loss_arena_create(NULL);
	struct loss_buffer *buffer = loss_buffer_create(arena);
	struct loss_error err, second;
	const struct problem_origin origin = {"x", 7, point, "/here"};
	loss_fail(&second, LOSS_DTYPE_MISMATCH, "weight", "two");
	loss_fail(&err, LOSS_WRONG_TYPE, "", "one");
	err.more = &second;
	assert_true(problem_json_write(buffer, &err, &origin) && loss_buffer_append(buffer, "", 1));
	assert_non_null(strstr((const char *)buffer->data,
			       "\"detail\":\"one\",\"code\":\"wrong_type\",\"line\":7,\"errors\":["
			       "{\"code\":\"wrong_type\",\"detail\":\"one\"},"
			       "{\"code\":\"dtype_mismatch\",\"detail\":\"two\","
			       "\"pointer\":\"/here\"}],\"request_id\":\"x\"}"));
	loss_arena_destroy(arena);
}

static const char *string_at(const cJSON *object, const char *name)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

static void test_every_status(void **state)
{
	(void)state;
	struct loss_arena *arena = loss_arena_create(NULL);
	for (size_t i = 1; i < STATUS_COUNT; i++) {
		loss_status status = status_at(i);
		const struct loss_status_words *info = status_words(status);
		struct loss_error err;
		loss_fail(&err, status, NULL, "detail %d", status);
		cJSON *json = cJSON_Parse(write_problem(arena, &err, "", "id"));
		char type[96];
		snprintf(type, sizeof type, "/problems/%s", info->code);
		assert_string_equal(string_at(json, "type"), type);
		assert_string_equal(string_at(json, "code"), info->code);
		assert_string_equal(string_at(json, "title"), info->title);
		assert_string_equal(string_at(json, "detail"), err.detail);
		assert_int_equal(cJSON_GetObjectItem(json, "status")->valueint,
				 status_http(status));
		cJSON_Delete(json);
	}
	loss_arena_destroy(arena);
}

static void test_hostile_text(void **state)
{
	(void)state;
	struct loss_arena *arena = loss_arena_create(NULL);
	struct loss_error err;
	loss_fail(&err, LOSS_UNKNOWN_FIELD, "x", "%s", "no field \"\xff\x01\n\\\xe2\x82\" here");
	const char *text = write_problem(arena, &err, "/a\"b\xc0", "\x1b[31m");
	assert_non_null(strstr(text,
			       "\"detail\":\"no field \\\"\xef\xbf\xbd\\u0001\\n\\\\\xef\xbf\xbd"
			       "\\\" here\""));
	assert_non_null(strstr(text, "\"pointer\":\"/a\\\"b\xef\xbf\xbd\""));
	assert_non_null(strstr(text, "\"request_id\":\"\\u001b[31m\""));
	loss_arena_destroy(arena);
}

/* A detail that was cut in the middle of a character is still UTF-8. */
static void test_cut_detail(void **state)
{
	(void)state;
	struct loss_arena *arena = loss_arena_create(NULL);
	struct loss_error err;
	char text[1024];
	for (size_t i = 0; i + 3 < sizeof text; i += 3)
		memcpy(text + i, "\xe2\x82\xac", 4);
	loss_fail(&err, LOSS_WRONG_TYPE, NULL, "%s", text);
	const char *document = write_problem(arena, &err, "", "id");
	/* 511 bytes are 170 characters and a byte of the next. */
	const char *end = strstr(document, "\",\"code\"");
	assert_non_null(end);
	assert_memory_equal(end - 6, "\xe2\x82\xac\xef\xbf\xbd", 6);
	loss_arena_destroy(arena);
}

static void test_no_memory(void **state)
{
	(void)state;
	struct loss_arena *arena = loss_arena_create(NULL);
	assert_non_null(arena);
	size_t block = loss_arena_held(arena);
	loss_arena_destroy(arena);
	/* Room for the arena, none for the text. */
	struct loss_budget budget = {.limit = block};
	arena = loss_arena_create(&budget);
	assert_non_null(arena);
	struct loss_buffer *buffer = loss_buffer_create(arena);
	assert_non_null(buffer);
	struct loss_error err;
	loss_fail(&err, LOSS_WRONG_TYPE, NULL, "detail");
	assert_false(
		problem_json_write(buffer, &err, &(struct problem_origin){.request_id = "id"}));
	loss_arena_destroy(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_whole_document),
		cmocka_unit_test(test_no_place_no_pointer),
		cmocka_unit_test(test_a_line_and_several_errors),
		cmocka_unit_test(test_every_status),
		cmocka_unit_test(test_hostile_text),
		cmocka_unit_test(test_cut_detail),
		cmocka_unit_test(test_no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
