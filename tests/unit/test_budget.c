/* Budgets as programs have them: limits at their ends, what is held, and their end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loss.h"

static void a_budget_is_taken_to_its_last_byte(void **state)
{
	(void)state;
	struct loss_budget *budget = loss_budget_create(100);
	assert_non_null(budget);
	assert_int_equal(loss_budget_limit(budget), 100);
	assert_int_equal(loss_budget_held(budget), 0);
	assert_false(loss_budget_take(budget, 101));
	assert_false(loss_budget_take(budget, SIZE_MAX));
	assert_true(loss_budget_take(budget, 99));
	assert_true(loss_budget_take(budget, 1));
	assert_int_equal(loss_budget_held(budget), 100);
	assert_true(loss_budget_take(budget, 0));
	assert_false(loss_budget_take(budget, 1));
	loss_budget_give(budget, 1);
	assert_int_equal(loss_budget_held(budget), 99);
	assert_true(loss_budget_take(budget, 1));
	loss_budget_give(budget, 100);
	assert_int_equal(loss_budget_held(budget), 0);
	loss_budget_destroy(budget);
	loss_budget_destroy(NULL);
}

static void a_budget_of_nothing_and_of_everything(void **state)
{
	(void)state;
	struct loss_budget *none = loss_budget_create(0), *all = loss_budget_create(SIZE_MAX);
	assert_true(loss_budget_take(none, 0));
	assert_false(loss_budget_take(none, 1));
	assert_null(loss_arena_create(none));
	assert_true(loss_budget_take(all, SIZE_MAX));
	assert_false(loss_budget_take(all, 1));
	loss_budget_give(all, SIZE_MAX);
	loss_budget_destroy(none);
	loss_budget_destroy(all);
}

/* What an arena holds is the budget's; what is kept of it is not, and ends by itself. */
static void arenas_share_a_budget(void **state)
{
	(void)state;
	struct loss_budget *budget = loss_budget_create((size_t)64 << 20);
	struct loss_arena *one = loss_arena_create(budget), *two = loss_arena_create(budget);
	struct loss_error err;
	assert_non_null(loss_arena_alloc(one, 1, (size_t)8 << 20));
	assert_int_equal(loss_budget_held(budget), loss_arena_held(one) + loss_arena_held(two));
	assert_null(loss_arena_alloc(two, 1, (size_t)60 << 20));
	assert_int_equal(loss_arena_failure(two, &err), LOSS_TOO_MUCH_MEMORY_IN_FLIGHT);
	assert_null(loss_arena_alloc(two, 1, (size_t)65 << 20));
	assert_int_equal(loss_arena_failure(two, &err), LOSS_TOO_LARGE_FOR_BUDGET);
	loss_arena_destroy(one);
	assert_int_equal(loss_budget_held(budget), loss_arena_held(two));
	assert_true(loss_budget_kept(budget) >= (size_t)8 << 20);
	assert_non_null(loss_arena_alloc(two, 1, (size_t)60 << 20));
	assert_true(loss_budget_held(budget) + loss_budget_kept(budget) <= (size_t)64 << 20);
	loss_arena_destroy(two);
	assert_int_equal(loss_budget_held(budget), 0);
	assert_true(loss_budget_kept(budget) >= (size_t)60 << 20);
	loss_budget_age(budget);
	assert_true(loss_budget_kept(budget) >= (size_t)60 << 20);
	loss_budget_age(budget);
	assert_int_equal(loss_budget_kept(budget), 0);
	loss_budget_age(budget);
	loss_budget_trim(budget);
	loss_budget_destroy(budget);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_budget_is_taken_to_its_last_byte),
		cmocka_unit_test(a_budget_of_nothing_and_of_everything),
		cmocka_unit_test(arenas_share_a_budget),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
