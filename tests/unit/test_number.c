/* Text to number: grammar, rounding to the last bit, chunk boundaries. */
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
#include "../../server/codec/number/number_table.h"
#include "../support/bits.h"
#include "../support/random.h"
#include "loss.h"

#define DATA "../shared/data/numbers/"
#define ROUNDS 400000

static double parse(const char *text, size_t n)
{
	struct number number;
	if (number_parse(text, n, &number) != NUMBER_OK)
		fail_msg("not read: %.*s", (int)n, text);
	return number.value;
}

static void expect_double(const char *text, double value)
{
	double got = parse(text, strlen(text));
	if (bits_of(got) != bits_of(value))
		fail_msg("%.60s: %a, not %a", text, got, value);
}

/* The C library's reading is the judge. */
static void expect_as_strtod(const char *text)
{
	expect_double(text, strtod(text, NULL));
}

/* ---------------------------------------------------------------- the table of powers */

static void test_powers(void **state)
{
	(void)state;
	for (int q = NUMBER_POWER_MIN; q <= NUMBER_POWER_MAX; q++) {
		struct number_power m = number_power(q);
		assert_true(m.high >> 63 == 1);
		/* Both halves against powl, whose 64 bits are at worst a few units off. */
		int exponent;
		long double power = powl(5.0L, (long double)q);
		long double fraction = frexpl(power, &exponent);
		long double head =
			ldexpl((long double)m.high, -64) + ldexpl((long double)m.low, -128);
		assert_true(fabsl(head / fraction - 1) < 1e-16L);
		assert_int_equal(exponent - 1 + q, number_floor_log2_pow10(q));
	}
	/* 5^55 is the last one that fits; 5^27 the last that fits the upper half. */
	assert_true(number_power(27).low == 0);
	assert_true(number_power(28).low != 0);
	assert_true((number_power(NUMBER_POWER_LAST_EXACT).low & 1) == 1);
	/* 1/5 is 0.(1100) in binary: cut, not rounded up to ...cd. */
	assert_true(number_power(-1).high == UINT64_C(0xcccccccccccccccc));
	assert_true(number_power(-1).low == UINT64_C(0xcccccccccccccccc));
}

/* ---------------------------------------------------------------- grammar */

static void test_grammar_refuses(void **state)
{
	(void)state;
	/* the text, and where it breaks */
	static const struct {
		const char *text;
		size_t at;
	} bad[] = {
		{"+1", 0},    {".5", 0},   {"a", 0},   {" 1", 0},   {"NaN", 0},   {"-Infinity", 1},
		{"01", 1},    {"-01", 2},  {"00", 1},  {"-a", 1},   {"--1", 1},   {"1.a", 2},
		{"1..2", 2},  {"1.e5", 2}, {"1ea", 2}, {"1e+a", 3}, {"1e--2", 3}, {"1E.5", 2},
		{"1e+-2", 3}, {"-.5", 1},  {"1.,", 2}, {"1e,", 2},  {"-,", 1},
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		const char *text = bad[i].text, *end = NULL;
		struct number number;
		enum number_status status = number_scan(text, text + strlen(text), &end, &number);
		if (status != NUMBER_BAD || end != text + bad[i].at)
			fail_msg("%s: status %d, stops at %td", text, (int)status, end - text);
		assert_int_equal(number_parse(text, strlen(text), &number), NUMBER_BAD);
	}
	static const char *const unfinished[] = {"",      "-",  "1.",   "1e", "1e+",
						 "1.5E-", "1 ", "1.5.", "1x"};
	for (size_t i = 0; i < sizeof unfinished / sizeof *unfinished; i++) {
		struct number number;
		assert_int_equal(number_parse(unfinished[i], strlen(unfinished[i]), &number),
				 NUMBER_BAD);
	}
}

static void test_scan_stops_behind_the_token(void **state)
{
	(void)state;
	static const char *const tails[] = {",", "]",  "}", " ",  "\n",  "x",
					    ".", "e5", "-", "\"", "\xff"};
	/* A point or an exponent goes on where the token may still have one. */
	static const char *const tokens[] = {"0.5", "-12.25e+3", "1e-2",
					     "0.0", "7E0",       "123456789.5e-3"};
	for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
		for (size_t j = 0; j < sizeof tails / sizeof *tails; j++) {
			if (tails[j][0] == 'e' && !strpbrk(tokens[i], "eE"))
				continue;
			char text[64];
			int n = snprintf(text, sizeof text, "%s%s", tokens[i], tails[j]);
			const char *end;
			struct number number;
			assert_int_equal(number_scan(text, text + n, &end, &number), NUMBER_OK);
			assert_ptr_equal(end, text + strlen(tokens[i]));
			assert_true(number.value == strtod(tokens[i], NULL));
		}
	}
}

