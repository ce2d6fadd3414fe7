/* The float types narrower than F32: every value read, and every boundary between two of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "../support/bits.h"
#include "../support/random.h"
#include "half.h"

#define MAX_CODES 65536

/* What the types are, said apart from the code: the largest number, and how many NaNs a sign has.
 */
static const struct type {
	loss_dtype dtype;
	int bits, mantissa_bits, bias;
	double largest, smallest;
	unsigned n_nans;
	bool has_infinity;
} types[] = {
	{LOSS_F16, 16, 10, 15, 65504, 0x1p-24, 1023, true},
	{LOSS_BF16, 16, 7, 127, 0x1.fep127, 0x1p-133, 127, true},
	{LOSS_F8_E4M3, 8, 3, 7, 448, 0x1p-9, 1, false},
	{LOSS_F8_E5M2, 8, 2, 15, 57344, 0x1p-16, 3, true},
};

#define EACH_TYPE(type)                                                                            \
	for (const struct type *type = types; type < types + sizeof types / sizeof *types; type++)

static unsigned sign_of(const struct type *type)
{
	return 1u << (type->bits - 1);
}

/* Codes without a sign that are finite. */
static unsigned n_finite(const struct type *type)
{
	return sign_of(type) - type->n_nans - type->has_infinity;
}

/* The finite magnitude of a code, as IEEE 754 defines it; the value after the largest number too,
 * as if exponents went on. */
static double magnitude_of(const struct type *type, unsigned code)
{
	unsigned hidden = 1u << type->mantissa_bits;
	unsigned mantissa = code % hidden, field = code / hidden;
	if (field == 0)
		return ldexp(mantissa, 1 - type->bias - type->mantissa_bits);
	return ldexp(mantissa + hidden, (int)field - type->bias - type->mantissa_bits);
}

static void store(const struct type *type, void *data, unsigned i, unsigned code)
{
	if (type->bits == 16)
		((uint16_t *)data)[i] = (uint16_t)code;
	else
		((uint8_t *)data)[i] = (uint8_t)code;
}

static unsigned load(const struct type *type, const void *data, size_t i)
{
	return type->bits == 16 ? ((const uint16_t *)data)[i] : ((const uint8_t *)data)[i];
}

static unsigned put(const struct type *type, double value)
{
	uint16_t data[3] = {0x5a5a, 0x5a5a, 0x5a5a};
	half_put(type->dtype, data, 1, value);
	assert_int_equal(load(type, data, 0), type->bits == 16 ? 0x5a5a : 0x5a);
	assert_int_equal(load(type, data, 2), type->bits == 16 ? 0x5a5a : 0x5a);
	return load(type, data, 1);
}

static unsigned put_float(const struct type *type, float value)
{
	uint16_t code = 0;
	half_from_float(type->dtype, &value, &code, 1);
	return load(type, &code, 0);
}

static void expect_code(const struct type *type, double value, unsigned code)
{
	unsigned got = put(type, value);
	if (got != code)
		fail_msg("%s of %a is %#x, not %#x", loss_dtype_info(type->dtype)->name, value, got,
			 code);
	float narrow = (float)value;
	if ((double)narrow != value)
		return;
	got = put_float(type, narrow);
	if (got != code)
		fail_msg("%s of the float %a is %#x, not %#x", loss_dtype_info(type->dtype)->name,
			 value, got, code);
}

/* Both signs. */
static void expect_codes(const struct type *type, double value, unsigned code)
{
	expect_code(type, value, code);
	expect_code(type, -value, code | sign_of(type));
}

/* ---------------------------------------------------------------- reading */

static void the_ends_of_the_types(void **state)
{
	(void)state;
	EACH_TYPE(type)
	{
		assert_true(magnitude_of(type, n_finite(type) - 1) == type->largest);
		assert_true(magnitude_of(type, 1) == type->smallest);
		assert_int_equal(loss_dtype_info(type->dtype)->size * 8, type->bits);
	}
}

static void check_reading(const struct type *type, unsigned code, float got)
{
	unsigned size = code % sign_of(type);
	bool negative = code >= sign_of(type);
	bool is_nan = size >= sign_of(type) - type->n_nans;
	double want = size < n_finite(type) ? magnitude_of(type, size)
		      : is_nan              ? (double)NAN
					    : (double)INFINITY;
	bool same = is_nan ? isnan(got) != 0 : fabs((double)got) == want;
	if (!same || (signbit(got) != 0) != negative)
		fail_msg("%s %#x is read as %a", loss_dtype_info(type->dtype)->name, code,
			 (double)got);
}

