/* Sums without any rounding but the last. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../support/exact_sum.h"
#include "../support/random.h"
#include "../support/ulp.h"
#include "cpu.h"
#include "exact_feed.h"

/* ---------------------------------------------------------------- helpers */

static struct exact_sum sum_of(const double *values, size_t n)
{
	struct exact_sum sum;
	exact_sum_clear(&sum);
	for (size_t i = 0; i < n; i++)
		exact_sum_add(&sum, values[i]);
	return sum;
}

#define SUM(...)                                                                                   \
	sum_of((const double[]){__VA_ARGS__},                                                      \
	       sizeof((const double[]){__VA_ARGS__}) / sizeof(double))
#define VALUE(...) exact_sum_value(&(struct exact_sum[]){SUM(__VA_ARGS__)}[0])

static void require_same(const struct exact_sum *a, const struct exact_sum *b, const char *what)
{
	unsigned char bytes[2][EXACT_BYTES];
	size_t n = exact_sum_write(a, bytes[0]), m = exact_sum_write(b, bytes[1]);
	require(n == m && memcmp(bytes[0], bytes[1], n) == 0, "%s: other bytes", what);
	double x = exact_sum_value(a), y = exact_sum_value(b);
	require(memcmp(&x, &y, sizeof x) == 0 || (x != x && y != y), "%s: %a and %a", what, x, y);
}

/* Of any exponent in a range, with few bits or many. */
static double draw(struct random *random, int lowest, int highest)
{
	int exponent = lowest + (int)random_below(random, (size_t)(highest - lowest + 1));
	double mantissa = (double)(random_bits(random) >> (11 + random_below(random, 50)));
	double value = ldexp(mantissa, exponent - 53);
	return random_chance(random, 0.5) ? -value : value;
}

static void shuffle(struct random *random, double *values, size_t n)
{
	for (size_t i = n; i > 1; i--) {
		size_t k = random_below(random, i);
		double kept = values[k];
		values[k] = values[i - 1];
		values[i - 1] = kept;
	}
}

/* ---------------------------------------------------------------- tests */

static void nothing_is_lost(void **state)
{
	(void)state;
	assert_true(VALUE(1, 1e100, 1, -1e100) == 2);
	assert_true(VALUE(0x1p-1074, 0x1p1023, -0x1p1023) == 0x1p-1074);
	assert_true(VALUE(0x1p53, 1, 1) == 0x1p53 + 2);
	assert_true(VALUE(0x1p53, 1) == 0x1p53);                /* half: to even */
	assert_true(VALUE(0x1p53, 1, 0x1p-1074) == 0x1p53 + 2); /* a little more */
	assert_true(VALUE(0x1p53, 1, -0x1p-1074) == 0x1p53);    /* and less */
	assert_true(VALUE(0x1p53, 2, 1) == 0x1p53 + 4);         /* half: to even */
	assert_true(VALUE(0x1.fffffffffffffp0, 0x1p-53) == 2);  /* into the next binade */
	assert_true(VALUE(0x1p-1022, -0x1p-1074) == 0x1p-1022 - 0x1p-1074);
	assert_true(VALUE(0x1p-1074, 0x1p-1074) == 0x1p-1073);
	assert_true(VALUE(-1e-300, 1e300, -1e300) == -1e-300);
}

static void zero_is_plus_zero(void **state)
{
	(void)state;
	struct exact_sum none;
	exact_sum_clear(&none);
	assert_true(exact_sum_is_empty(&none));
	const double zeros[] = {exact_sum_value(&none), VALUE(-0.0), VALUE(-0.0, 0.0), VALUE(1, -1),
				VALUE(DBL_MAX, 1, -1, -DBL_MAX)};
	for (size_t i = 0; i < sizeof zeros / sizeof zeros[0]; i++)
		require(zeros[i] == 0.0 && !signbit(zeros[i]), "zero %zu is %a", i, zeros[i]);
	require_same(&none, &(struct exact_sum[]){SUM(1, 0x1p900, -1, -0x1p900)}[0], "nothing");
}

