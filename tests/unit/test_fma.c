/*
 * The fused multiply-add of the vector kernels, as this file's compiler flags make it: that of the
 * portable build where they allow no other, which emulates it. Where rounding twice would show is
 * too rare for random numbers to find, so these cases are made.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "../support/bits.h"
#include "../support/random.h"
#include "kernel/vector/lanes.h"

static void check(float a, float b, float c)
{
	float expected = fmaf(a, b, c);
	vf got = vf_fma(vf_set(a), vf_set(b), vf_set(c));
	for (size_t l = 0; l < NATIVE; l++)
		require(float_bits(got[l]) == float_bits(expected) ||
				(isnan(got[l]) && isnan(expected)),
			"%a * %a + %a is %a, not %a", (double)a, (double)b, (double)c,
			(double)got[l], (double)expected);
}

static void check_signs(float a, float b, float c)
{
	check(a, b, c);
	check(-a, b, c);
	check(a, b, -c);
	check(-a, b, -c);
}

/* Products just beside a tie of the sum, by less than a double can hold beside it. */
static void sums_next_to_ties(void **state)
{
	struct random random = random_start(0xf3a1);
	(void)state;
	for (size_t i = 0; i < random_cases(20000); i++) {
		int scale = (int)random_below(&random, 60) - 30;
		float one = ldexpf((float)(0x800000 + random_below(&random, 0x800000)), scale);
		float half_ulp = ldexpf(1, scale - 1);
		float off = ldexpf(1, -(int)random_below(&random, 24));
		/* (1 + off) (1 - off) = 1 - off^2, down to 1 - 2^-46 */
		check_signs((1 + off) * half_ulp, 1 - off, one);
		check_signs((1 + off) * half_ulp, 1 + off, one);
		check_signs(half_ulp, 1, one);
		check_signs(half_ulp, 3, one);
		check_signs(ldexpf(1, scale - 60), 1, one + half_ulp);
	}
}

/* The sum cancels, all but the last bits of the product. */
static void sums_that_cancel(void **state)
{
	struct random random = random_start(0xf3a2);
	(void)state;
	for (size_t i = 0; i < random_cases(20000); i++) {
		float a = (float)random_uniform(&random, 1, 2);
		float b = (float)random_uniform(&random, 1, 2);
		check_signs(a, b, a * b);
		check_signs(a, b, nextafterf(a * b, 0));
	}
}

static void any_bits(void **state)
{
	struct random random = random_start(0xf3a3);
	(void)state;
	for (size_t i = 0; i < random_cases(200000); i++)
		check(float_of((uint32_t)random_bits(&random)),
		      float_of((uint32_t)random_bits(&random)),
		      float_of((uint32_t)random_bits(&random)));
}

static void the_ends_of_the_range(void **state)
{
	static const float ends[] = {0.0f,
				     -0.0f,
				     0x1p-149f,
				     -0x1p-149f,
				     0x1p-126f,
				     0x1p-75f,
				     0x1.8p-75f,
				     0x1p-74f,
				     0x1p64f,
				     -0x1p63f,
				     0x1p127f,
				     0x1.fffffep127f,
				     -0x1.fffffep127f,
				     1.0f,
				     INFINITY,
				     -INFINITY,
				     NAN};
	size_t n = sizeof(ends) / sizeof(ends[0]);
	(void)state;
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < n; j++)
			for (size_t k = 0; k < n; k++)
				check(ends[i], ends[j], ends[k]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_next_to_ties),
		cmocka_unit_test(sums_that_cancel),
		cmocka_unit_test(any_bits),
		cmocka_unit_test(the_ends_of_the_range),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