static void every_code_is_read_exactly(void **state)
{
	(void)state;
	uint16_t *data = malloc(MAX_CODES * sizeof *data);
	float *floats = malloc(MAX_CODES * sizeof *floats);
	assert_true(data != NULL && floats != NULL);
	EACH_TYPE(type)
	{
		unsigned n = 1u << type->bits;
		for (unsigned code = 0; code < n; code++)
			store(type, data, code, code);
		half_to_float(type->dtype, data, floats, n);
		for (unsigned code = 0; code < n; code++) {
			float one = half_get(type->dtype, data, code);
			check_reading(type, code, one);
			assert_int_equal(float_bits(one), float_bits(floats[code]));
		}
	}
	free(floats);
	free(data);
}

/* ---------------------------------------------------------------- writing */

static void every_value_is_written_as_it_was_read(void **state)
{
	(void)state;
	EACH_TYPE(type)
	{
		for (unsigned code = 0; code < 1u << type->bits; code++) {
			uint16_t data = 0;
			store(type, &data, 0, code);
			float value = half_get(type->dtype, &data, 0);
			unsigned quiet = 1u << (type->mantissa_bits - 1);
			assert_int_equal(put(type, (double)value),
					 isnan(value) ? code | quiet : code);
			assert_int_equal(put_float(type, value),
					 isnan(value) ? code | quiet : code);
		}
	}
}

/* Around the middle between a number and the next: the two of them, and the even one at the middle.
 * After the largest number stands what overflow becomes. */
static void every_boundary_is_where_it_belongs(void **state)
{
	(void)state;
	EACH_TYPE(type)
	{
		for (unsigned code = 0; code < n_finite(type); code++) {
			double low = magnitude_of(type, code), high = magnitude_of(type, code + 1);
			double middle = (low + high) / 2, quarter = (high - low) / 4;
			expect_codes(type, middle, code + code % 2);
			expect_codes(type, nextafter(middle, 0), code);
			expect_codes(type, nextafter(middle, HUGE_VAL), code + 1);
			expect_codes(type, (double)nextafterf((float)middle, 0), code);
			expect_codes(type, (double)nextafterf((float)middle, HUGE_VALF), code + 1);
			expect_codes(type, low + quarter, code);
			expect_codes(type, high - quarter, code + 1);
			expect_codes(type, nextafter(low, HUGE_VAL), code);
			expect_codes(type, nextafter(high, 0), code + 1);
		}
	}
}

static void what_is_too_large_or_too_small(void **state)
{
	(void)state;
	EACH_TYPE(type)
	{
		static const double large[] = {0x1p128, 1e300, DBL_MAX, HUGE_VAL};
		static const double small[] = {0, 0x1p-1074, 0x1p-1022, 0x1p-160, 0x1p-149};
		unsigned limit = n_finite(type); /* infinity, or the NaN of a type without one */
		assert_true(type->has_infinity || limit == sign_of(type) - 1);
		for (size_t i = 0; i < sizeof large / sizeof *large; i++)
			expect_codes(type, large[i], limit);
		for (size_t i = 0; i < sizeof small / sizeof *small; i++)
			expect_codes(type, small[i], 0);
		expect_codes(type, type->smallest / 2, 0);
		expect_codes(type, type->smallest * 0.75, 1);
	}
}

static void nans_stay_nans(void **state)
{
	(void)state;
	EACH_TYPE(type)
	{
		for (int bit = 0; bit < 52; bit++) {
			double value = double_of(UINT64_C(0x7ff) << 52 | UINT64_C(1) << bit);
			unsigned code = put(type, value);
			assert_true(code < sign_of(type) && code >= sign_of(type) - type->n_nans);
			assert_int_equal(put(type, -value), code | sign_of(type));
		}
		for (int bit = 0; bit < 23; bit++) {
			float value = float_of(UINT32_C(0xff) << 23 | UINT32_C(1) << bit);
			unsigned code = put_float(type, value);
			assert_true(code < sign_of(type) && code >= sign_of(type) - type->n_nans);
			assert_int_equal(put_float(type, -value), code | sign_of(type));
			assert_int_equal(put(type, (double)value), code);
		}
	}
}

