/* The library's table of errors, filling an error, places inside tensors, and propagation. */
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
		const struct loss_status_info *info = loss_status_info(i);
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
			assert_string_not_equal(loss_status_info(i)->code,
						loss_status_info(j)->code);
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
	assert_int_equal(loss_fail(NULL, LOSS_CANCELLED, "x", "no"), LOSS_CANCELLED);
	assert_int_equal(loss_fail(&err, LOSS_CANCELLED, NULL, "no"), LOSS_CANCELLED);
	assert_string_equal(err.field, "");
}

static void a_callers_own_status_passes_through(void **state)
{
	(void)state;
	struct loss_error err;
	assert_int_equal(loss_fail(&err, LOSS_N_STATUS + 7, NULL, "mine"), LOSS_N_STATUS + 7);
	assert_int_equal(err.status, LOSS_N_STATUS + 7);
	assert_null(loss_status_info(LOSS_N_STATUS + 7));
	assert_null(loss_status_info(LOSS_N_STATUS));
	assert_null(loss_status_info(-1));
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
	assert_int_equal(second_of(LOSS_CANCELLED, LOSS_WRONG_TYPE, &reached), LOSS_CANCELLED);
	assert_int_equal(reached, 0);
	assert_int_equal(second_of(LOSS_OK, LOSS_WRONG_TYPE, &reached), LOSS_WRONG_TYPE);
	assert_int_equal(reached, 1);
	assert_int_equal(second_of(LOSS_OK, LOSS_OK, &reached), LOSS_OK);
	assert_int_equal(reached, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_complete),
		cmocka_unit_test(codes_are_distinct),
		cmocka_unit_test(fail_fills_everything_but_the_place),
		cmocka_unit_test(fail_needs_neither_an_error_nor_a_field),
		cmocka_unit_test(a_callers_own_status_passes_through),
		cmocka_unit_test(fail_cuts_what_is_too_long),
		cmocka_unit_test(a_flat_index_becomes_a_multi_index),
		cmocka_unit_test(a_scalar_has_an_index_of_rank_0),
		cmocka_unit_test(large_indices_keep_all_their_bits),
		cmocka_unit_test(try_hands_on_the_first_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
