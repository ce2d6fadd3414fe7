/*
 * exp, log, log1p and tanh against long double, within the ulp that elementary.h promises, and
 * their bits: they are to be the same from every compiler and on every machine.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>

#include "../support/random.h"
#include "../support/ulp.h"
#include "kernel/elementary.h"

#define ROUNDS 300000
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Below 2^-1010 the low part is itself subnormal and loses digits. */
#define EXP_LOWEST (-700.0)

/* The ranges that the argument of exp is drawn from. */
static const double exp_ranges[][2] = {
	{EXP_LOWEST, 709.78}, {-40.0, 40.0},   {-1.0, 1.0},          {-0.36, 0.36},
	{-1e-3, 1e-3},        {-1e-15, 1e-15}, {EXP_LOWEST, -690.0}, {700.0, 709.78},
};

static double ulp_below(double x)
{
	return fabs(x) - nextafter(fabs(x), 0.0);
}

/* |result + low - exact| in ulps of the exact value. */
static long double exp_error(double result, double low, long double exact)
{
	return fabsl((long double)result - exact + (long double)low) / ulp_of(LOSS_F64, exact);
}

static void exp_is_within_its_bound(void **state)
{
	(void)state;
	skip_unless_precise();
	struct random random = random_start(0xe49);
	for (size_t i = 0; i < random_cases(ROUNDS); i++) {
		const double *range = exp_ranges[random_below(&random, COUNT(exp_ranges))];
		double x = random_uniform(&random, range[0], range[1]);
		double low;
		double result = exp_parts(x, 0.0, 0, &low);
		long double exact = expl((long double)x);
		require(exp_error(result, 0.0, exact) <= 0.76L, "exp(%a) is off by %Lf ulp", x,
			exp_error(result, 0.0, exact));
		require(exp_error(result, low, exact) <= 0.27L,
			"exp(%a) with its low part is off by %Lf ulp", x,
			exp_error(result, low, exact));
		require(exp_double(x) == result, "exp_double(%a) differs", x);
	}
}

static void exp_takes_the_low_part_of_its_argument(void **state)
{
	(void)state;
	skip_unless_precise();
	struct random random = random_start(0xe50);
	for (size_t i = 0; i < random_cases(ROUNDS); i++) {
		const double *range = exp_ranges[random_below(&random, COUNT(exp_ranges))];
		double x = random_uniform(&random, range[0], range[1]);
		double x_low = ulp_below(x) * random_uniform(&random, -1, 1);
		double low;
		double result = exp_parts(x, x_low, 0, &low);
		long double exact = expl((long double)x) * (1 + (long double)x_low);
		require(exp_error(result, 0.0, exact) <= 0.76L, "exp(%a + %a) is off by %Lf ulp", x,
			x_low, exp_error(result, 0.0, exact));
		require(exp_error(result, low, exact) <= 0.27L,
			"exp(%a + %a) with its low part is off by %Lf ulp", x, x_low,
			exp_error(result, low, exact));
	}
}

/* Scaled up, the result keeps its digits where it would be subnormal, down to 2^-1074 again. */
static void exp_is_scaled_without_another_rounding(void **state)
{
	(void)state;
	skip_unless_precise();
	struct random random = random_start(0xe53);
	for (size_t i = 0; i < random_cases(ROUNDS); i++) {
		double x = random_uniform(&random, EXP_LOWEST - 177, 0);
		double low;
		double result = exp_parts(x, 0.0, 256, &low);
		long double exact = ldexpl(expl((long double)x), 256);
		require(exp_error(result, 0.0, exact) <= 0.76L, "exp(%a) 2^256 is off by %Lf ulp",
			x, exp_error(result, 0.0, exact));
		require(exp_error(result, low, exact) <= 0.27L,
			"exp(%a) 2^256 with its low part is off by %Lf ulp", x,
			exp_error(result, low, exact));
		x = random_uniform(&random, -924, EXP_LOWEST - 177);
		result = exp_parts(x, 0.0, 256, &low);
		exact = ldexpl(expl((long double)x), 256);
		require(ulp_error(LOSS_F64, result, exact) <= 0.9L,
			"exp(%a) 2^256 is off by %Lf ulp", x, ulp_error(LOSS_F64, result, exact));
	}
	double low;
	assert_true(exp_parts(0.0, 0.0, 256, &low) == 0x1p256);
	assert_true(exp_parts(-HUGE_VAL, 0.0, 256, &low) == 0.0);
	assert_true(isnan(exp_parts((double)NAN, 0.0, 256, &low)));
}