static void it_overflows_where_it_is_rounded(void **state)
{
	(void)state;
	assert_true(VALUE(DBL_MAX, DBL_MAX) == HUGE_VAL);
	assert_true(VALUE(-DBL_MAX, -DBL_MAX) == -HUGE_VAL);
	assert_true(VALUE(DBL_MAX, DBL_MAX, -DBL_MAX) == DBL_MAX);
	assert_true(VALUE(DBL_MAX, 0x1p969) == DBL_MAX);
	assert_true(VALUE(DBL_MAX, 0x1p970) == HUGE_VAL); /* half of an ulp: to even */
	assert_true(VALUE(DBL_MAX, 0x1p970, -0x1p-1074) == DBL_MAX);
}

static void what_is_no_number_wins(void **state)
{
	(void)state;
	double inf = HUGE_VAL, nan = (double)NAN;
	assert_true(VALUE(1, inf, 2) == inf);
	assert_true(VALUE(inf, inf) == inf);
	assert_true(VALUE(1, -inf, DBL_MAX, DBL_MAX) == -inf);
	assert_true(isnan(VALUE(inf, -inf)));
	assert_true(isnan(VALUE(nan, 1)));
	assert_true(isnan(VALUE(inf, nan)));
	struct exact_sum a = SUM(1, inf), b = SUM(inf, 2), c = SUM(inf, -inf), d = SUM(nan);
	require_same(&a, &b, "infinity beside numbers");
	require_same(&c, &d, "two ways to NaN");
}

static void it_is_what_another_way_gives(void **state)
{
	(void)state;
	struct random random = random_start(0x2601);
	static const int ranges[][2] = {{-1074, -1000}, {-60, 8}, {-300, 300}, {960, 1000}, {0, 0}};
	double values[200];
	for (int round = 0; round < 4000; round++) {
		const int *range = ranges[round % 5];
		size_t n = 1 + random_below(&random, 200);
		for (size_t i = 0; i < n; i++)
			values[i] = draw(&random, range[0], range[1]);
		for (size_t i = 0; round % 3 == 0 && i + 1 < n; i += 2) /* what cancels */
			values[i + 1] = -values[i] * (1.0 + 0x1p-40);
		struct exact_sum sum = sum_of(values, n);
		double want = exact_sum(values, n), got = exact_sum_value(&sum);
		require(got == want, "round %d: %a, not %a", round, got, want);
		struct sum parts = exact_sum_parts(&sum);
		exact_sum_add(&sum, -want);
		require(parts.high == got && parts.low == exact_sum_value(&sum),
			"round %d: the rest is %a", round, parts.low);
	}
}

/* Carries that wait, in a limb below the highest: many values of like size, a few much larger ones,
 * and one so small that what they come to has a limb more. */
static void carries_that_wait_are_counted(void **state)
{
	(void)state;
	struct random random = random_start(0x2607);
	static double values[4000];
	for (int round = 0; round < 2000; round++) {
		size_t n = 1000 + random_below(&random, 3000);
		int place = (int)random_below(&random, 128) - 64;
		double sign = random_chance(&random, 0.5) ? -1.0 : 1.0;
		for (size_t i = 0; i < n; i++)
			values[i] = sign * ldexp(random_uniform(&random, 1.0, 2.0), place);
		values[0] = ldexp(random_uniform(&random, 1.0, 2.0),
				  place - 32 - (int)random_below(&random, 33));
		values[1] = sign * ldexp(random_uniform(&random, 1.0, 2.0),
					 place + (int)random_below(&random, 14));
		struct exact_sum sum = sum_of(values, n), twice = sum;
		double want = exact_sum(values, n), got = exact_sum_value(&sum);
		require(got == want, "round %d: %a, not %a", round, got, want);
		exact_sum_merge(&twice, &sum);
		got = exact_sum_value(&twice);
		require(got == 2.0 * want, "round %d: %a, not twice %a", round, got, want);
	}
}

