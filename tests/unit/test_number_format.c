/* Number to text: the shortest digits that read back, in the layout of Python's repr. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../server/codec/number/number.h"
#include "../support/bits.h"
#include "../support/random.h"
#include "loss.h"

#define ROUNDS 200000

static double parse(const char *text, size_t n)
{
	struct number number;
	if (number_parse(text, n, &number) != NUMBER_OK)
		fail_msg("not read: %.*s", (int)n, text);
	return number.value;
}

static void expect_f64(double value, const char *text)
{
	char out[NUMBER_MAX_CHARS + 1] = {0};
	size_t n = number_format_f64(value, out);
	assert_true(n <= NUMBER_MAX_CHARS);
	out[n] = '\0';
	assert_string_equal(out, text);
}

static void expect_f32(float value, const char *text)
{
	char out[NUMBER_MAX_CHARS + 1] = {0};
	size_t n = number_format_f32(value, out);
	assert_true(n <= NUMBER_MAX_CHARS);
	out[n] = '\0';
	assert_string_equal(out, text);
}

static void test_format_f64(void **state)
{
	(void)state;
	expect_f64(0.0, "0.0");
	expect_f64(-0.0, "-0.0");
	expect_f64(1.0, "1.0");
	expect_f64(-2.5, "-2.5");
	expect_f64(0.1, "0.1");
	expect_f64(1.0 / 3.0, "0.3333333333333333");
	expect_f64(100.0, "100.0");
	expect_f64(123456.789, "123456.789");
	expect_f64(0.0001, "0.0001");
	expect_f64(0.00012345678901234567, "0.00012345678901234567");
	expect_f64(0.00001, "1e-05");
	expect_f64(-1.25e-7, "-1.25e-07");
	expect_f64(9999999999999998.0, "9999999999999998.0");
	expect_f64(9007199254740993.0, "9007199254740992.0");
	expect_f64(1234567890123456.8, "1234567890123456.8");
	expect_f64(1e16, "1e+16");
	expect_f64(12345678901234567.0, "1.2345678901234568e+16");
	expect_f64(1e22, "1e+22");
	expect_f64(1e23, "1e+23");
	expect_f64(9.5e-100, "9.5e-100");
	expect_f64(5e-324, "5e-324");
	expect_f64(1e-323, "1e-323");
	expect_f64(2.2250738585072014e-308, "2.2250738585072014e-308");
	expect_f64(2.225073858507201e-308, "2.225073858507201e-308");
	expect_f64(1.7976931348623157e308, "1.7976931348623157e+308");
	expect_f64(-1.7976931348623157e308, "-1.7976931348623157e+308");
	expect_f64(9007199254740992.0, "9007199254740992.0");
	expect_f64(18014398509481984.0, "1.8014398509481984e+16");
	expect_f64(9.313225746154785e-10, "9.313225746154785e-10"); /* 2^-30 */
	expect_f64(1.3447265920066833, "1.3447265920066833");
}

static void test_format_f32(void **state)
{
	(void)state;
	expect_f32(0.0f, "0.0");
	expect_f32(-0.0f, "-0.0");
	expect_f32(1.3447266f, "1.3447266");
	expect_f32(0.1f, "0.1");
	expect_f32(1e-7f, "1e-07");
	expect_f32(1e16f, "1e+16");
	expect_f32(0.0001f, "0.0001");
	expect_f32(0.00001f, "1e-05");
	expect_f32(16777216.0f, "16777216.0");
	expect_f32(33554432.0f, "33554432.0");
	expect_f32(1e10f, "10000000000.0");
	expect_f32(1.17549435e-38f, "1.1754944e-38");
	expect_f32(1.1754942e-38f, "1.1754942e-38");
	expect_f32(1e-45f, "1e-45");
	expect_f32(3.4028235e38f, "3.4028235e+38");
	expect_f32(-3.4028235e38f, "-3.4028235e+38");
	expect_f32(9.8607613e-32f, "9.8607613e-32"); /* 2^-103: the gap below is half as wide */
	expect_f32(8589934592.0f, "8589935000.0");   /* 2^33 is 8589934592 */
	expect_f32(2.0611536e-09f, "2.0611537e-09"); /* 2.06115369e-09, to be exact */
	/* The one float that 7.038531e-26 is enough for only if it is not read as a double first.
	 */
	expect_f32(float_of(0x15ae43fd), "7.0385307e-26");
	expect_f32(float_of(0x95ae43fd), "-7.0385307e-26");
	expect_f32(float_of(0x15ae43fe), "7.0385313e-26");
	assert_true(float_bits((float)parse("7.0385307e-26", 13)) == 0x15ae43fd);
	assert_true(float_bits(strtof("7.0385307e-26", NULL)) == 0x15ae43fd);
	assert_true(float_bits((float)parse("7.038531e-26", 12)) != 0x15ae43fd);
}

