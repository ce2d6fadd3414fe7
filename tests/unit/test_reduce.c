/* Sums that carry their rounding errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>

#include "../support/random.h"
#include "../support/ulp.h"
#include "reduce.h"

static struct sum sum_of(const double *values, size_t n)
{
	struct sum sum = {0};
	for (size_t i = 0; i < n; i++)
		sum_add(&sum, values[i]);
	return sum;
}

#define SUM(...)                                                                                   \
	sum_of((const double[]){__VA_ARGS__},                                                      \
	       sizeof((const double[]){__VA_ARGS__}) / sizeof(double))
#define VALUE(...) sum_value(&(struct sum[]){SUM(__VA_ARGS__)}[0])

/* Integers that differ by up to 2^9 in magnitude, so that int64 holds their exact sum. */
static void two_sum_is_exact(void **state)
{
	(void)state;
	struct random random = random_start(0x2503);
	for (int i = 0; i < 20000; i++) {
		int64_t a = (int64_t)(random_bits(&random) >> 11) * 512;
		int64_t b = (int64_t)(random_bits(&random) >> 11);
		a = random_chance(&random, 0.5) ? -a : a;
		b >>= random_below(&random, 50);
		double error;
		double s = two_sum((double)a, (double)b, &error);
		require(s == (double)(a + b), "%lld + %lld: not rounded to nearest", (long long)a,
			(long long)b);
		require((int64_t)s + (int64_t)error == a + b, "%lld + %lld: not exact",
			(long long)a, (long long)b);
		double swapped_error;
		double swapped = two_sum((double)b, (double)a, &swapped_error);
		require(swapped == s && swapped_error == error, "not commutative");
	}
}

static void nothing_cancels(void **state)
{
	(void)state;
	assert_true(VALUE(1, 1e100, 1, -1e100) == 2);
	assert_true(VALUE(1e100, 1, -1e100, 1) == 2);
	assert_true(VALUE(0x1p53, 1, 1) == 0x1p53 + 2);
	assert_true(VALUE(1, 0x1p-53, 0x1p-53, 0x1p-53, 0x1p-53) == 1 + 0x1p-51);
	assert_true(VALUE(DBL_MAX, -DBL_MAX, 3) == 3);
	assert_true(VALUE(-1e-300, 1e300, -1e300) == -1e-300);
}

static void the_error_does_not_grow_with_the_terms(void **state)
{
	(void)state;
	struct sum sum = {0};
	double plain = 0;
	for (int i = 0; i < 1000000; i++) {
		sum_add(&sum, 0.1);
		plain += 0.1;
	}
	double exact = 100000.00000000000555; /* a million times the double 0.1 */
	assert_true(sum_value(&sum) == exact);
	assert_true(plain != exact);
}

static void no_terms_are_zero(void **state)
{
	(void)state;
	struct sum sum = {0};
	assert_true(sum_value(&sum) == 0 && !signbit(sum_value(&sum)));
	assert_true(VALUE(5) == 5);
}

static void infinities_and_nan_pass_through(void **state)
{
	(void)state;
	assert_true(VALUE(HUGE_VAL, 1, 2) == HUGE_VAL);
	assert_true(VALUE(1, -HUGE_VAL, 2) == -HUGE_VAL);
	assert_true(VALUE(HUGE_VAL, HUGE_VAL) == HUGE_VAL);
	assert_true(VALUE(DBL_MAX, DBL_MAX, 1) == HUGE_VAL);
	assert_true(VALUE(-DBL_MAX, -DBL_MAX) == -HUGE_VAL);
	assert_true(isnan(VALUE(HUGE_VAL, -HUGE_VAL)));
	assert_true(isnan(VALUE(1, (double)NAN, 2)));
	assert_true(isnan(VALUE(HUGE_VAL, (double)NAN)));
}

static void merged_parts_are_the_whole(void **state)
{
	(void)state;
	struct sum total = {0};
	struct sum a = SUM(1, 1e100), b = SUM(1, -1e100), none = {0};
	sum_merge(&total, &a);
	sum_merge(&total, &none);
	sum_merge(&total, &b);
	assert_true(sum_value(&total) == 2);
	sum_merge(&none, &b);
	assert_true(none.high == b.high && none.low == b.low);
}

static void merged_infinities_and_nan(void **state)
{
	(void)state;
	struct sum infinite = SUM(3, HUGE_VAL), finite = SUM(0.1, 0.2), minus = SUM(-HUGE_VAL);
	struct sum total = {0};
	sum_merge(&total, &finite);
	sum_merge(&total, &infinite);
	sum_merge(&total, &finite);
	assert_true(sum_value(&total) == HUGE_VAL);
	sum_merge(&total, &minus);
	assert_true(isnan(sum_value(&total)));
}

/* ---------------------------------------------------------------- pairs of doubles */