/* However a token is cut, the scanner asks for more; it never reads past the limit. */
static void test_chunk_boundaries(void **state)
{
	(void)state;
	static const char *const tokens[] = {
		"0",
		"-0",
		"-12345678901234567890.0625e-17",
		"3.14159265358979323846264338327950288",
		"1e5",
		"12345678",
		"-0.000000000000000012345678E+0012",
	};
	for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
		size_t n = strlen(tokens[i]);
		for (size_t cut = 0; cut <= n; cut++) {
			/* A block of exactly that size lets a sanitizer see a read past it. */
			char *part = malloc(cut ? cut : 1);
			assert_non_null(part);
			memcpy(part, tokens[i], cut);
			const char *end;
			struct number number;
			assert_int_equal(number_scan(part, part + cut, &end, &number), NUMBER_MORE);
			free(part);
		}
		char whole[64];
		int length = snprintf(whole, sizeof whole, "%s,", tokens[i]);
		const char *end;
		struct number number;
		assert_int_equal(number_scan(whole, whole + length, &end, &number), NUMBER_OK);
		assert_ptr_equal(end, whole + n);
		expect_double(tokens[i], number.value);
	}
}

static void expect_integer(const char *text, bool fits, bool negative, uint64_t magnitude)
{
	struct number number;
	assert_int_equal(number_parse(text, strlen(text), &number), NUMBER_OK);
	assert_true(number.is_integer);
	assert_true(number.negative == negative);
	assert_true(number.fits == fits);
	if (fits)
		assert_true(number.magnitude == magnitude);
	assert_true(bits_of(number.value) == bits_of(strtod(text, NULL)));
}

static void test_integers(void **state)
{
	(void)state;
	expect_integer("0", true, false, 0);
	expect_integer("-0", true, true, 0);
	expect_integer("7", true, false, 7);
	expect_integer("9223372036854775807", true, false, INT64_MAX);
	expect_integer("-9223372036854775808", true, true, (uint64_t)1 << 63);
	expect_integer("9999999999999999999", true, false, UINT64_C(9999999999999999999));
	expect_integer("10000000000000000000", true, false, UINT64_C(10000000000000000000));
	expect_integer("18446744073709551615", true, false, UINT64_MAX);
	expect_integer("-18446744073709551615", true, true, UINT64_MAX);
	expect_integer("18446744073709551616", false, false, 0);
	expect_integer("18446744073709551620", false, false, 0);
	expect_integer("36893488147419103233", false, false, 0); /* 2^65 + 1: wraps round to 1 */
	expect_integer("99999999999999999999", false, false, 0);
	expect_integer("100000000000000000000", false, false, 0);
	static const char *const others[] = {"1.0", "0.0", "1e0", "-1E2", "0e5"};
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		struct number number;
		assert_int_equal(number_parse(others[i], strlen(others[i]), &number), NUMBER_OK);
		assert_false(number.is_integer);
		assert_false(number.fits);
	}
}

/* ---------------------------------------------------------------- rounding */

static void test_rounding_of_hard_cases(void **state)
{
	(void)state;
	static const char *const hard[] = {
		"0",
		"-0",
		"0.0",
		"-0.0e99",
		"0e999999999999",
		"1",
		"-1.5",
		"0.1",
		"0.3",
		"1e22",
		"1e23",
		"9007199254740992",
		"9007199254740993",
		"9007199254740993.0000000000000001",
		"9007199254740994.9999999999999999",
		"9007199254740995",
		"4503599627370496.5",
		"4503599627370497.5",
		"4503599627370497.4999999999999999999",
		"90071992547409935e-1",
		"0.500000000000000000",
		"5000000000000000000e-19",
		"1.00000000000000011102230246251565",
		"1.000000000000000111022302462515654042363166809082031250",
		"1.000000000000000111022302462515654042363166809082031251",
		"1.00000000000000011102230246251565404236316680908203124",
		"2.2250738585072011e-308",
		"2.2250738585072012e-308",
		"2.2250738585072014e-308",
		"2.225073858507201136057409796709131975934819546351645648e-308",
		"5e-324",
		"4.9e-324",
		"2.4703282292062327e-324",
		"2.4703282292062328e-324",
		"2.5e-324",
		"1e-323",
		"1e-400",
		"1.7976931348623157e308",
		"1.7976931348623158e308",
		"1.7976931348623159e308",
		"1.797693134862315807e308",
		"1.797693134862315808e308",
		"17976931348623159e292",
		"1e308",
		"1e309",
		"-1e309",
		"1e-342",
		"1e-343",
		"18446744073709551615e-343",
		"9999999999999999999e-343",
		"1e-9223372036854775808",
		"1e+99999999999999999999",
		"-1e-99999999999999999999",
		"0.0000000000000000000000000000001e30",
		"123456789012345678901234567890e-30",
		"8.2073e-287",
		"1.3447265920066833",
		"7.2057594037927933e16",
		"6.92929e-310",
		"89255.0e-22",
		"1e55",
		"3e55",
		"1e56",
		"10000000000000000000000000000000000000000e-40",
		"34028236692093846346337460743176821145.6e1",
		"0.1e-6",
		"1.0000000000000000000000000e+00",
	};
	for (size_t i = 0; i < sizeof hard / sizeof *hard; i++)
		expect_as_strtod(hard[i]);
	expect_double("1e-9223372036854775808", 0.0);
	expect_double("-1e-99999999999999999999", -0.0);
	expect_double("1e+99999999999999999999", (double)INFINITY);
	expect_double("0e+99999999999999999999", 0.0);
	expect_double("-0", -0.0);
}

