/* Which of several errors is kept, and when its sentence is made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "status/fault.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Of many errors the sentences are made that go before those before them. */
static void an_error_is_claimed_by_what_goes_before_it(void **state)
{
	static const struct {
		loss_status status;
		bool claims;
	} found[] = {
		{LOSS_SHAPE_MISMATCH, true}, {LOSS_SHAPE_MISMATCH, false},
		{LOSS_OUT_OF_MEMORY, true},  {LOSS_SHAPE_MISMATCH, false},
		{STATUS_DRAINING, true},     {LOSS_OUT_OF_MEMORY, false},
		{STATUS_DRAINING, false},
	};
	struct fault fault = {0};
	(void)state;
	for (size_t i = 0; i < COUNT(found); i++) {
		struct loss_error *place = fault_claim(&fault, found[i].status);
		assert_true(found[i].claims ? place == &fault.error : place == NULL);
		loss_fail(place, found[i].status, "", "number %zu", i);
	}
	assert_string_equal(fault.error.detail, "number 4");
	assert_int_equal(fault.error.status, STATUS_DRAINING);
}

static void what_a_check_returned_is_noted_as_if_claimed(void **state)
{
	struct fault fault = {0};
	struct loss_error err;
	(void)state;
	fault_note(&fault, loss_fail(&err, LOSS_SHAPE_MISMATCH, "a", "first"), &err);
	fault_note(&fault, loss_fail(&err, LOSS_SHAPE_MISMATCH, "b", "equal"), &err);
	fault_note(&fault, loss_fail(&err, LOSS_ARGUMENT_OUT_OF_RANGE, "c", "after it"), &err);
	assert_string_equal(fault.error.detail, "first");
	fault_note(&fault, loss_fail(&err, LOSS_WRONG_TYPE, "d", "before it"), &err);
	assert_string_equal(fault.error.field, "d");
}

/* The error of the last check that failed may still stand there. */
static void a_check_that_found_nothing_leaves_no_error(void **state)
{
	struct fault fault = {0};
	struct loss_error err;
	(void)state;
	loss_fail(&err, LOSS_WRONG_TYPE, "", "of before");
	fault_note(&fault, LOSS_OK, &err);
	fault_note(&fault, LOSS_OK, NULL);
	assert_int_equal(fault_report(&fault, NULL), LOSS_OK);
	assert_int_equal(fault_report(&fault, &err), LOSS_OK);
	assert_string_equal(err.detail, "of before");
}

static void what_is_kept_is_reported(void **state)
{
	struct fault fault = {0};
	struct loss_error err;
	(void)state;
	loss_fail(fault_claim(&fault, LOSS_WRONG_TYPE), LOSS_WRONG_TYPE, "a", "b");
	assert_int_equal(fault_report(&fault, NULL), LOSS_WRONG_TYPE);
	assert_int_equal(fault_report(&fault, &err), LOSS_WRONG_TYPE);
	assert_string_equal(err.detail, "b");
}

/* Of a text without memory for it nothing else is of interest; of any other its syntax is. */
static void memory_and_rights_are_fatal_and_syntax_is_not(void **state)
{
	struct loss_arena *arena = loss_arena_create(NULL);
	struct fault fault = {0};
	(void)state;
	assert_false(fault_is_fatal(&fault));
	loss_fail(fault_claim(&fault, STATUS_EMPTY_BODY), STATUS_EMPTY_BODY, "", "empty");
	assert_false(fault_is_fatal(&fault));
	assert_null(loss_arena_alloc(arena, SIZE_MAX, 2));
	fault_note_memory(&fault, arena);
	assert_true(fault_is_fatal(&fault));
	assert_true(status_precedes(fault.error.status, STATUS_EMPTY_BODY));
	loss_arena_destroy(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_error_is_claimed_by_what_goes_before_it),
		cmocka_unit_test(what_a_check_returned_is_noted_as_if_claimed),
		cmocka_unit_test(a_check_that_found_nothing_leaves_no_error),
		cmocka_unit_test(what_is_kept_is_reported),
		cmocka_unit_test(memory_and_rights_are_fatal_and_syntax_is_not),
	};
	return cmocka_run_group_tests_name("fault", tests, NULL, NULL);
}
