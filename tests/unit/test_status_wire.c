/* Errors on the wire: the order of precedence, HTTP statuses and codes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <string.h>

#include "status/status.h"

/* What clients rely on, written down once more: the first that applies is reported. */
static const struct {
	loss_status status;
	int http;
	const char *code;
} contract[] = {
	{LOSS_OK, 200, "ok"},
	{STATUS_INTERNAL_ERROR, 500, "internal_error"},
	{STATUS_DRAINING, 503, "draining"},
	{LOSS_OUT_OF_MEMORY, 503, "out_of_memory"},
	{LOSS_TOO_MUCH_MEMORY_IN_FLIGHT, 429, "too_much_memory_in_flight"},
	{STATUS_QUEUE_FULL, 429, "queue_full"},
	{STATUS_FORBIDDEN, 403, "forbidden"},
	{STATUS_UNKNOWN_PATH, 404, "unknown_path"},
	{STATUS_UNKNOWN_LOSS, 404, "unknown_loss"},
	{STATUS_METHOD_NOT_ALLOWED, 405, "method_not_allowed"},
	{STATUS_UNAUTHORIZED, 401, "unauthorized"},
	{STATUS_RATE_LIMITED, 429, "rate_limited"},
	{STATUS_INVALID_HEADER, 400, "invalid_header"},
	{STATUS_LENGTH_REQUIRED, 411, "length_required"},
	{STATUS_EXPECTATION_FAILED, 417, "expectation_failed"},
	{STATUS_UNSUPPORTED_MEDIA_TYPE, 415, "unsupported_media_type"},
	{STATUS_UNSUPPORTED_ENCODING, 415, "unsupported_encoding"},
	{STATUS_NOT_ACCEPTABLE, 406, "not_acceptable"},
	{STATUS_BODY_TOO_LARGE, 413, "body_too_large"},
	{LOSS_TOO_LARGE_FOR_BUDGET, 413, "too_large_for_server"},
	{STATUS_INVALID_ENCODING, 400, "invalid_encoding"},
	{STATUS_EMPTY_BODY, 400, "empty_body"},
	{STATUS_INVALID_JSON, 400, "invalid_json"},
	{STATUS_INVALID_SAFETENSORS, 400, "invalid_safetensors"},
	{STATUS_TRUNCATED_BODY, 400, "truncated_body"},
	{STATUS_INVALID_QUERY, 400, "invalid_query"},
	{LOSS_UNKNOWN_FIELD, 422, "unknown_field"},
	{LOSS_DUPLICATE_FIELD, 422, "duplicate_field"},
	{LOSS_WRONG_TYPE, 422, "wrong_type"},
	{LOSS_DTYPE_MISMATCH, 422, "dtype_mismatch"},
	{LOSS_MISSING_FIELD, 422, "missing_field"},
	{STATUS_RAGGED_ARRAY, 422, "ragged_array"},
	{STATUS_TOO_MANY_ELEMENTS, 422, "too_many_elements"},
	{LOSS_SHAPE_MISMATCH, 422, "shape_mismatch"},
	{LOSS_ARGUMENT_OUT_OF_RANGE, 422, "argument_out_of_range"},
	{LOSS_TARGET_OUT_OF_BOUNDS, 422, "target_out_of_bounds"},
	{LOSS_CANCELLED, 504, "deadline_exceeded"},
};

static void the_list_is_the_contract(void **state)
{
	(void)state;
	assert_int_equal(sizeof contract / sizeof *contract, STATUS_COUNT);
	for (size_t i = 0; i < STATUS_COUNT; i++) {
		assert_int_equal(status_at(i), contract[i].status);
		assert_int_equal(status_http(status_at(i)), contract[i].http);
		assert_string_equal(status_words(status_at(i))->code, contract[i].code);
	}
}

static void no_number_of_the_server_is_one_of_the_librarys(void **state)
{
	(void)state;
	for (size_t i = 0; i < STATUS_COUNT; i++) {
		loss_status status = status_at(i);
		assert_true((status >= 0 && status < LOSS_N_STATUS) ||
			    (status > LOSS_N_STATUS && status < STATUS_END));
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(status_at(j), status);
	}
}

static void every_row_has_its_words(void **state)
{
	(void)state;
	for (size_t i = 0; i < STATUS_COUNT; i++) {
		const struct loss_status_words *words = status_words(status_at(i));
		assert_true(strlen(words->code) > 0);
		for (const char *c = words->code; *c != '\0'; c++)
			assert_true(islower((unsigned char)*c) || *c == '_');
		assert_true(isupper((unsigned char)words->title[0]));
		assert_int_equal(words->help[strlen(words->help) - 1], '.');
		assert_null(strstr(words->help, "  "));
	}
}

static void an_error_precedes_what_stands_below_it_and_nothing_precedes_by_being_ok(void **state)
{
	(void)state;
	for (size_t i = 0; i < STATUS_COUNT; i++)
		for (size_t j = 0; j < STATUS_COUNT; j++)
			assert_int_equal(status_precedes(status_at(i), status_at(j)),
					 i > 0 && (j == 0 || i < j));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_list_is_the_contract),
		cmocka_unit_test(no_number_of_the_server_is_one_of_the_librarys),
		cmocka_unit_test(every_row_has_its_words),
		cmocka_unit_test(
			an_error_precedes_what_stands_below_it_and_nothing_precedes_by_being_ok),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