/* The low part is worth at most half of the smallest double less. */
static void exp_before_the_subnormals(void **state)
{
	(void)state;
	skip_unless_precise();
	struct random random = random_start(0xe52);
	for (size_t i = 0; i < random_cases(ROUNDS); i++) {
		double x = random_uniform(&random, -708.39, EXP_LOWEST);
		double low;
		double result = exp_parts(x, 0.0, 0, &low);
		long double exact = expl((long double)x);
		long double bound = 0.27L + 0x1p-1075L / ulp_of(LOSS_F64, exact);
		require(exp_error(result, 0.0, exact) <= 0.76L, "exp(%a) is off by %Lf ulp", x,
			exp_error(result, 0.0, exact));
		require(exp_error(result, low, exact) <= bound,
			"exp(%a) with its low part is off by %Lf ulp", x,
			exp_error(result, low, exact));
	}
}

/* A subnormal result has fewer digits, so it is rounded once more. */
static void exp_rounds_into_the_subnormals(void **state)
{
	(void)state;
	skip_unless_precise();
	struct random random = random_start(0xe51);
	size_t zeros = 0;
	for (size_t i = 0; i < random_cases(ROUNDS); i++) {
		double x = random_uniform(&random, -746.5, -708.4);
		double low;
		double result = exp_parts(x, 0.0, 0, &low);
		long double exact = expl((long double)x);
		require(ulp_error(LOSS_F64, result, exact) <= 0.9L, "exp(%a) is off by %Lf ulp", x,
			ulp_error(LOSS_F64, result, exact));
		require(fabs(low) <= 0x1p-1074, "exp(%a): low is %a", x, low);
		zeros += result == 0;
	}
	assert_true(zeros > 0);
	assert_true(exp_double(-745.0) == 0x1p-1074);
	assert_true(exp_double(-744.5) == 0x1p-1074);
}

static void exp_of_special_values(void **state)
{
	(void)state;
	static const struct {
		double x, result;
	} rows[] = {
		{0.0, 1.0},        {-0.0, 1.0},       {HUGE_VAL, HUGE_VAL}, {710.0, HUGE_VAL},
		{709.9, HUGE_VAL}, {1e300, HUGE_VAL}, {DBL_MAX, HUGE_VAL},  {-HUGE_VAL, 0.0},
		{-746.0, 0.0},     {-745.9, 0.0},     {-DBL_MAX, 0.0},      {0x1p-1074, 1.0},
		{-0x1p-1074, 1.0},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		double low = 5;
		assert_true(exp_parts(rows[i].x, 0.0, 0, &low) == rows[i].result);
		assert_false(signbit(exp_double(rows[i].x)));
		if (fabs(rows[i].x) >= 710.0)
			assert_true(low == 0.0);
	}
	double low = 5;
	assert_true(isnan(exp_parts((double)NAN, 0.0, 0, &low)));
	assert_true(low == 0.0);
	assert_true(isfinite(exp_double(0x1.62e42fefa39efp+9))); /* the largest that is finite */
	assert_true(exp_double(709.79) == HUGE_VAL);
}

static void powers_of_two(void **state)
{
	(void)state;
	for (int64_t k = -1022; k <= 1023; k++)
		assert_true(power_of_two(k) == ldexp(1.0, (int)k));
}

