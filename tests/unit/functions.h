/*
 * The functions of kernel/vector/functions.h against long double, within the ulp that they promise,
 * and their bits. Included once by a test for each instruction set, which is compiled with the
 * flags of that set's kernels.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "../support/bits.h"
#include "../support/random.h"
#include "../support/ulp.h"
#include "kernel/vector/functions.h"
#include "loss.h"

#define ROUNDS 100000
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static double ulp_below(double x)
{
	return fabs(x) - nextafter(fabs(x), 0.0);
}

static double with_sign(struct random *random, double size)
{
	return random_chance(random, 0.5) ? size : -size;
}

/* As many in each binade. */
static double draw_binade(struct random *random, int lowest, int highest)
{
	int k = lowest + (int)random_below(random, (size_t)(highest - lowest));
	return ldexp(random_uniform(random, 1, 2), k);
}

/* ---------------------------------------------------------------- exp */

static double draw_exponent(struct random *random)
{
	static const double ranges[][2] = {
		{-700, 700}, {-40, 40}, {-1, 1}, {-0.36, 0.36}, {-1e-3, 1e-3}, {-1e-15, 1e-15},
	};
	size_t which = random_below(random, COUNT(ranges) + 1);
	if (which < COUNT(ranges))
		return random_uniform(random, ranges[which][0], ranges[which][1]);
	/* where the reduction turns */
	double k = (double)random_below(random, 2000) - 1000.0;
	return (k + 0.5) * LN2_HIGH * (1 + random_uniform(random, -1e-9, 1e-9));
}

/* An argument's exponential relative to 2^-shift. */
static void check_exp(double x, int shift)
{
	wd magic = wd_set(WD_EXP_MAGIC + shift), low;
	double plain = wd_exp_at(wd_set(x), magic)[0];
	double result = wd_exp_parts(wd_set(x), magic, &low)[0];
	/* x + shift ln2, of which the first product and the sum are exact */
	long double rest = (long double)x + (long double)shift * (long double)LN2_HIGH;
	rest += (long double)shift * 0x1.a39ef35793c7673p-33L;
	long double exact = expl(rest);
	long double error = ulp_error(LOSS_F64, plain, exact);
	require(error <= 0.8L, "exp(%a) 2^%d is off by %Lf ulp", x, shift, error);
	error = ulp_error(LOSS_F64, result, exact);
	require(error <= 0.54L, "the high part of exp(%a) 2^%d is off by %Lf ulp", x, shift, error);
	error = fabsl((long double)result - exact + (long double)low[0]) / exact;
	require(error <= 0x1p-57L, "the parts of exp(%a) 2^%d are off by %Lg", x, shift, error);
}

static void exp_is_within_its_bound(void **state)
{
	(void)state;
	skip_unless_precise();
	struct random random = random_start(0xf1);
	for (size_t i = 0; i < random_cases(ROUNDS); i++)
		check_exp(draw_exponent(&random), 0);
}

static void exp_of_large_arguments_is_shifted_into_range(void **state)
{
	(void)state;
	skip_unless_precise();
	struct random random = random_start(0xf2);
	for (size_t i = 0; i < random_cases(ROUNDS); i++) {
		double center = random_uniform(&random, -1048576, 1048576);
		double x = center + random_uniform(&random, -60, 60);
		check_exp(x, -(int)(center / LN2_HIGH));
	}
	check_exp(0x1p20 + 790, -1513915);
	check_exp(-0x1p20 - 790, 1513915);
}

/* ---------------------------------------------------------------- log */

static void check_log1p(double x, double x_low)
{
	long double exact = log1pl((long double)x + (long double)x_low);
	double result = wd_log1p_parts(wd_set(x), wd_set(x_low))[0];
	long double error = ulp_error(LOSS_F64, result, exact);
	require(error <= 1, "log(1 + %a + %a) is off by %Lf ulp", x, x_low, error);
}