/* Exactly half-way between two doubles, and the least bit beside it, with up to 767 significant
 * digits. */
static void test_halves(void **state)
{
	(void)state;
	struct random random = random_start(1);
	for (int i = 0; i < 3000; i++) {
		/* Of long double's 64 bits the 53 upper ones are the number, the next the half. */
		uint64_t bits = random_bits(&random) & (INT64_MAX >> (i % 3 == 0 ? 11 : 0));
		if (bits >> 52 >= 2046)
			continue;
		long double low = (long double)double_of(bits);
		long double half = (low + (long double)double_of(bits + 1)) / 2;
		char text[1024], beside[1040];
		snprintf(text, sizeof text, "%.*Le", 780, half);
		expect_double(text, double_of(bits & 1 ? bits + 1 : bits));
		char *e = strchr(text, 'e');
		snprintf(beside, sizeof beside, "%.*s1%s", (int)(e - text), text, e);
		expect_double(beside, double_of(bits + 1));
		/* One less in the last of 780 decimals. */
		char *last = e - 1;
		for (; *last == '0' || *last == '.'; last--)
			*last = *last == '0' ? '9' : '.';
		--*last;
		expect_double(text, double_of(bits));
	}
}

static void test_long_tokens(void **state)
{
	(void)state;
	enum { N = 100000 };
	char *text = malloc(N + 64);
	assert_non_null(text);
	/* 0.000...0001e100000 with 99,999 zeros is 1. */
	memset(text, '0', N);
	text[1] = '.';
	text[N] = '1';
	snprintf(text + N + 1, 63, "e%d", N - 1);
	expect_double(text, 1.0);
	/* 1000...000e-99999 too. */
	memset(text, '0', N);
	text[0] = '1';
	snprintf(text + N, 63, "e-%d", N - 1);
	expect_double(text, 1.0);
	/* 2^53 + 1 is half-way; a 1 that comes 100,000 digits later decides. */
	memset(text, '0', N);
	memcpy(text, "9007199254740993.", 17);
	text[N] = '\0';
	expect_double(text, 9007199254740992.0);
	text[N - 1] = '1';
	expect_double(text, 9007199254740994.0);
	/* The same as an integer. */
	memset(text + 16, '0', N - 16);
	snprintf(text + N, 63, "e-%d", N - 16);
	expect_double(text, 9007199254740992.0);
	text[N - 1] = '1';
	expect_double(text, 9007199254740994.0);
	memset(text, '9', N);
	text[N] = '\0';
	expect_double(text, (double)INFINITY);
	free(text);
}

static void test_random_decimals(void **state)
{
	(void)state;
	struct random random = random_start(2);
	int rounds = (int)random_cases(ROUNDS);
	for (int i = 0; i < rounds; i++) {
		char text[96];
		uint64_t digits = random_bits(&random) >> random_bits(&random) % 64;
		unsigned fraction = (unsigned)(random_bits(&random) % 1000000);
		int exponent = (int)(random_bits(&random) % 680) - 345;
		switch (i % 4) {
		case 0:
			snprintf(text, sizeof text, "%" PRIu64 "e%d", digits, exponent);
			break;
		case 1:
			snprintf(text, sizeof text, "%" PRIu64 ".%u", digits, fraction);
			break;
		case 2:
			snprintf(text, sizeof text, "-0.%06u%" PRIu64, fraction, digits);
			break;
		default:
			snprintf(text, sizeof text, "%" PRIu64 ".%06u%" PRIu64 "E%+d", digits,
				 fraction, digits, exponent);
		}
		expect_as_strtod(text);
	}
}