static void scaling_rounds_once(void **state)
{
	(void)state;
	struct random random = random_start(0x5ca1e);
	for (int i = 0; i < 20000; i++) {
		double value = random_uniform(&random, 0.5, 2.0);
		int k = (int)random_below(&random, 2101) - 1076;
		double scaled = scale_by_power(value, k);
		require(scaled == ldexp(value, k), "%a * 2^%d is %a", value, k, scaled);
	}
	assert_true(scale_by_power(1.0, 1024) == HUGE_VAL);
	assert_true(scale_by_power(0.75, 1024) == 0x1.8p1023);
	assert_true(scale_by_power(1.5, -1074) == 0x1p-1073);
	assert_true(scale_by_power(1.0, -1075) == 0.0);
	assert_true(scale_by_power(-0x1.8p-60, -1022) == -0.0);
}

static long double log1p_error(double x, double x_low)
{
	long double exact = log1pl((long double)x + (long double)x_low);
	return ulp_error(LOSS_F64, log1p_parts(x, x_low), exact);
}

/* From the smallest subnormal to 2^1022, as many in each binade. */
static void log1p_is_within_an_ulp(void **state)
{
	(void)state;
	skip_unless_precise();
	struct random random = random_start(0x1061);
	for (size_t i = 0; i < random_cases(ROUNDS); i++) {
		int k = (int)random_below(&random, 2096) - 1074;
		double x = ldexp(random_uniform(&random, 1, 2), k);
		long double error = log1p_error(x, 0.0);
		require(error <= 1, "log1p(%a) is off by %Lf ulp", x, error);
	}
}

/* Where the logarithm is neither its argument nor that of a large number. */
static void log1p_is_within_an_ulp_around_one(void **state)
{
	(void)state;
	skip_unless_precise();
	static const double ranges[][2] = {
		{0, 1e-3}, {0, 0.5}, {0.4, 0.43}, {0.41, 0.42}, {0.9, 1.1}, {1, 4}, {0, 1e6},
	};
	struct random random = random_start(0x1062);
	for (size_t i = 0; i < random_cases(ROUNDS); i++) {
		const double *range = ranges[random_below(&random, COUNT(ranges))];
		double x = random_uniform(&random, range[0], range[1]);
		double x_low = ulp_below(x) * random_uniform(&random, -1, 1);
		long double error = log1p_error(x, 0.0);
		require(error <= 1, "log1p(%a) is off by %Lf ulp", x, error);
		error = log1p_error(x, x_low);
		require(error <= 1, "log1p(%a + %a) is off by %Lf ulp", x, x_low, error);
	}
}

static void log1p_of_special_values(void **state)
{
	(void)state;
	assert_true(log1p_parts(0.0, 0.0) == 0.0);
	assert_true(log1p_parts(0x1p-1074, 0.0) == 0x1p-1074);
	assert_true(log1p_parts(0x1.8p-60, 0x1p-112) == 0x1.8p-60 + 0x1p-112);
	assert_true(log1p_parts(HUGE_VAL, 0.0) == HUGE_VAL);
	assert_true(isnan(log1p_parts((double)NAN, 0.0)));
	assert_true(log1p_parts(1.0, 0.0) == 0x1.62e42fefa39efp-1);
}

/* ---------------------------------------------------------------- log */

/* Every binade, and around 1. */
static double draw_positive(struct random *random)
{
	if (random_chance(random, 0.5))
		return ldexp(random_uniform(random, 1, 2), (int)random_below(random, 2098) - 1074);
	return random_chance(random, 0.5)
		       ? random_uniform(random, 0.5, 2)
		       : 1 + ldexp(random_uniform(random, -1, 1), -(int)random_below(random, 53));
}