static void log1p_is_within_an_ulp(void **state)
{
	(void)state;
	skip_unless_precise();
	static const double ranges[][2] = {{0, 1e-3}, {0, 0.5}, {0.4, 0.43}, {0.9, 1.1}, {0, 1e6}};
	struct random random = random_start(0xf3);
	for (size_t i = 0; i < random_cases(ROUNDS); i++) {
		check_log1p(draw_binade(&random, -1074, 1000), 0.0);
		check_log1p(draw_binade(&random, -60, -50), 0.0);
		const double *range = ranges[random_below(&random, COUNT(ranges))];
		double x = random_uniform(&random, range[0], range[1]);
		check_log1p(x, ulp_below(x) * random_uniform(&random, -1, 1));
	}
	check_log1p(0.0, 0.0);
	check_log1p(0x1p-53, 0.0);
	check_log1p(0x1p-1074, 0.0);
}

static void log_is_within_an_ulp(void **state)
{
	(void)state;
	skip_unless_precise();
	struct random random = random_start(0xf4);
	for (size_t i = 0; i < random_cases(ROUNDS); i++) {
		double x = random_chance(&random, 0.5) ? draw_binade(&random, -1022, 1023)
						       : random_uniform(&random, 0.5, 2);
		double result = wd_log(wd_set(x))[0];
		long double error = ulp_error(LOSS_F64, result, logl((long double)x));
		require(error <= 1, "log(%a) is off by %Lf ulp", x, error);
		assert_true(wd_log_sum(wd_set(x), wd_set(0.0))[0] == result);
		x = draw_binade(&random, -1074, -1);
		double other = 1.0 - x;
		result = wd_log_sum(wd_set(other), wd_set((1.0 - other) - x))[0];
		error = ulp_error(LOSS_F64, result, log1pl(-(long double)x));
		require(error <= 1, "log(1 - %a) is off by %Lf ulp", x, error);
	}
	assert_true(wd_log_sum(wd_set(1.0), wd_set(0.0))[0] == 0.0);
	assert_true(wd_log_sum(wd_set(1.0), wd_set(-0x1p-1074))[0] == -0x1p-1074);
}

static void log1p_of_at_most_1_is_within_its_bound(void **state)
{
	(void)state;
	skip_unless_precise();
	struct random random = random_start(0xf8);
	for (size_t i = 0; i < random_cases(ROUNDS); i++) {
		double x = random_chance(&random, 0.5) ? draw_binade(&random, -1074, 0)
						       : random_uniform(&random, 0, 1);
		struct pair log = wd_log1p_unit(wd_set(x));
		long double exact = log1pl((long double)x);
		long double error = ulp_error(LOSS_F64, log.high[0], exact);
		require(error <= 1.4L, "log(1 + %a) is off by %Lf ulp", x, error);
		error = fabsl((long double)log.high[0] + (long double)log.low[0] - exact) /
			ulp_of(LOSS_F64, exact);
		require(error <= 1, "the parts of log(1 + %a) are off by %Lf ulp", x, error);
	}
	assert_true(wd_log1p_unit(wd_set(0.0)).high[0] == 0.0);
}

static void pair_log_holds_more_than_a_double(void **state)
{
	(void)state;
	skip_unless_precise();
	struct random random = random_start(0xf9);
	for (size_t i = 0; i < random_cases(ROUNDS); i++) {
		double x = random_chance(&random, 0.5) ? draw_binade(&random, -1022, 1023)
						       : random_uniform(&random, 0.25, 2);
		double x_low = random_chance(&random, 0.5)
				       ? 0.0
				       : ulp_below(x) * random_uniform(&random, -1, 1);
		struct pair log = pair_log((struct pair){wd_set(x), wd_set(x_low)});
		long double exact = logl((long double)x) + (long double)x_low / (long double)x;
		long double got = (long double)log.high[0] + (long double)log.low[0];
		long double error = fabsl(got - exact) / ulp_of(LOSS_F64, exact);
		/* The long double itself is only good to half of 2^-11. */
		require(error <= 0x1p-8L, "log(%a + %a) is off by %Lg ulp", x, x_low, error);
	}
}

/* ---------------------------------------------------------------- capped logits */

struct cap {
	double s, t;
};