/* Significant digits of what was written: 1 of "0.001", "100.0", "1e-07". */
static int count_digits(const char *text)
{
	int n = 0, zeros = 0;
	for (const char *p = text; *p && *p != 'e'; p++) {
		if (*p < '0' || *p > '9')
			continue;
		zeros = *p == '0' ? zeros + (n > 0) : 0;
		n += n > 0 || *p != '0';
	}
	return n - zeros;
}

static bool reads_back_f64(const char *text, double value)
{
	return bits_of(strtod(text, NULL)) == bits_of(value);
}

static bool reads_back_f32(const char *text, double value)
{
	return float_bits(strtof(text, NULL)) == float_bits((float)value);
}

/* A digit less does not read back, and no other number of as many digits that does is nearer:
 * printf, which rounds right, gives the nearest of n digits. */
static void expect_shortest(double value, const char *text,
			    bool (*reads_back)(const char *text, double value))
{
	char other[64];
	if (!reads_back(text, value))
		fail_msg("%a does not come back from %s", value, text);
	int digits = count_digits(text);
	snprintf(other, sizeof other, "%.*e", digits < 2 ? 0 : digits - 2, value);
	if (digits > 1 && reads_back(other, value))
		fail_msg("%a is %s, but %s would do", value, text, other);
	snprintf(other, sizeof other, "%.*e", digits < 1 ? 0 : digits - 1, value);
	if (reads_back(other, value) && strtold(other, NULL) != strtold(text, NULL))
		fail_msg("%a is %s, but %s is nearer", value, text, other);
}

static void check_f64(double value)
{
	char text[NUMBER_MAX_CHARS + 1];
	size_t n = number_format_f64(value, text);
	text[n] = '\0';
	expect_shortest(value, text, reads_back_f64);
	assert_true(bits_of(parse(text, n)) == bits_of(value));
}

static void check_f32(float value)
{
	char text[NUMBER_MAX_CHARS + 1];
	size_t n = number_format_f32(value, text);
	text[n] = '\0';
	expect_shortest((double)value, text, reads_back_f32);
	/* Read as a double and rounded again, which is how a tensor's numbers are read. */
	assert_true(float_bits((float)parse(text, n)) == float_bits(value));
}

static void test_format_around_powers_of_two(void **state)
{
	(void)state;
	for (uint64_t exponent = 0; exponent < 2047; exponent++)
		for (uint64_t i = 0; i < 5; i++)
			if (exponent > 0 || i >= 2)
				check_f64(double_of((exponent << 52) + i - 2));
	for (uint32_t exponent = 0; exponent < 255; exponent++) {
		for (uint32_t i = 0; i < 64; i++) {
			check_f32(float_of((exponent << 23) + i));
			check_f32(float_of((exponent << 23) + 0x7fffff - i));
			check_f32(-float_of((exponent << 23) + i * UINT32_C(0x1ffff)));
		}
	}
}

/* ---------------------------------------------------------------- types that C does not have */

static size_t format_f16(unsigned code, char *out)
{
	return number_format_f16((uint16_t)code, out);
}

static size_t format_bf16(unsigned code, char *out)
{
	return number_format_bf16((uint16_t)code, out);
}

static size_t format_f8_e4m3(unsigned code, char *out)
{
	return number_format_f8_e4m3((uint8_t)code, out);
}

static size_t format_f8_e5m2(unsigned code, char *out)
{
	return number_format_f8_e5m2((uint8_t)code, out);
}

static const struct narrow {
	loss_dtype dtype;
	unsigned n_codes;
	size_t (*format)(unsigned code, char *out);
} narrows[] = {
	{LOSS_F16, 65536, format_f16},
	{LOSS_BF16, 65536, format_bf16},
	{LOSS_F8_E4M3, 256, format_f8_e4m3},
	{LOSS_F8_E5M2, 256, format_f8_e5m2},
};

/* As a tensor's numbers are read: to the nearest double, then to the type. */
static unsigned read_code(loss_dtype dtype, const char *text)
{
	uint16_t code = 0;
	loss_float_put(dtype, &code, 0, parse(text, strlen(text)));
	return loss_dtype_info(dtype)->size == 1 ? *(uint8_t *)&code : code;
}