/* ---------------------------------------------------------------- the number files */

struct file_counts {
	int lines, not_json, doubly_rounded, f16_doubly_rounded;
};

/* JSON wants a digit on both sides of the point; false where that does not make it JSON. */
static bool normalise(const char *text, char *out, struct file_counts *counts)
{
	struct number number;
	if (number_parse(text, strlen(text), &number) == NUMBER_OK)
		return strcpy(out, text) != NULL;
	counts->not_json++;
	size_t sign = text[0] == '-';
	memcpy(out, text, sign);
	char *p = out + sign;
	const char *rest = text + sign + (text[0] == '+');
	while (rest[0] == '0' && rest[1] >= '0' && rest[1] <= '9')
		rest++;
	if (rest[0] == '.')
		*p++ = '0';
	size_t whole = strspn(rest, "0123456789");
	bool bare_point = rest[whole] == '.' && strspn(rest + whole + 1, "0123456789") == 0;
	memcpy(p, rest, whole);
	p += whole;
	strcpy(p, rest + whole + bare_point);
	return number_parse(out, strlen(out), &number) == NUMBER_OK;
}

/* Where a text lies so close to the middle of two F16 that its double is the middle, the nearest
 * F16 of the text may be the other one. */
static void check_f16(double value, uint16_t want, struct file_counts *counts)
{
	uint16_t pair[2] = {0, want};
	loss_float_put(LOSS_F16, pair, 0, value);
	if (pair[0] == want)
		return;
	assert_true(abs(pair[0] - want) == 1);
	assert_true(value ==
		    (loss_float_get(LOSS_F16, pair, 0) + loss_float_get(LOSS_F16, pair, 1)) / 2);
	counts->f16_doubly_rounded++;
}

static void check_line(char *line, struct file_counts *counts)
{
	uint16_t f16 = (uint16_t)strtoul(line, NULL, 16);
	char *rest = line + 5;
	uint32_t f32 = (uint32_t)strtoul(rest, &rest, 16);
	uint64_t f64 = strtoull(rest, &rest, 16);
	char *text = rest + 1;
	text[strcspn(text, "\r\n")] = '\0';
	char *json = malloc(strlen(text) + 2);
	assert_non_null(json);
	counts->lines++;
	if (!normalise(text, json, counts))
		fail_msg("can not be made JSON: %s", text);
	double value = parse(json, strlen(json));
	if (bits_of(value) != f64)
		fail_msg("%.80s: %016" PRIx64 ", not %016" PRIx64, json, bits_of(value), f64);
	/* A tensor's F32 is the double rounded again, as Python and PyTorch do it. */
	if (float_bits((float)value) != f32) {
		assert_true(llabs((long long)float_bits((float)value) - (long long)f32) == 1);
		counts->doubly_rounded++;
	}
	check_f16(value, f16, counts);
	free(json);
}

static void test_number_files(void **state)
{
	(void)state;
	static const char *const names[] = {DATA "freetype-2-7.txt", DATA "lemire-fast-float.txt",
					    DATA "more-test-cases.txt"};
	struct file_counts counts = {0};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		FILE *file = fopen(names[i], "r");
		if (!file) {
			print_message("%s is not there\n", names[i]);
			skip();
		}
		char *line = NULL;
		size_t size = 0;
		while (getline(&line, &size, file) > 0)
			check_line(line, &counts);
		free(line);
		fclose(file);
	}
	print_message(
		"%d numbers, of which %d are not JSON as they stand, %d differ as F32 and %d as "
		"F16 by double rounding\n",
		counts.lines, counts.not_json, counts.doubly_rounded, counts.f16_doubly_rounded);
	assert_true(counts.lines > 5000);
	assert_true(counts.doubly_rounded < counts.lines / 100);
	assert_true(counts.f16_doubly_rounded < counts.lines / 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_powers),
		cmocka_unit_test(test_grammar_refuses),
		cmocka_unit_test(test_scan_stops_behind_the_token),
		cmocka_unit_test(test_chunk_boundaries),
		cmocka_unit_test(test_integers),
		cmocka_unit_test(test_rounding_of_hard_cases),
		cmocka_unit_test(test_halves),
		cmocka_unit_test(test_long_tokens),
		cmocka_unit_test(test_random_decimals),
		cmocka_unit_test(test_number_files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