static struct cap draw_cap(struct random *random)
{
	if (random_chance(random, 0.1))
		return (struct cap){draw_binade(random, -499, 499), draw_binade(random, -99, 99)};
	return (struct cap){exp_double(random_uniform(random, -5, 8)),
			    random_chance(random, 0.5) ? 1.0 : random_uniform(random, 0.1, 4)};
}

/* x / s, from saturated to tiny. */
static double draw_share(struct random *random)
{
	double size = random_chance(random, 0.3)   ? random_uniform(random, 0, 300)
		      : random_chance(random, 0.5) ? random_uniform(random, 0, 20)
						   : draw_binade(random, -90, 1);
	return with_sign(random, size);
}

static long double exact_capped(double x, struct cap cap, long double *slope)
{
	long double a = (long double)x / (long double)cap.s;
	long double e = expl(-2 * fabsl(a));
	*slope = 4 * e / ((1 + e) * (1 + e)) / (long double)cap.t;
	return (long double)cap.s * tanhl(a) / (long double)cap.t;
}

static void wide_logits_are_capped_within_an_ulp(void **state)
{
	(void)state;
	skip_unless_precise();
	struct random random = random_start(0xf5);
	for (size_t i = 0; i < random_cases(ROUNDS); i++) {
		struct cap cap = draw_cap(&random);
		struct softcap_wide wide = softcap_wide_of(sum_from(cap.s), sum_from(cap.t));
		double x = draw_share(&random) * cap.s;
		struct capped got = wd_softcap_wide(wd_set(x), &wide);
		long double slope, exact = exact_capped(x, cap, &slope);
		long double error = ulp_error(LOSS_F64, got.value[0], exact);
		require(error <= 0.75L, "%a capped by %a over %a is off by %Lf ulp", x, cap.s,
			cap.t, error);
		error = ulp_error(LOSS_F64, got.slope[0], slope);
		require(error <= 2, "the slope of %a capped by %a over %a is off by %Lf ulp", x,
			cap.s, cap.t, error);
	}
}

static void floats_are_capped_to_more_than_their_digits(void **state)
{
	(void)state;
	skip_unless_precise();
	struct random random = random_start(0xf6);
	for (size_t i = 0; i < random_cases(ROUNDS); i++) {
		struct cap cap = draw_cap(&random);
		struct softcap plain = softcap_of(cap.s, cap.t);
		float x = (float)(draw_share(&random) * cap.s);
		if (x == 0 || isinf(x))
			x = (float)with_sign(&random, draw_binade(&random, -149, 127));
		struct capped got = wd_softcap(wd_set((double)x), &plain);
		long double slope, exact = exact_capped((double)x, cap, &slope);
		long double error = fabsl((long double)got.value[0] / exact - 1);
		require(error <= 0x1p-40L || fabsl(exact) < 0x1p-160L,
			"%a capped by %a over %a is off by %Lg of itself", (double)x, cap.s, cap.t,
			error);
		error = fabsl((long double)got.slope[0] / slope - 1);
		require(error <= 0x1p-40L || slope < 0x1p-700L,
			"the slope of %a capped by %a over %a is off by %Lg of itself", (double)x,
			cap.s, cap.t, error);
	}
}

static void capped_special_values(void **state)
{
	static const double rows[][3] = {
		{HUGE_VAL, 15, 0},         {-HUGE_VAL, -15, 0},     {0, 0, 0.5},
		{0x1p-149, 0x1p-150, 0.5}, {0x1.fffffep127, 15, 0},
	};
	struct softcap plain = softcap_of(30, 2);
	struct softcap_wide wide = softcap_wide_of(sum_from(30), sum_from(2));
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct capped got = wd_softcap_wide(wd_set(rows[i][0]), &wide);
		assert_true(got.value[0] == rows[i][1] && got.slope[0] == rows[i][2]);
		got = wd_softcap(wd_set(rows[i][0]), &plain);
		assert_true((float)got.value[0] == (float)rows[i][1]);
		assert_true((float)got.slope[0] == (float)rows[i][2]);
	}
	assert_true(wd_softcap_wide(wd_set(-0x1p-1074), &wide).value[0] == 0.0);
	assert_true(wd_softcap_wide(wd_set(0x1p-1072), &wide).value[0] == 0x1p-1073);
	assert_true(isnan(wd_softcap_wide(wd_set((double)NAN), &wide).value[0]));
	assert_true(isnan(wd_softcap_wide(wd_set((double)NAN), &wide).slope[0]));
	assert_true(isnan(wd_softcap(wd_set((double)NAN), &plain).value[0]));
	assert_true(isnan(wd_softcap(wd_set((double)NAN), &plain).slope[0]));
}

