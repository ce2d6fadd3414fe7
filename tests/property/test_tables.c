/*
 * Every loss as its table tells of it: problems of random tensors, arguments and outputs, all of
 * them legal, come to what the oracle says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../support/case_draft.h"
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(legal_problems_agree_with_the_oracle),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