/* Any order, any split and any tree of merges, by way of bytes or not. */
static void order_and_grouping_do_not_matter(void **state)
{
	(void)state;
	struct random random = random_start(0x2602);
	double values[300];
	for (int round = 0; round < 300; round++) {
		size_t n = 1 + random_below(&random, 300), parts = 1 + random_below(&random, 20);
		struct exact_sum whole, part[20];
		for (size_t i = 0; i < n; i++)
			values[i] = draw(&random, -1074, 1000);
		if (round % 7 == 0)
			values[n - 1] = HUGE_VAL;
		whole = sum_of(values, n);
		shuffle(&random, values, n);
		for (size_t k = 0; k < parts; k++)
			exact_sum_clear(&part[k]);
		for (size_t i = 0; i < n; i++)
			exact_sum_add(&part[random_below(&random, parts)], values[i]);
		for (; parts > 1; parts--) {
			size_t k = random_below(&random, parts - 1);
			unsigned char bytes[EXACT_BYTES];
			size_t size = exact_sum_write(&part[parts - 1], bytes);
			struct exact_sum read;
			require(exact_sum_read(&read, bytes, size) == size, "not read");
			exact_sum_merge(&part[k],
					random_chance(&random, 0.5) ? &read : &part[parts - 1]);
		}
		require_same(&part[0], &whole, "another order");
	}
}

static void many_times_is_many_additions(void **state)
{
	(void)state;
	struct random random = random_start(0x2603);
	for (int round = 0; round < 2000; round++) {
		double value = draw(&random, -1074, 1000);
		uint64_t n = random_below(&random, 3000);
		struct exact_sum sum, other;
		exact_sum_clear(&sum);
		exact_sum_clear(&other);
		for (uint64_t i = 0; i < n; i++)
			exact_sum_add(&sum, value);
		exact_sum_add_times(&other, value, n);
		require_same(&sum, &other, "n times");
	}
	struct exact_sum sum;
	exact_sum_clear(&sum);
	exact_sum_add_count(&sum, UINT64_MAX);
	exact_sum_add(&sum, -0x1p64);
	assert_true(exact_sum_value(&sum) == -1.0);
	exact_sum_add_times(&sum, (double)INFINITY, 0);
	assert_true(exact_sum_value(&sum) == -1.0);
	exact_sum_add_times(&sum, (double)INFINITY, 3);
	assert_true(exact_sum_value(&sum) == HUGE_VAL);
}

/* By vectors, by a few, and one by one, of every instruction set. */
static void many_at_once_are_the_same(void **state)
{
	(void)state;
	static const int ranges[][2] = {{-4, 3},     {-60, 8},   {-1074, 1000}, {-1074, -1060},
					{950, 1000}, {-40, -38}, {-110, 0}};
	static struct exact_feed feed;
	struct random random = random_start(0x2604);
	for (int round = 0; round < 3000; round++) {
		const struct vector_kernels *kernels = cpu_kernels(loss_isa_at(0));
		for (size_t i = 0; loss_isa_at(i); i++)
			if (loss_isa_find(loss_isa_at(i)) && round % 4 >= (int)i)
				kernels = cpu_kernels(loss_isa_find(loss_isa_at(i)));
		const int *range = ranges[round % 7];
		size_t n = random_below(&random, round % 2 ? 20 : 900);
		struct exact_sum one_by_one;
		exact_sum_clear(&one_by_one);
		exact_feed_clear(&feed);
		for (size_t i = 0; i < n; i++) {
			double value = draw(&random, range[0], range[1]);
			if (round % 5 == 0 && random_chance(&random, 0.3))
				value = -0.0;
			if (round % 11 == 0 && i == n / 2)
				value = round % 2 ? (double)NAN : -HUGE_VAL;
			exact_sum_add(&one_by_one, value);
			exact_feed_add(&feed, kernels, value);
		}
		struct sum parts = exact_feed_parts(&feed, kernels);
		struct sum want = exact_sum_parts(&one_by_one);
		require((parts.high == want.high && parts.low == want.low) ||
				(isnan(parts.high) && isnan(want.high)),
			"%a + %a, not %a + %a", parts.high, parts.low, want.high, want.low);
		exact_feed_flush(&feed, kernels);
		require_same(&feed.sum, &one_by_one, kernels->isa);
	}
}