static void log_is_within_an_ulp(void **state)
{
	(void)state;
	skip_unless_precise();
	struct random random = random_start(0x1063);
	for (size_t i = 0; i < random_cases(ROUNDS); i++) {
		double x = draw_positive(&random);
		double x_low = x < 0x1p-900 ? 0 : ulp_below(x) * random_uniform(&random, -1, 1);
		long double error = ulp_error(LOSS_F64, log_double(x, 0.0), logl((long double)x));
		require(error <= 1, "log(%a) is off by %Lf ulp", x, error);
		/* long double has 11 bits more: next to 1 it can not hold x + x_low. */
		if (fabs(x - 1) < 0x1p-9)
			continue;
		error = ulp_error(LOSS_F64, log_double(x, x_low),
				  logl((long double)x) +
					  log1pl((long double)x_low / (long double)x));
		require(error <= 1, "log(%a + %a) is off by %Lf ulp", x, x_low, error);
	}
}

/* log(1 - x) for every x that is no more than a half, down to the smallest. */
static void log_takes_what_a_complement_lost(void **state)
{
	(void)state;
	skip_unless_precise();
	struct random random = random_start(0x1064);
	for (size_t i = 0; i < random_cases(ROUNDS); i++) {
		double x = ldexp(random_uniform(&random, 0, 1), -(int)random_below(&random, 1074));
		double lost;
		double other = two_sum(1.0, -x, &lost);
		long double exact = log1pl(-(long double)x);
		long double error = ulp_error(LOSS_F64, log_double(other, lost), exact);
		require(error <= 1, "log(1 - %a) is off by %Lf ulp", x, error);
	}
}

static void log_parts_hold_more_than_a_double(void **state)
{
	(void)state;
	skip_unless_precise();
	struct random random = random_start(0x1065);
	for (size_t i = 0; i < random_cases(ROUNDS); i++) {
		double x = draw_positive(&random);
		struct sum log = log_parts((struct sum){x, 0.0});
		long double exact = logl((long double)x);
		long double got = (long double)log.high + (long double)log.low;
		long double error = fabsl(got - exact) / ulp_of(LOSS_F64, exact);
		/* The long double itself is only good to half of 2^-11. */
		require(error <= 0x1p-9L, "log(%a) is off by %Lg ulp", x, error);
		require(fabs(log.low) <= fabs(log.high) * 0x1p-52, "log(%a): low is %a", x,
			log.low);
	}
}

static void log_of_special_values(void **state)
{
	(void)state;
	static const struct {
		double x, result;
	} rows[] = {
		{1.0, 0.0},
		{0.0, -HUGE_VAL},
		{-0.0, -HUGE_VAL},
		{HUGE_VAL, HUGE_VAL},
		{2.0, 0x1.62e42fefa39efp-1},
		{0.5, -0x1.62e42fefa39efp-1},
		{0x1p-1074, -0x1.74385446d71c3p+9},
		{DBL_MAX, 0x1.62e42fefa39efp+9},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_true(log_double(rows[i].x, 0.0) == rows[i].result);
		assert_true(log_parts((struct sum){rows[i].x, 0.0}).high == rows[i].result);
	}
	assert_true(isnan(log_double(-0x1p-1074, 0.0)));
	assert_true(isnan(log_double(-HUGE_VAL, 0.0)));
	assert_true(isnan(log_double((double)NAN, 0.0)));
	assert_true(isnan(log_parts((struct sum){(double)NAN, 0.0}).high));
	assert_true(log_double(1.0, 0x1p-60) == 0x1p-60);
}

/* ---------------------------------------------------------------- tanh */

static double draw_any(struct random *random)
{
	double size = random_chance(random, 0.5) ? ldexp(random_uniform(random, 0, 1),
							 -(int)random_below(random, 1000))
						 : random_uniform(random, 0, 25);
	return random_chance(random, 0.5) ? size : -size;
}

static void tanh_is_within_an_ulp(void **state)
{
	(void)state;
	skip_unless_precise();
	struct random random = random_start(0x7a4);
	for (size_t i = 0; i < random_cases(ROUNDS); i++) {
		double a = draw_any(&random);
		double a_low = ulp_below(a) * random_uniform(&random, -1, 1);
		struct sum t = tanh_parts(a, 0.0);
		long double exact = tanhl((long double)a);
		long double error = ulp_error(LOSS_F64, t.high + t.low, exact);
		require(error <= 0.8L, "tanh(%a) is off by %Lf ulp", a, error);
		t = tanh_parts(a, a_low);
		exact += (long double)a_low * (1 - exact * exact);
		error = ulp_error(LOSS_F64, t.high + t.low, exact);
		require(error <= 0.9L, "tanh(%a + %a) is off by %Lf ulp", a, a_low, error);
	}
}