/* The three decimals of n digits around value. */
static bool some_read_back(const struct narrow *narrow, unsigned code, double value, int n,
			   char *other)
{
	char nearest[64];
	snprintf(nearest, sizeof nearest, "%.*e", n - 1, fabs(value));
	long digits = 0;
	for (const char *p = nearest; *p != 'e'; p++)
		digits = *p == '.' ? digits : digits * 10 + (*p - '0');
	long exponent = strtol(strchr(nearest, 'e') + 1, NULL, 10) - (n - 1);
	for (long i = digits - 1; i <= digits + 1; i++) {
		snprintf(other, 64, "%s%lde%ld", signbit(value) ? "-" : "", i, exponent);
		if (read_code(narrow->dtype, other) == code)
			return true;
	}
	return false;
}

static void check_narrow(const struct narrow *narrow, unsigned code, double value)
{
	char text[NUMBER_MAX_CHARS + 1], other[64];
	size_t length = narrow->format(code, text);
	assert_true(length <= NUMBER_MAX_CHARS);
	text[length] = '\0';
	const char *name = loss_dtype_info(narrow->dtype)->name;
	if (read_code(narrow->dtype, text) != code)
		fail_msg("%s %#x does not come back from %s", name, code, text);
	int digits = count_digits(text);
	if (digits > 1 && some_read_back(narrow, code, value, digits - 1, other))
		fail_msg("%s %#x is %s, but %s would do", name, code, text, other);
	snprintf(other, sizeof other, "%.*e", digits < 1 ? 0 : digits - 1, value);
	if (read_code(narrow->dtype, other) == code && strtold(other, NULL) != strtold(text, NULL))
		fail_msg("%s %#x is %s, but %s is nearer", name, code, text, other);
}

static void test_format_every_narrow_number(void **state)
{
	(void)state;
	for (const struct narrow *narrow = narrows; narrow < narrows + 4; narrow++) {
		unsigned n_finite = 0;
		for (unsigned i = 0; i < narrow->n_codes; i++) {
			uint16_t code = 0;
			if (narrow->n_codes == 256)
				*(uint8_t *)&code = (uint8_t)i;
			else
				code = (uint16_t)i;
			double value = loss_float_get(narrow->dtype, &code, 0);
			if (!isfinite(value))
				continue;
			check_narrow(narrow, i, value);
			n_finite++;
		}
		assert_true(n_finite > narrow->n_codes / 2);
	}
}

static void test_format_random(void **state)
{
	(void)state;
	struct random random = random_start(3);
	int rounds = (int)random_cases(ROUNDS);
	for (int i = 0; i < rounds; i++) {
		double value = double_of(random_bits(&random));
		if (isfinite(value))
			check_f64(value);
		/* Numbers that have few digits, and those of everyday size. */
		check_f64((double)(int64_t)(random_bits(&random) % 2000000 - 1000000) / 1000.0);
		float narrow = float_of((uint32_t)random_bits(&random));
		if (isfinite(narrow))
			check_f32(narrow);
		check_f64((double)(float)((double)random_bits(&random) / 0x1p64));
	}
}

/* ---------------------------------------------------------------- many floats at once */

/* A run must write what single numbers are written as, up to the first that is not finite. */
static void check_run(const float *values, size_t n)
{
	enum { MOST = 200 };
	char text[MOST * (NUMBER_MAX_CHARS + 1)], one[NUMBER_MAX_CHARS];
	char *end = text;
	assert_true(n <= MOST);
	size_t written = number_format_run_f32(values, n, &end);
	const char *p = text;
	for (size_t i = 0; i < written; i++) {
		size_t size = number_format_f32(values[i], one);
		if (memcmp(p, one, size) != 0 || p[size] != ',')
			fail_msg("%a is %.20s, not %.*s", (double)values[i], p, (int)size, one);
		p += size + 1;
	}
	assert_ptr_equal(p, end);
	assert_true(written == n || !isfinite(values[written]));
}

