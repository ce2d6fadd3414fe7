/* The table of instruction sets: which there are, which one is the best, and which one runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "../support/spec.h"
#include "cpu.h"

#define CASE "cross_entropy logits:F32:2,3=1,2,3 targets:I64:2=0,2"

static void the_last_one_runs_everywhere(void **state)
{
	(void)state;
	size_t n = 0;
	while (loss_isa_at(n) != NULL)
		n++;
	assert_true(n >= 1);
	assert_string_equal(loss_isa_at(n - 1), "base");
	assert_string_equal(loss_isa_find("base"), "base");
	assert_null(loss_isa_at(n + 1));
}

static void the_best_is_the_first_that_the_machine_has(void **state)
{
	(void)state;
	size_t i = 0;
	while (loss_isa_find(loss_isa_at(i)) == NULL)
		i++;
	assert_ptr_equal(loss_isa(), loss_isa_at(i));
	assert_ptr_equal(loss_isa(), loss_isa_find(loss_isa()));
}

static void other_names_are_not_found(void **state)
{
	static const char *const names[] = {"", "auto", "avx", "AVX2", "base ", "avx5120", "sse"};
	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_null(loss_isa_find(names[i]));
#if defined(__x86_64__)
	assert_null(loss_isa_find("neon"));
#elif defined(__aarch64__)
	assert_null(loss_isa_find("avx2"));
#endif
}

static void each_name_has_its_own_kernels(void **state)
{
	(void)state;
	assert_string_equal(cpu_kernels(NULL)->isa, loss_isa());
	for (size_t i = 0; loss_isa_at(i) != NULL; i++) {
		const char *isa = loss_isa_find(loss_isa_at(i));
		if (isa != NULL)
			assert_string_equal(cpu_kernels(isa)->isa, isa);
	}
}

/* Plans of this problem run the kernels that were asked for, or the best. */
static void a_plan_says_whose_kernels_it_runs(void **state)
{
	(void)state;
	for (size_t i = 0; loss_isa_at(i) != NULL; i++) {
		const char *isa = loss_isa_find(loss_isa_at(i));
		struct eval eval;
		if (isa == NULL)
			continue;
		spec_start(&eval, CASE);
		loss_problem_set_isa(eval.problem, isa);
		eval_plan(&eval);
		assert_string_equal(loss_plan_isa(eval.plan), isa);
		eval_end(&eval);
	}
	struct eval eval;
	spec_start(&eval, CASE);
	loss_problem_set_isa(eval.problem, NULL);
	eval_plan(&eval);
	assert_string_equal(loss_plan_isa(eval.plan), loss_isa());
	eval_end(&eval);
}

/* The harness makes every evaluation use what LOSSD_ISA names. */
static void the_tests_run_what_the_environment_names(void **state)
{
	(void)state;
	const char *forced = getenv("LOSSD_ISA");
	char *before = forced == NULL ? NULL : strdup(forced);
	struct eval eval;
	setenv("LOSSD_ISA", "base", 1);
	spec_start(&eval, CASE);
	eval_plan(&eval);
	assert_string_equal(loss_plan_isa(eval.plan), "base");
	eval_end(&eval);
	if (before == NULL)
		unsetenv("LOSSD_ISA");
	else
		setenv("LOSSD_ISA", before, 1);
	free(before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_one_runs_everywhere),
		cmocka_unit_test(the_best_is_the_first_that_the_machine_has),
		cmocka_unit_test(other_names_are_not_found),
		cmocka_unit_test(each_name_has_its_own_kernels),
		cmocka_unit_test(a_plan_says_whose_kernels_it_runs),
		cmocka_unit_test(the_tests_run_what_the_environment_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