static void sech_squared_is_within_an_ulp(void **state)
{
	(void)state;
	skip_unless_precise();
	struct random random = random_start(0x5ec);
	for (size_t i = 0; i < random_cases(ROUNDS); i++) {
		double a = random_chance(&random, 0.5) ? draw_any(&random)
						       : random_uniform(&random, -340, 340);
		long double e = expl(-2 * fabsl((long double)a));
		struct sum s = sech_squared_parts(a, 0.0);
		long double exact = 4 * e / ((1 + e) * (1 + e));
		long double error = ulp_error(LOSS_F64, s.high + s.low, exact);
		require(error <= 1, "sech(%a)^2 is off by %Lf ulp", a, error);
	}
}

static void tanh_of_special_values(void **state)
{
	(void)state;
	assert_true(tanh_parts(0.0, 0.0).high == 0.0);
	assert_true(tanh_parts(HUGE_VAL, 0.0).high == 1.0);
	assert_true(tanh_parts(-HUGE_VAL, 0.0).high == -1.0);
	assert_true(tanh_parts(-DBL_MAX, 0.0).high == -1.0);
	assert_true(tanh_parts(0x1p-1074, 0.0).high == 0x1p-1074);
	assert_true(isnan(tanh_parts((double)NAN, 0.0).high));
	assert_true(sech_squared_parts(0.0, 0.0).high == 1.0);
	assert_true(sech_squared_parts(HUGE_VAL, 0.0).high == 0.0);
	assert_true(sech_squared_parts(-HUGE_VAL, 0.0).high == 0.0);
	assert_true(isnan(sech_squared_parts((double)NAN, 0.0).high));
}

/* Computed once, the same for gcc and clang at every level of optimization. */
static void the_bits_are_always_the_same(void **state)
{
	(void)state;
	static const struct {
		double x, exp, exp_low, log1p;
	} rows[] = {
		{0x1.999999999999ap-4, 0x1.cf46d99d52b3ap-1, 0x1.d8p-55, 0x1.8663f793c46c7p-4},
		{0x1.62d0e56041893p-2, 0x1.6a10b883d5676p-1, 0x1p-55, 0x1.30a61a68ae511p-2},
		{0x1.a827997709f7ap-2, 0x1.525c375209c83p-1, 0x1.8p-56, 0x1.62e42fd2cf8f5p-2},
		{0x1.6666666666666p-1, 0x1.fc80db9dd5542p-2, 0x1.6a9p-57, 0x1.0fae81914a991p-1},
		{0x1p+0, 0x1.78b56362cef38p-2, -0x1p-56, 0x1.62e42fefa39efp-1},
		{0x1.5bf0a8b145769p+1, 0x1.0e49787e20548p-4, 0x1.26p-58, 0x1.5031eafefb049p+0},
		{0x1.3p+3, 0x1.39f38a5498fe2p-14, -0x1.fp-68, 0x1.2cf9dd4b12035p+1},
		{0x1.14p+4, 0x1.14f49dbc5078cp-25, -0x1.2ep-79, 0x1.73bbae6c742d5p+1},
		{0x1.2p+5, 0x1.0b6c3afdde064p-52, -0x1.fep-106, 0x1.ce328ee3ac7bdp+1},
		{0x1.908p+6, 0x1.76d8e5c4fcb71p-145, 0x1p-201, 0x1.2772663479951p+2},
		{0x1.5e4p+9, 0x1.4ff475c68ca02p-1011, -0x0.000000000024p-1022,
		 0x1.a367f8a1bfec7p+2},
		{0x1.72p+9, 0x0.0000000000055p-1022, 0x0p+0, 0x1.a6e97b7466081p+2},
		{0x1.12e0be826d695p-30, 0x1.fffffff768fa1p-1, -0x1.003e3b2b92095p-55,
		 0x1.12e0be801f1d9p-30},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		double low;
		assert_true(exp_parts(-rows[i].x, 0.0, 0, &low) == rows[i].exp);
		assert_true(low == rows[i].exp_low);
		assert_true(log1p_parts(rows[i].x, 0.0) == rows[i].log1p);
	}
}

