/* Which of several errors is kept, and when its sentence is made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

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

/* ---------------------------------------------------------------- several errors */

/* "field: detail" of all that is reported, with commas. */
static const char *told(const struct fault *fault)
{
	static char text[2048];
	struct loss_error err;
	size_t used = 0;
	text[0] = '\0';
	if (fault_report(fault, &err) == LOSS_OK)
		return text;
	for (const struct loss_error *one = &err; one; one = one->more)
		used += (size_t)snprintf(text + used, sizeof text - used, "%s%s: %s",
					 used ? ", " : "", one->field, one->detail);
	return text;
}

static void claim(struct fault *fault, loss_status status, const char *field, const char *detail)
{
	struct loss_error *place = fault_claim_field(fault, status, field);
	/* Who asks twice before it writes gets the same place. */
	assert_ptr_equal(fault_claim_field(fault, status, field), place);
	if (place)
		loss_fail(place, status, field, "%s", detail);
}

static void errors_of_a_stage_stand_beside_each_other(void **state)
{
	struct loss_arena *arena = loss_arena_create(NULL);
	struct fault fault = {.arena = arena};
	(void)state;
	claim(&fault, LOSS_SHAPE_MISMATCH, "a", "1");
	claim(&fault, STATUS_RAGGED_ARRAY, "b", "2"); /* goes before it, and is of its stage */
	claim(&fault, LOSS_SHAPE_MISMATCH, "c", "3");
	claim(&fault, LOSS_SHAPE_MISMATCH, "c", "again");
	claim(&fault, LOSS_SHAPE_MISMATCH, "b", "after it");
	claim(&fault, LOSS_ARGUMENT_OUT_OF_RANGE, "d", "of a later stage");
	assert_string_equal(told(&fault), "b: 2, a: 1, c: 3");
	claim(&fault, STATUS_RAGGED_ARRAY, "c", "4"); /* in place of a lesser one */
	assert_string_equal(told(&fault), "b: 2, a: 1, c: 4");
	claim(&fault, LOSS_DTYPE_MISMATCH, "a", "5"); /* of an earlier stage */
	assert_string_equal(told(&fault), "a: 5");
	claim(&fault, LOSS_WRONG_TYPE, "a", "6"); /* in place of a lesser one, which is the first */
	claim(&fault, LOSS_DTYPE_MISMATCH, "e", "7");
	assert_string_equal(told(&fault), "a: 6, e: 7");
	claim(&fault, STATUS_INVALID_JSON, "", "8"); /* stands alone */
	claim(&fault, STATUS_INVALID_JSON, "f", "9");
	assert_string_equal(told(&fault), ": 8");
	loss_arena_destroy(arena);
}

static void as_many_errors_are_kept_as_may_be(void **state)
{
	struct loss_arena *arena = loss_arena_create(NULL);
	struct fault fault = {.arena = arena}, alone = {.arena = NULL};
	struct loss_error err;
	size_t n = 0;
	(void)state;
	for (char field[] = "a"; *field <= 'z'; ++*field) {
		claim(&fault, LOSS_UNKNOWN_FIELD, field, "unknown");
		claim(&alone, LOSS_UNKNOWN_FIELD, field, "unknown");
	}
	fault_report(&fault, &err);
	for (const struct loss_error *one = &err; one; one = one->more)
		assert_int_equal(one->field[0], 'a' + n++);
	assert_int_equal(n, LOSS_MAX_ERRORS);
	assert_string_equal(told(&alone), "a: unknown");
	loss_arena_destroy(arena);
}

/* What a check found goes in as if each had been found by itself; names are cut as errors have
 * them.
 */
static void several_errors_of_a_check_are_noted(void **state)
{
	struct loss_arena *arena = loss_arena_create(NULL);
	struct fault fault = {.arena = arena};
	struct loss_error first, second, third;
	char name[100];
	(void)state;
	memset(name, 'n', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	loss_fail(&third, LOSS_MISSING_FIELD, "a", "3");
	loss_fail(&second, LOSS_MISSING_FIELD, name, "2");
	second.more = &third;
	loss_fail(&first, LOSS_MISSING_FIELD, "a", "1");
	first.more = &second;
	fault_note(&fault, first.status, &first);
	fault_note(&fault, first.status, &first);
	claim(&fault, LOSS_MISSING_FIELD, name, "again");
	name[63] = '\0';
	char wanted[128];
	snprintf(wanted, sizeof wanted, "a: 1, %s: 2", name);
	assert_string_equal(told(&fault), wanted);
	loss_arena_destroy(arena);
}

static void members_are_those_of_their_errors(void **state)
{
	struct loss_arena *arena = loss_arena_create(NULL);
	struct fault fault = {.arena = arena};
	struct loss_error err;
	static const struct {
		const char *field, *member;
		loss_status status;
	} found[] = {{"a", "shape", LOSS_DTYPE_MISMATCH},
		     {"b", "", LOSS_DTYPE_MISMATCH},
		     {"c", "dtype", LOSS_WRONG_TYPE}};
	(void)state;
	for (size_t i = 0; i < COUNT(found); i++) {
		struct loss_error *place =
			fault_claim_field(&fault, found[i].status, found[i].field);
		if (*found[i].member)
			fault_set_member(&fault, place, found[i].member);
		loss_fail(place, found[i].status, found[i].field, "%s", found[i].field);
	}
	fault_report(&fault, &err);
	for (const struct loss_error *one = &err; one; one = one->more)
		assert_string_equal(fault_member(&fault, one), found[one->field[0] - 'a'].member);
	assert_string_equal(told(&fault), "c: c, a: a, b: b");
	loss_fail(&err, LOSS_DTYPE_MISMATCH, "a", "another");
	assert_string_equal(fault_member(&fault, &err), "");
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
		cmocka_unit_test(errors_of_a_stage_stand_beside_each_other),
		cmocka_unit_test(as_many_errors_are_kept_as_may_be),
		cmocka_unit_test(several_errors_of_a_check_are_noted),
		cmocka_unit_test(members_are_those_of_their_errors),
	};
	return cmocka_run_group_tests_name("fault", tests, NULL, NULL);
}
