/* The table of errors, filling an error, places inside tensors, and propagation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <string.h>

#include "status.h"

static void every_row_is_complete(void **state)
{
	(void)state;
	for (int i = 0; i < LOSS_N_STATUS; i++) {
		const struct loss_status_info *info = loss_status_info((loss_status)i);
		assert_true(info->http >= 200 && info->http < 600);
		assert_true(i == LOSS_OK ? info->http == 200 : info->http >= 400);
		assert_true(strlen(info->code) > 0);
		for (const char *c = info->code; *c != '\0'; c++)
			assert_true(islower((unsigned char)*c) || *c == '_');
		assert_true(isupper((unsigned char)info->title[0]));
		assert_int_equal(info->help[strlen(info->help) - 1], '.');
		assert_null(strstr(info->help, "  "));
	}
}

static void codes_are_distinct(void **state)
{
	(void)state;
	for (int i = 0; i < LOSS_N_STATUS; i++)
		for (int j = 0; j < i; j++)
			assert_string_not_equal(loss_status_info((loss_status)i)->code,
						loss_status_info((loss_status)j)->code);
}

static void rows_are_in_order_of_precedence(void **state)
{
	(void)state;
	static const loss_status order[] = {
		LOSS_OK,
		LOSS_UNKNOWN_PATH,
		LOSS_METHOD_NOT_ALLOWED,
		LOSS_LENGTH_REQUIRED,
		LOSS_UNSUPPORTED_MEDIA_TYPE,
		LOSS_BODY_TOO_LARGE,
		LOSS_INVALID_JSON,
		LOSS_UNKNOWN_FIELD,
		LOSS_DUPLICATE_FIELD,
		LOSS_WRONG_TYPE,
		LOSS_DTYPE_MISMATCH,
		LOSS_MISSING_FIELD,
		LOSS_SHAPE_MISMATCH,
		LOSS_ARGUMENT_OUT_OF_RANGE,
		LOSS_TARGET_OUT_OF_BOUNDS,
		LOSS_DEADLINE_EXCEEDED,
	};
	for (size_t i = 1; i < sizeof(order) / sizeof(order[0]); i++)
		assert_true(order[i - 1] < order[i]);
}

static void codes_carry_the_status_of_the_contract(void **state)
{
	(void)state;
	static const struct {
		loss_status status;
		int http;
		const char *code;
	} rows[] = {
		{LOSS_INTERNAL_ERROR, 500, "internal_error"},
		{LOSS_OUT_OF_MEMORY, 503, "out_of_memory"},
		{LOSS_TOO_MUCH_MEMORY_IN_FLIGHT, 429, "too_much_memory_in_flight"},
		{LOSS_UNKNOWN_LOSS, 404, "unknown_loss"},
		{LOSS_TOO_LARGE_FOR_SERVER, 413, "too_large_for_server"},
		{LOSS_INVALID_JSON, 400, "invalid_json"},
		{LOSS_SHAPE_MISMATCH, 422, "shape_mismatch"},
		{LOSS_TARGET_OUT_OF_BOUNDS, 422, "target_out_of_bounds"},
		{LOSS_DEADLINE_EXCEEDED, 504, "deadline_exceeded"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct loss_status_info *info = loss_status_info(rows[i].status);
		assert_int_equal(info->http, rows[i].http);
		assert_string_equal(info->code, rows[i].code);
	}
}

static void fail_fills_everything_but_the_place(void **state)
{
	(void)state;
	struct loss_error err;
	memset(&err, 0x5a, sizeof(err));
	err.has_index = true;
	loss_status status = loss_fail(&err, LOSS_WRONG_TYPE, "weight", "%s is %d", "weight", 7);
	assert_int_equal(status, LOSS_WRONG_TYPE);
	assert_int_equal(err.status, LOSS_WRONG_TYPE);
	assert_string_equal(err.field, "weight");
	assert_string_equal(err.detail, "weight is 7");
	assert_false(err.has_index);
}

static void fail_needs_neither_an_error_nor_a_field(void **state)
{
	(void)state;
	struct loss_error err;
	assert_int_equal(loss_fail(NULL, LOSS_DRAINING, "x", "no"), LOSS_DRAINING);
	assert_int_equal(loss_fail(&err, LOSS_DRAINING, NULL, "no"), LOSS_DRAINING);
	assert_string_equal(err.field, "");
}

static void fail_cuts_what_is_too_long(void **state)
{
	(void)state;
	struct loss_error err;
	char text[2000];
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	loss_fail(&err, LOSS_WRONG_TYPE, text, "%s", text);
	assert_int_equal(strlen(err.field), sizeof(err.field) - 1);
	assert_int_equal(strlen(err.detail), sizeof(err.detail) - 1);
}

static void a_flat_index_becomes_a_multi_index(void **state)
{
	(void)state;
	static const size_t shape[3] = {2, 3, 4};
	struct loss_error err = {.has_index = false};
	for (size_t flat = 0; flat < 24; flat++) {
		loss_error_set_index(&err, flat, shape, 3);
		assert_true(err.has_index);
		assert_int_equal(err.index_rank, 3);
		assert_int_equal(err.flat_index, flat);
		for (int axis = 0; axis < 3; axis++)
			assert_true(err.index[axis] < shape[axis]);
		assert_int_equal(err.index[0] * 12 + err.index[1] * 4 + err.index[2], flat);
	}
}

static void a_scalar_has_an_index_of_rank_0(void **state)
{
	(void)state;
	struct loss_error err = {.index_rank = 5};
	loss_error_set_index(&err, 0, NULL, 0);
	assert_true(err.has_index);
	assert_int_equal(err.index_rank, 0);
	assert_int_equal(err.flat_index, 0);
	loss_error_set_index(NULL, 0, NULL, 0); /* no error to fill: nothing happens */
}

