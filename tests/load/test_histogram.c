/* Counts of times: what a quantile is, and how far off. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../support/random.h"
#include "histogram.h"

static struct histogram *fresh(void)
{
	struct histogram *histogram = calloc(1, sizeof *histogram);
	assert_non_null(histogram);
	return histogram;
}

static void test_none(void **state)
{
	struct histogram *none = fresh();
	(void)state;
	assert_int_equal(histogram_quantile(none, 0.5), 0);
	assert_true(histogram_mean(none) == 0.0);
	free(none);
}

static void test_one(void **state)
{
	static const uint64_t times[] = {0, 1, 127, 128, 255, 256, 257, 1000000007, UINT64_MAX};
	(void)state;
	for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
		struct histogram *one = fresh();
		histogram_record(one, times[i]);
		assert_int_equal(histogram_quantile(one, 0.0), times[i]);
		assert_int_equal(histogram_quantile(one, 1.0), times[i]);
		free(one);
	}
}

static void test_small_times_are_exact(void **state)
{
	struct histogram *all = fresh();
	(void)state;
	for (uint64_t ns = 1; ns <= 200; ns++)
		histogram_record(all, ns);
	assert_int_equal(histogram_quantile(all, 0.5), 100);
	assert_int_equal(histogram_quantile(all, 0.99), 198);
	assert_int_equal(histogram_quantile(all, 0.995), 199);
	assert_true(histogram_mean(all) == 100.5);
	free(all);
}

static int by_size(const void *one, const void *other)
{
	uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;
	return (a > b) - (a < b);
}

/* Times from nanoseconds to hours: never too small, at most 1/128 too large. */
static void test_how_far_off(void **state)
{
	static const double parts[] = {0.001, 0.5, 0.9, 0.99, 0.999, 1.0};
	enum { N = 20000 };
	static uint64_t times[N];
	struct random random = random_start(42);
	struct histogram *halves[2] = {fresh(), fresh()};
	(void)state;
	for (size_t i = 0; i < N; i++) {
		times[i] = (uint64_t)exp(random_uniform(&random, 0.0, 31.0));
		histogram_record(halves[i % 2], times[i]);
	}
	histogram_add(halves[0], halves[1]);
	qsort(times, N, sizeof times[0], by_size);
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		uint64_t exact = times[(size_t)ceil(parts[i] * N) - 1];
		uint64_t told = histogram_quantile(halves[0], parts[i]);
		require(told >= exact && told - exact <= exact / HISTOGRAM_PART,
			"part %g: %llu, but it is %llu", parts[i], (unsigned long long)told,
			(unsigned long long)exact);
	}
	free(halves[0]);
	free(halves[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_one),
		cmocka_unit_test(test_small_times_are_exact),
		cmocka_unit_test(test_how_far_off),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