/* The code of a finite magnitude by bisection and distances, which are exact in long double. */
static unsigned nearest(const struct type *type, double magnitude)
{
	unsigned low = 0, high = n_finite(type);
	while (high - low > 1) {
		unsigned middle = (low + high) / 2;
		if (magnitude_of(type, middle) <= magnitude)
			low = middle;
		else
			high = middle;
	}
	long double below = (long double)magnitude - (long double)magnitude_of(type, low);
	long double above = (long double)magnitude_of(type, high) - (long double)magnitude;
	return below < above || (below == above && low % 2 == 0) ? low : high;
}

static void random_numbers(void **state)
{
	struct random random = random_start(0xf16);
	(void)state;
	for (size_t i = 0; i < random_cases(100000); i++) {
		EACH_TYPE(type)
		{
			double end = log2(type->largest) + 1, start = log2(type->smallest) - 2;
			double value = exp2(random_uniform(&random, start, end));
			if (value < 2 * type->largest) {
				expect_codes(type, value, nearest(type, value));
				expect_codes(type, (double)(float)value,
					     nearest(type, (double)(float)value));
			}
		}
	}
}

/* A float is written as the double of the same value, many at once as one. */
static void floats_and_doubles_agree(void **state)
{
	enum { N = 4099 };
	struct random random = random_start(0xbf16);
	float *floats = malloc(N * sizeof *floats);
	uint16_t *codes = malloc(N * sizeof *codes);
	(void)state;
	assert_true(floats != NULL && codes != NULL);
	for (size_t round = 0; round < random_cases(64); round++) {
		for (size_t i = 0; i < N; i++)
			floats[i] = float_of((uint32_t)random_bits(&random));
		EACH_TYPE(type)
		{
			half_from_float(type->dtype, floats, codes, N);
			for (size_t i = 0; i < N; i++)
				require(load(type, codes, i) == put(type, (double)floats[i]),
					"%s of %a is %#x", loss_dtype_info(type->dtype)->name,
					(double)floats[i], load(type, codes, i));
		}
	}
	free(codes);
	free(floats);
}

/* ---------------------------------------------------------------- against the processor */

#if defined(__x86_64__)

__attribute__((target("f16c"))) static float widen_by_processor(uint16_t code)
{
	return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(code)));
}

__attribute__((target("f16c"))) static unsigned narrow_by_processor(float value)
{
	__m128i codes = _mm_cvtps_ph(_mm_set_ss(value), _MM_FROUND_TO_NEAREST_INT);
	return (unsigned)_mm_cvtsi128_si32(codes) & 0xffff;
}

static void f16_is_what_the_processor_makes_of_it(void **state)
{
	struct random random = random_start(0xf16c);
	(void)state;
	/* Those with AVX2 all do; not every compiler knows how to ask for F16C itself. */
	if (!__builtin_cpu_supports("avx2")) {
		print_message("this processor does not convert F16\n");
		skip();
	}
	for (unsigned code = 0; code < 65536; code++) {
		uint16_t data = (uint16_t)code;
		assert_int_equal(float_bits(half_get(LOSS_F16, &data, 0)),
				 float_bits(widen_by_processor(data)));
	}
	for (size_t i = 0; i < random_cases(400000); i++) {
		uint32_t bits = (uint32_t)random_bits(&random);
		if (i % 2 == 0) /* of F16's size */
			bits = (bits & UINT32_C(0x807fffff)) |
			       (uint32_t)(100 + random_below(&random, 45)) << 23;
		float value = float_of(bits);
		require(put_float(&types[0], value) == narrow_by_processor(value), "F16 of %a",
			(double)value);
	}
}

#else

static void f16_is_what_the_processor_makes_of_it(void **state)
{
	(void)state;
	print_message("only where the processor is an x86\n");
	skip();
}

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_ends_of_the_types),
		cmocka_unit_test(every_code_is_read_exactly),
		cmocka_unit_test(every_value_is_written_as_it_was_read),
		cmocka_unit_test(every_boundary_is_where_it_belongs),
		cmocka_unit_test(what_is_too_large_or_too_small),
		cmocka_unit_test(nans_stay_nans),
		cmocka_unit_test(random_numbers),
		cmocka_unit_test(floats_and_doubles_agree),
		cmocka_unit_test(f16_is_what_the_processor_makes_of_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