static void large_indices_keep_all_their_bits(void **state)
{
	(void)state;
	static const size_t shape[2] = {(size_t)1 << 31, (size_t)1 << 32};
	struct loss_error err;
	loss_error_set_index(&err, ((size_t)1 << 63) - 1, shape, 2);
	assert_true(err.index[0] == ((size_t)1 << 31) - 1);
	assert_true(err.index[1] == ((size_t)1 << 32) - 1);
}

static loss_status second_of(loss_status first, loss_status second, int *reached)
{
	TRY(first);
	*reached = 1;
	TRY(second);
	*reached = 2;
	return LOSS_OK;
}

static void try_hands_on_the_first_error(void **state)
{
	(void)state;
	int reached = 0;
	assert_int_equal(second_of(LOSS_DRAINING, LOSS_WRONG_TYPE, &reached), LOSS_DRAINING);
	assert_int_equal(reached, 0);
	assert_int_equal(second_of(LOSS_OK, LOSS_WRONG_TYPE, &reached), LOSS_WRONG_TYPE);
	assert_int_equal(reached, 1);
	assert_int_equal(second_of(LOSS_OK, LOSS_OK, &reached), LOSS_OK);
	assert_int_equal(reached, 2);
}

/* Of a thousand errors the sentences are made that go before those before them. */
static void an_error_is_claimed_by_what_goes_before_it(void **state)
{
	static const struct {
		loss_status status;
		bool claims;
	} found[] = {
		{LOSS_SHAPE_MISMATCH, true}, {LOSS_SHAPE_MISMATCH, false},
		{LOSS_OUT_OF_MEMORY, true},  {LOSS_SHAPE_MISMATCH, false},
		{LOSS_DRAINING, true},       {LOSS_OUT_OF_MEMORY, false},
		{LOSS_DRAINING, false},
	};
	struct loss_error kept = {.status = LOSS_OK};
	(void)state;
	for (size_t i = 0; i < sizeof found / sizeof *found; i++) {
		struct loss_error *place = loss_claim_error(&kept, found[i].status);
		assert_true(found[i].claims ? place == &kept : place == NULL);
		loss_fail(place, found[i].status, "", "number %zu", i);
	}
	assert_string_equal(kept.detail, "number 4");
	assert_int_equal(kept.status, LOSS_DRAINING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_complete),
		cmocka_unit_test(codes_are_distinct),
		cmocka_unit_test(rows_are_in_order_of_precedence),
		cmocka_unit_test(codes_carry_the_status_of_the_contract),
		cmocka_unit_test(fail_fills_everything_but_the_place),
		cmocka_unit_test(fail_needs_neither_an_error_nor_a_field),
		cmocka_unit_test(fail_cuts_what_is_too_long),
		cmocka_unit_test(a_flat_index_becomes_a_multi_index),
		cmocka_unit_test(a_scalar_has_an_index_of_rank_0),
		cmocka_unit_test(large_indices_keep_all_their_bits),
		cmocka_unit_test(try_hands_on_the_first_error),
		cmocka_unit_test(an_error_is_claimed_by_what_goes_before_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
