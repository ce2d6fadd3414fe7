/* The reference of sums over rows is right itself. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "../support/exact_sum.h"
#include "../support/random.h"

#define MAX_TERMS 6

static void known_sums(void **state)
{
	static const struct {
		size_t n;
		double terms[MAX_TERMS], sum;
	} cases[] = {
		{0, {0}, 0},
		{1, {-0.0}, 0},
		{3, {1, 0x1p100, -0x1p100}, 1},
		{4, {0x1p-1074, 1, -1, 0x1p-1074}, 0x1p-1073},
		{2, {1, 0x1p-53}, 1},                     /* a tie, to even */
		{3, {1, 0x1p-53, 0x1p-200}, 1 + 0x1p-52}, /* no tie */
		{3, {1, 0x1p-53, -0x1p-200}, 1},          /* no tie either */
		{3, {1 + 0x1p-52, 0x1p-53, -0x1p-200}, 1 + 0x1p-52},
		{5, {0x1p60, 1, -0x1p60, 0x1p-60, -1}, 0x1p-60},
		{6, {0.1, 0.2, 0.3, -0.1, -0.2, -0.3}, 0},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		double sum = exact_sum(cases[i].terms, cases[i].n);
		require(sum == cases[i].sum && !signbit(sum), "case %zu: %a", i, sum);
	}
}

static void infinities_and_nan_win(void **state)
{
	const double inf = (double)INFINITY;
	(void)state;
	assert_true(exact_sum((double[]){1, inf, -5}, 3) == inf);
	assert_true(exact_sum((double[]){1, -inf, 5}, 3) == -inf);
	assert_true(isnan(exact_sum((double[]){inf, -inf, 5}, 3)));
	assert_true(isnan(exact_sum((double[]){1, (double)NAN, inf}, 3)));
}

/* Integers on a grid add up without a rounding, whatever is added and taken away again. */
static void sums_of_random_terms(void **state)
{
	struct random random = random_start(0xe5);
	(void)state;
	for (int k = 0; k < 2000; k++) {
		double terms[90];
		size_t order[90];
		double sum = 0, shuffled[90];
		for (size_t i = 0; i < 30; i++) {
			terms[i] = (double)random_below(&random, 1u << 30) - 0x1p29;
			sum += terms[i];
			terms[30 + i] = ldexp(random_uniform(&random, -1, 1),
					      (int)random_below(&random, 600) - 300);
			terms[60 + i] = -terms[30 + i];
		}
		random_order(&random, order, 90);
		for (size_t i = 0; i < 90; i++)
			shuffled[i] = terms[order[i]];
		require(exact_sum(shuffled, 90) == sum, "sum %d", k);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_sums),
		cmocka_unit_test(infinities_and_nan_win),
		cmocka_unit_test(sums_of_random_terms),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
