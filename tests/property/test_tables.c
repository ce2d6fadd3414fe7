/*
 * Every loss as its table tells of it: problems of random tensors, arguments and outputs, all of
 * them legal, come to what the oracle says; problems of which one thing is not as the table says
 * are refused, and that thing is named.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/problem.h"
#include "../support/case_wrong.h"
#include "../support/eval.h"
#include "../support/expect.h"

#define CASES_OF_A_LOSS 250

static void check_case(const struct loss_info *loss, uint64_t number)
{
	struct case_draft draft;
	struct loss_result result;
	struct loss_error error;
	struct expected expected;
	char what[128];
	struct loss_arena *arena = loss_arena_create(NULL);
	require(arena != NULL, "no memory for an arena");
	struct loss_problem *problem = case_draw(&draft, loss, number, arena);
	snprintf(what, sizeof(what), "%s, case %llu", loss->name, (unsigned long long)number);
	loss_problem_set_isa(problem, eval_isa());
	loss_status status = loss_evaluate(problem, arena, 1, NULL, &result, &error);
	require(status == LOSS_OK, "%s: %s", what, error.detail);
	expect(problem, arena, &expected);
	expect_result_agrees(&expected, &result, what);
	loss_arena_destroy(arena);
}

static void legal_problems_agree_with_the_oracle(void **state)
{
	uint64_t seed = random_start(0x7ab1e5).seed;
	(void)state;
	skip_unless_precise();
	for (size_t i = 0; loss_at(i) != NULL; i++)
		for (uint64_t n = 0; n < random_cases(CASES_OF_A_LOSS); n++)
			check_case(loss_at(i), seed + n);
}

/* ---------------------------------------------------------------- wrong problems */

#define DRAWS_OF_A_WAY 4 /* that can be wrong so */

static loss_status refuse(struct loss_problem *problem, const struct case_wrong *wrong,
			  struct loss_arena *arena, struct loss_error *error)
{
	struct loss_plan *plan;
	if (wrong->value == NULL)
		return loss_plan_create(problem, arena, &plan, error);
	problem->arguments_given &= ~(UINT64_C(1) << wrong->argument);
	return loss_problem_set_argument(problem, wrong->argument, wrong->value, error);
}

/* A name that there is not is found by nobody. */
static void check_unknown(const struct loss_info *loss, const struct case_wrong *wrong)
{
	size_t n = strlen(wrong->field);
	require(loss_find_tensor(loss, wrong->field, n) < 0 &&
			loss_find_argument(loss, wrong->field, n) < 0,
		"%s: it is known", wrong->what);
}

/* Whether the case can be wrong in this way. */
static bool check_wrong(const struct loss_info *loss, size_t way, uint64_t number)
{
	struct case_draft draft;
	struct case_wrong wrong;
	struct loss_error error;
	struct loss_arena *arena = loss_arena_create(NULL);
	require(arena != NULL, "no memory for an arena");
	struct loss_problem *problem = case_draw(&draft, loss, number, arena);
	bool made = case_make_wrong(&draft, problem, way, &wrong);
	if (made && wrong.is_name) {
		check_unknown(loss, &wrong);
	} else if (made) {
		loss_status status = refuse(problem, &wrong, arena, &error);
		require(status == wrong.status && strcmp(error.field, wrong.field) == 0,
			"%s: %s at %s, but should be %s at %s", wrong.what,
			loss_status_info(status)->code, status == LOSS_OK ? "" : error.field,
			loss_status_info(wrong.status)->code, wrong.field);
		require(error.has_index == wrong.has_index &&
				(!wrong.has_index || error.flat_index == wrong.index),
			"%s: at element %zu, but should be %zu", wrong.what, error.flat_index,
			wrong.index);
	}
	loss_arena_destroy(arena);
	return made;
}

static void wrong_problems_are_refused_where_they_are_wrong(void **state)
{
	uint64_t seed = random_start(0x7ab1e6).seed;
	(void)state;
	case_check_ways(seed, DRAWS_OF_A_WAY, check_wrong);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(legal_problems_agree_with_the_oracle),
		cmocka_unit_test(wrong_problems_are_refused_where_they_are_wrong),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