static void the_bits_of_log_and_tanh_are_always_the_same(void **state)
{
	(void)state;
	static const struct {
		double x, log, log_low, tanh, sech_squared;
	} rows[] = {
		{0x1p-60, -0x1.4cb5ecf0a965p+5, -0x1.0886a2bcp-49, 0x1p-60, 0x1p+0},
		{0x1.999999999999ap-4, -0x1.26bb1bbb55515p+1, -0x1.8b74985p-53,
		 0x1.983d7795f413ap-4, 0x1.fae9f8081fa16p-1},
		{0x1.5555555555555p-2, -0x1.193ea7aad030bp+0, 0x1.44da26bp-55, 0x1.493aa293c8802p-2,
		 0x1.cb130796428e1p-1},
		{0x1.6a09e667f3bcdp-1, -0x1.62e42fefa39eep-2, 0x1.6d08ff7cc4548p-60,
		 0x1.37bc6a2932386p-1, 0x1.423255b1e7b99p-1},
		{0x1.fffffffffffffp-1, -0x1p-53, -0x1p-107, 0x1.85efab514f394p-1,
		 0x1.ae0dc0f990c46p-2},
		{0x1.8p+0, 0x1.9f323ecbf984cp-2, -0x1.a888158p-59, 0x1.cf6f9786df577p-1,
		 0x1.72165282c6f72p-3},
		{0x1.14p+4, 0x1.6c851bbab187ep+1, -0x1.17c7defcp-53, 0x1.fffffffffffedp-1,
		 0x1.2ba05ddb1dad9p-48},
		{0x1.908p+6, 0x1.26cf9356736c2p+2, -0x1.7d08ddp-53, 0x1p+0, 0x1.126f3b900e85bp-287},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct sum tanh = tanh_parts(rows[i].x, 0.0);
		struct sum sech = sech_squared_parts(rows[i].x, 0.0);
		assert_true(log_double(rows[i].x, 0.0) == rows[i].log);
		assert_true(log_parts((struct sum){rows[i].x, 0.0}).low == rows[i].log_low);
		assert_true(tanh.high + tanh.low == rows[i].tanh);
		assert_true(sech.high + sech.low == rows[i].sech_squared);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exp_is_within_its_bound),
		cmocka_unit_test(exp_takes_the_low_part_of_its_argument),
		cmocka_unit_test(exp_is_scaled_without_another_rounding),
		cmocka_unit_test(exp_before_the_subnormals),
		cmocka_unit_test(exp_rounds_into_the_subnormals),
		cmocka_unit_test(exp_of_special_values),
		cmocka_unit_test(powers_of_two),
		cmocka_unit_test(scaling_rounds_once),
		cmocka_unit_test(log1p_is_within_an_ulp),
		cmocka_unit_test(log1p_is_within_an_ulp_around_one),
		cmocka_unit_test(log1p_of_special_values),
		cmocka_unit_test(log_is_within_an_ulp),
		cmocka_unit_test(log_takes_what_a_complement_lost),
		cmocka_unit_test(log_parts_hold_more_than_a_double),
		cmocka_unit_test(log_of_special_values),
		cmocka_unit_test(tanh_is_within_an_ulp),
		cmocka_unit_test(sech_squared_is_within_an_ulp),
		cmocka_unit_test(tanh_of_special_values),
		cmocka_unit_test(the_bits_are_always_the_same),
		cmocka_unit_test(the_bits_of_log_and_tanh_are_always_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