static void test_format_runs(void **state)
{
	(void)state;
	struct random random = random_start(4);
	size_t rounds = random_cases(ROUNDS / 100);
	float values[200];
	for (size_t i = 0; i < rounds; i++) {
		size_t n = 1 + random_below(&random, 200);
		for (size_t k = 0; k < n; k++) {
			/* Any bits; everyday sizes; few digits; small numbers, as gradients are. */
			uint32_t bits = (uint32_t)random_bits(&random);
			double normal = random_normal(&random);
			const float kinds[] = {float_of(bits), (float)normal,
					       (float)((int)(normal * 1000)) / 100.0f,
					       (float)(normal * 1e-6)};
			values[k] = kinds[i % 4];
		}
		check_run(values, n);
	}
	/* All exponents: around powers of two, powers of ten, and where the layout changes. */
	for (uint32_t exponent = 0; exponent < 255; exponent++) {
		for (uint32_t k = 0; k < 200; k++)
			values[k] = float_of(((exponent << 23) + k - 100) & UINT32_C(0x7fffffff));
		check_run(values, exponent == 0 ? 100 : 200);
		check_run(values + 100, 100);
	}
	for (int exponent = -45; exponent <= 38; exponent++) {
		char text[16];
		snprintf(text, sizeof text, "1e%d", exponent);
		uint32_t bits = float_bits(strtof(text, NULL));
		for (uint32_t k = 0; k < 200; k++)
			values[k] = float_of(bits + (bits > 100 ? k - 100 : k));
		check_run(values, 200);
	}
}

static void test_format_runs_stop_at_non_finite(void **state)
{
	(void)state;
	for (size_t at = 0; at < 70; at++) {
		float values[70];
		for (size_t i = 0; i < 70; i++)
			values[i] = (float)i + 0.25f;
		values[at] = at % 3 == 0 ? NAN : at % 3 == 1 ? INFINITY : -INFINITY;
		char text[70 * (NUMBER_MAX_CHARS + 1)], *end = text;
		assert_int_equal(number_format_run_f32(values, 70, &end), at);
		check_run(values, 70);
	}
}

static void test_format_integers(void **state)
{
	(void)state;
	static const int64_t signed_values[] = {
		0,         9,        -1,       10,        99,
		100,       12345678, 99999999, 100000000, INT64_C(-10000000000000001),
		INT64_MAX, INT64_MIN};
	char out[NUMBER_MAX_CHARS + 1], text[32];
	for (size_t i = 0; i < sizeof signed_values / sizeof *signed_values; i++) {
		out[number_format_i64(signed_values[i], out)] = '\0';
		snprintf(text, sizeof text, "%" PRId64, signed_values[i]);
		assert_string_equal(out, text);
	}
	uint64_t power = 1;
	for (int digits = 1; digits <= 20; digits++, power *= 10) {
		const uint64_t values[] = {power - 1, power, power + 1, UINT64_MAX / power};
		for (size_t i = 0; i < 4; i++) {
			out[number_format_u64(values[i], out)] = '\0';
			snprintf(text, sizeof text, "%" PRIu64, values[i]);
			assert_string_equal(out, text);
		}
	}
}

static void expect_nanoseconds(uint64_t ns)
{
	char out[NUMBER_MAX_CHARS + 1], wanted[NUMBER_MAX_CHARS + 1];
	out[number_format_decimal(ns, -9, out)] = '\0';
	wanted[number_format_f64((double)ns / 1e9, wanted)] = '\0';
	assert_string_equal(out, wanted);
}

/* Nanoseconds as seconds: what the double nearest to them has for digits. */
static void decimals_are_the_digits_of_their_doubles(void **state)
{
	struct random random = random_start(31);
	(void)state;
	for (uint64_t ns = 0; ns < 1100000; ns++)
		expect_nanoseconds(ns);
	for (uint64_t power = 1; power <= NUMBER_EXACT_DIGITS; power *= 10)
		for (uint64_t ns = power - 1; ns <= power + 1 && ns <= NUMBER_EXACT_DIGITS; ns++)
			expect_nanoseconds(ns);
	expect_nanoseconds(NUMBER_EXACT_DIGITS);
	for (int i = 0; i < ROUNDS; i++)
		expect_nanoseconds(random_bits(&random) % (NUMBER_EXACT_DIGITS + 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_format_f64),
		cmocka_unit_test(test_format_f32),
		cmocka_unit_test(test_format_around_powers_of_two),
		cmocka_unit_test(test_format_every_narrow_number),
		cmocka_unit_test(test_format_random),
		cmocka_unit_test(test_format_runs),
		cmocka_unit_test(test_format_runs_stop_at_non_finite),
		cmocka_unit_test(test_format_integers),
		cmocka_unit_test(decimals_are_the_digits_of_their_doubles),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