static void a_sum_is_its_value_and_its_rest(void **state)
{
	(void)state;
	struct sum sum = SUM(1, 0x1p-60), infinite = SUM(1, HUGE_VAL), none = {0};
	assert_true(sum_value(&sum) == 1 && sum_rest(&sum) == 0x1p-60);
	sum = SUM(1, 0x1p-53, 0x1p-54); /* rounds up: the rest is negative */
	assert_true(sum_value(&sum) == 1 + 0x1p-52 && sum_rest(&sum) == -0x1p-54);
	assert_true(sum_rest(&none) == 0);
	assert_true(sum_rest(&infinite) == 0);
}

static void quotients_have_more_digits_than_a_double(void **state)
{
	(void)state;
	skip_unless_precise();
	struct random random = random_start(0x907);
	for (int i = 0; i < 20000; i++) {
		double a = random_uniform(&random, -4, 4), b = random_uniform(&random, 0.1, 9);
		double b_low = b * 0x1p-54 * random_uniform(&random, -1, 1);
		struct sum q = quotient(a, b, b_low);
		long double exact = (long double)a / ((long double)b + (long double)b_low);
		long double got = (long double)q.high + (long double)q.low;
		require(fabsl(got - exact) <= ulp_of(LOSS_F64, exact) * 0x1p-9L, "%a / %a", a, b);
		double v = random_uniform(&random, -4, 4);
		long double product = (long double)v * exact;
		require(ulp_error(LOSS_F64, times(v, q), product) <= 0.51L, "%a times %a / %a", v,
			a, b);
	}
}

static void quotients_of_special_values(void **state)
{
	(void)state;
	struct sum q = quotient(1, 0, 0);
	assert_true(q.high == HUGE_VAL && q.low == 0);
	q = quotient(3, HUGE_VAL, 0);
	assert_true(q.high == 0 && q.low == 0);
	q = quotient(1, (double)NAN, 0);
	assert_true(isnan(q.high) && q.low == 0);
	assert_true(isnan(times(0, q)));
	assert_true(times(2, (struct sum){HUGE_VAL, 0}) == HUGE_VAL);
	assert_true(times(3, (struct sum){0.5, 0}) == 1.5);
}

static void products_have_more_digits_than_a_double(void **state)
{
	(void)state;
	skip_unless_precise();
	struct random random = random_start(0x50d);
	for (int i = 0; i < 20000; i++) {
		struct sum a = quotient(random_uniform(&random, -4, 4), 3, 0);
		struct sum b = quotient(random_uniform(&random, -4, 4), 7, 0);
		struct sum p = product(a, b);
		long double exact = ((long double)a.high + (long double)a.low) *
				    ((long double)b.high + (long double)b.low);
		long double got = (long double)p.high + (long double)p.low;
		require(fabsl(got - exact) <= ulp_of(LOSS_F64, exact) * 0x1p-9L, "%a * %a", a.high,
			b.high);
	}
	struct sum p = product(sum_from(HUGE_VAL), sum_from(2));
	assert_true(p.high == HUGE_VAL && p.low == 0);
	p = product((struct sum){HUGE_VAL, (double)NAN}, sum_from(-2));
	assert_true(p.high == -HUGE_VAL && p.low == 0);
	assert_true(isnan(product(sum_from((double)NAN), sum_from(1)).high));
}

/* a b - c where almost all of it cancels. */
static void differences_of_products_do_not_cancel(void **state)
{
	(void)state;
	const struct sum one = sum_from(1), a = sum_from(1 + 0x1p-30), b = sum_from(1 - 0x1p-30);
	const struct sum c = SUM(1, 0x1p-70);
	assert_true(difference(product(a, b), one) == -0x1p-60);
	assert_true(difference(one, product(a, b)) == 0x1p-60);
	assert_true(difference(product(a, b), sum_from(0)) == 1);
	assert_true(difference(product(c, one), one) == 0x1p-70);
	assert_true(difference(product(one, c), one) == 0x1p-70);
	assert_true(difference(one, product(one, c)) == -0x1p-70);
	assert_true(difference(product(sum_from(HUGE_VAL), b), one) == HUGE_VAL);
	assert_true(difference(one, sum_from(HUGE_VAL)) == -HUGE_VAL);
	assert_true(isnan(difference(sum_from((double)NAN), one)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_sum_is_exact),
		cmocka_unit_test(nothing_cancels),
		cmocka_unit_test(the_error_does_not_grow_with_the_terms),
		cmocka_unit_test(no_terms_are_zero),
		cmocka_unit_test(infinities_and_nan_pass_through),
		cmocka_unit_test(merged_parts_are_the_whole),
		cmocka_unit_test(merged_infinities_and_nan),
		cmocka_unit_test(a_sum_is_its_value_and_its_rest),
		cmocka_unit_test(quotients_have_more_digits_than_a_double),
		cmocka_unit_test(quotients_of_special_values),
		cmocka_unit_test(products_have_more_digits_than_a_double),
		cmocka_unit_test(differences_of_products_do_not_cancel),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