/* A cap that no float comes near, or that all but 0 exceed, and temperatures as extreme. */
static void floats_under_extreme_caps(void **state)
{
	struct softcap most = softcap_of(0x1p1000, 2), least = softcap_of(0x1p-1070, 0x1p-1072);
	struct softcap cold = softcap_of(0x1p300, 0x1p-1074);
	(void)state;
	assert_true((float)wd_softcap(wd_set(0x1p127), &most).value[0] == 0x1p126f);
	assert_true((float)wd_softcap(wd_set(-0x1p-148), &most).value[0] == -0x1p-149f);
	assert_true(wd_softcap(wd_set(0x1p-149), &least).value[0] == 4.0);
	assert_true(wd_softcap(wd_set(0.0), &least).value[0] == 0.0);
	assert_true(wd_softcap(wd_set(0.0), &cold).value[0] == 0.0);
	assert_false(softcap_is_wide(0x1p501, 1));
	assert_false(softcap_is_wide(1, 0x1p-501));
	assert_true(softcap_is_wide(30, 1));
}

/* ---------------------------------------------------------------- bits */

static void require_equal_lanes(wd value)
{
	for (size_t l = 1; l < DOUBLES; l++)
		assert_true(bits_of(value[l]) == bits_of(value[0]));
}

static void the_bits_are_always_the_same(void **state)
{
	struct random random = {.state = 0xf7};
	struct softcap plain = softcap_of(30, 1.5);
	struct softcap_wide wide = softcap_wide_of(sum_from(30), sum_from(1.5));
	uint64_t hash = 0;
	(void)state;
	for (size_t i = 0; i < 20000; i++) {
		double x = random_uniform(&random, -600, 600), s = random_uniform(&random, 0, 9);
		wd low;
		struct capped capped = wd_softcap_wide(wd_set(x), &wide);
		struct capped floats = wd_softcap(wd_set(x), &plain);
		wd values[] = {
			wd_exp_at(wd_set(x), wd_set(WD_EXP_MAGIC)),
			wd_exp_parts(wd_set(x), wd_set(WD_EXP_MAGIC), &low),
			low,
			wd_log_sum(wd_set(s), wd_set(0.0)),
			wd_log1p_parts(wd_set(s), wd_set(s * 0x1p-54)),
			wd_log1p_unit(wd_set(s / 9)).high,
			pair_log((struct pair){wd_set(s), wd_set(s * 0x1p-54)}).low,
			capped.value,
			capped.slope,
			floats.value,
			floats.slope,
		};
		for (size_t k = 0; k < COUNT(values); k++) {
			require_equal_lanes(values[k]);
			hash = (hash ^ bits_of(values[k][0])) * UINT64_C(1099511628211);
		}
	}
	require(hash == UINT64_C(0x5d1b4bc9a67407fd), "the hash is 0x%llx",
		(unsigned long long)hash);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(exp_is_within_its_bound),
		cmocka_unit_test(exp_of_large_arguments_is_shifted_into_range),
		cmocka_unit_test(log1p_is_within_an_ulp),
		cmocka_unit_test(log_is_within_an_ulp),
		cmocka_unit_test(log1p_of_at_most_1_is_within_its_bound),
		cmocka_unit_test(pair_log_holds_more_than_a_double),
		cmocka_unit_test(wide_logits_are_capped_within_an_ulp),
		cmocka_unit_test(floats_are_capped_to_more_than_their_digits),
		cmocka_unit_test(capped_special_values),
		cmocka_unit_test(floats_under_extreme_caps),
		cmocka_unit_test(the_bits_are_always_the_same),
	};
	if (loss_isa_find(ISA_NAME) == NULL)
		return skip_all("this machine does not have the instruction set " ISA_NAME);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