/* As many as there may be, as large as there may be: the grids hold them. */
static void the_most_values_fit(void **state)
{
	(void)state;
	static double values[ADD_UP_MOST];
	double parts[ADD_UP_PARTS];
	for (size_t i = 0; i < ADD_UP_MOST; i++)
		values[i] = 0x1.fffffffffffffp3;
	for (size_t k = 0; loss_isa_at(k); k++) {
		if (!loss_isa_find(loss_isa_at(k)))
			continue;
		const struct vector_kernels *kernels = cpu_kernels(loss_isa_find(loss_isa_at(k)));
		assert_true(kernels->add_up(values, ADD_UP_MOST, parts));
		struct exact_sum sum = sum_of(parts, ADD_UP_PARTS), times;
		exact_sum_clear(&times);
		exact_sum_add_times(&times, values[0], ADD_UP_MOST);
		require_same(&sum, &times, kernels->isa);
	}
}

/* 2^63 times the extremes: by doubling, and at once. */
static void as_many_as_can_be_counted(void **state)
{
	(void)state;
	static const double extremes[] = {DBL_MAX, -DBL_MAX, 0x1p-1074, -0x1p-1074,
					  DBL_MIN, 0.1,      -1e300};
	for (size_t i = 0; i < sizeof extremes / sizeof extremes[0]; i++) {
		struct exact_sum sum = SUM(extremes[i]), times, copy;
		for (int k = 0; k < 63; k++) {
			copy = sum;
			exact_sum_merge(&sum, &copy);
		}
		exact_sum_clear(&times);
		exact_sum_add_times(&times, extremes[i], UINT64_C(1) << 63);
		require_same(&sum, &times, "2^63 times");
		require(exact_sum_value(&sum) == extremes[i] * 0x1p63, "%a", extremes[i]);
		exact_sum_add_times(&sum, -extremes[i], UINT64_C(1) << 63);
		require(exact_sum_value(&sum) == 0.0, "%a: something is left", extremes[i]);
	}
}

static void bytes_that_are_no_sum_are_refused(void **state)
{
	(void)state;
	static const unsigned char good[] = {8, 2, 5, 1, 0, 0, 0, 0, 0, 0, 1};
	struct exact_sum sum;
	assert_int_equal(exact_sum_read(&sum, good, sizeof good), sizeof good);
	assert_true(exact_sum_value(&sum) == -ldexp(1.0 + 0x1p56, 5 * 32 - 1074));
	for (size_t n = 0; n < sizeof good; n++)
		assert_int_equal(exact_sum_read(&sum, good, n), 0);
	static const unsigned char bad[][8] = {
		{8, 0},                   /* minus nothing */
		{1, 1, 5, 1, 0, 0, 0},    /* an infinity beside numbers */
		{3, 0},                   /* two infinities: NaN is written 4 */
		{16, 0},                  /* no such bit */
		{0, 1, 5, 0, 0, 0, 0},    /* a limb of 0 */
		{0, 1, 68, 1, 0, 0, 0},   /* beyond the last */
		{0, 69, 0, 1, 0, 0, 0},   /* more than there are */
		{0, 255, 255, 1, 0, 0, 0} /* far more */
	};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(exact_sum_read(&sum, bad[i], sizeof bad[i]), 0);
		assert_true(exact_sum_value(&sum) == 0.0);
	}
	static const unsigned char special[][2] = {{0, 0}, {1, 0}, {2, 0}, {4, 0}};
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(exact_sum_read(&sum, special[i], 2), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_lost),
		cmocka_unit_test(zero_is_plus_zero),
		cmocka_unit_test(it_overflows_where_it_is_rounded),
		cmocka_unit_test(what_is_no_number_wins),
		cmocka_unit_test(it_is_what_another_way_gives),
		cmocka_unit_test(carries_that_wait_are_counted),
		cmocka_unit_test(order_and_grouping_do_not_matter),
		cmocka_unit_test(many_times_is_many_additions),
		cmocka_unit_test(many_at_once_are_the_same),
		cmocka_unit_test(the_most_values_fit),
		cmocka_unit_test(as_many_as_can_be_counted),
		cmocka_unit_test(bytes_that_are_no_sum_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
