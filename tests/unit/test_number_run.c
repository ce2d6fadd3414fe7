/* Runs of numbers: the same floats as from single tokens, or left to them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../server/codec/number/number.h"
#include "../../server/codec/number/number_run.h"
#include "../support/bits.h"
#include "../support/random.h"

#define ROUNDS 200000
#define TAIL                                                                                       \
	", 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5" /* longer than what a number needs after it */
#define MAX_RUN 16

struct run {
	size_t n, used;
	bool comma;
	float values[MAX_RUN];
};

/* In a block of exactly that size, so that a sanitizer sees a read after it. */
static struct run run_of(const char *text, size_t size, size_t most)
{
	struct run run = {0};
	char *block = test_malloc(size ? size : 1);
	memcpy(block, text, size);
	const char *p = block;
	run.n = number_run_f32(&p, block + size, run.values, most, &run.comma);
	run.used = (size_t)(p - block);
	test_free(block);
	return run;
}

/* The number in front of TAIL is taken, as what it is when read alone; or it is left. */
static bool check_number(const char *number)
{
	char text[1200];
	int size = snprintf(text, sizeof text, "%s" TAIL, number);
	struct run run = run_of(text, (size_t)size, 1);
	if (run.n == 0) {
		assert_int_equal(run.used, 0);
		return false;
	}
	float wanted = (float)strtod(number, NULL);
	if (float_bits(run.values[0]) != float_bits(wanted))
		fail_msg("%s: %a, not %a", number, (double)run.values[0], (double)wanted);
	if (run.used != strlen(number) + 2 || !run.comma)
		fail_msg("%s: took %zu bytes", number, run.used);
	return true;
}

static void test_plain_numbers_are_taken(void **state)
{
	(void)state;
	static const char *const plain[] = {
		"0.0",
		"-0.0",
		"1.0",
		"-1.0",
		"0.1",
		"0.10000000149011612",
		"-17.123456789012345",
		"921.9999999999999999",
		"100.0",
		"0.00012345678901234567",
		"3.4028234663852886",
		"1.00000011920928955",
		"12.50000000000000000000000000",
		"0.0000000000000001",
	};
	for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
		if (!check_number(plain[i]))
			fail_msg("not taken: %s", plain[i]);
}

static void test_others_are_left(void **state)
{
	(void)state;
	static const char *const others[] = {
		"1",
		"-1",
		"1e5",
		"1.5e3",
		"1.5E-3",
		"00.5",
		"-01.5",
		"1.",
		".5",
		"-.5",
		"--1.5",
		"+1.5",
		"922.0",
		"1234.5",
		"NaN",
		"-",
		"",
		"]",
		"1.5e",
		" 1.5",
		"\"1.5\"",
		"0x1.8p1",
		"1,5",
		"null",
		"0.00000000000000001234567",
		"0.0000000000000000000000000000000000001",
		"1.50000000000000000000000000000000000000000000000",
	};
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		char text[256];
		int size = snprintf(text, sizeof text, "%s" TAIL, others[i]);
		struct run run = run_of(text, (size_t)size, MAX_RUN);
		if (run.n != 0 || run.used != 0)
			fail_msg("taken: %s", others[i]);
	}
}

/* Where two floats are equally near, and one last digit above and below that. */
static void test_half_way_points(void **state)
{
	(void)state;
	struct random random = random_start(11);
	size_t rounds = random_cases(20000), taken = 0;
	for (size_t i = 0; i < rounds; i++) {
		float low = (float)random_uniform(&random, 0.001, 900.0);
		double half = ((double)low + (double)nextafterf(low, 1000.0f)) / 2;
		char text[80];
		int size = snprintf(text, sizeof text, "%.*f", (int)(10 + i % 18), half);
		taken += check_number(text);
		text[size - 1] = (char)(text[size - 1] == '9' ? '8' : text[size - 1] + 1);
		taken += check_number(text);
	}
	/* Most are left: they can not be told from the half-way point. */
	assert_true(taken > 0 && taken < rounds);
}

static void test_random_numbers(void **state)
{
	(void)state;
	struct random random = random_start(12);
	size_t rounds = random_cases(ROUNDS), taken = 0;
	for (size_t i = 0; i < rounds; i++) {
		char text[80];
		double value = random_normal(&random) * (i % 3 == 0 ? 0.01 : 3.0);
		if (i % 2 == 0)
			value = (double)(float)value;
		if (i % 5 == 0)
			snprintf(text, sizeof text, "%.*f", (int)(1 + random_below(&random, 25)),
				 value);
		else
			text[number_format_f64(value, text)] = '\0';
		taken += check_number(text);
	}
	/* Nearly all: this is what the fast way is for. */
	assert_true(taken > rounds * 99 / 100);
}

static void test_what_separates_them(void **state)
{
	(void)state;
	static const char pad[] = "                                        ";
	static const struct {
		const char *text;
		size_t most, n, used;
		bool comma;
	} cases[] = {
		{"1.5,2.5,3.5]", 9, 3, 11, false},  {"1.5, 2.5, 3.5]", 9, 3, 13, false},
		{"1.5,   2.5]", 9, 2, 10, false},   {"1.5 , 2.5]", 9, 1, 3, false},
		{"1.5\n, 2.5]", 9, 1, 3, false},    {"1.5, 2.5, ]", 9, 2, 10, true},
		{"1.5,\n2.5]", 9, 1, 4, true},      {"1.5, 2, 3.5]", 9, 1, 5, true},
		{"1.5, 2.5, 3.5]", 2, 2, 10, true}, {"1.5.5, 2.5]", 9, 1, 3, false},
		{"1.5-2.5]", 9, 1, 3, false},       {"1.5,,2.5]", 9, 1, 4, true},
		{"1.5, 2.5]", 0, 0, 0, false},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[128];
		int size = snprintf(text, sizeof text, "%s%s", cases[i].text, pad);
		struct run run = run_of(text, (size_t)size, cases[i].most);
		if (run.n != cases[i].n || run.used != cases[i].used || run.comma != cases[i].comma)
			fail_msg("\"%s\": %zu numbers, %zu bytes, comma %d", cases[i].text, run.n,
				 run.used, run.comma);
		for (size_t k = 0; k < run.n; k++)
			assert_true(run.values[k] == (float)k + 1.5f);
	}
}

/* Whatever is missing at the end, nothing is read after it, and what is taken is whole. */
static void test_every_end(void **state)
{
	(void)state;
	static const char text[] = "1.5, 2.5,3.5, -123.12345678901234, 0.1234567890123456, 7.0";
	const double wanted[] = {1.5, 2.5, 3.5, -123.12345678901234, 0.1234567890123456};
	for (size_t size = 0; size < sizeof text; size++) {
		struct run run = run_of(text, size, MAX_RUN);
		assert_true(run.used <= size && run.n <= 5);
		for (size_t k = 0; k < run.n; k++)
			assert_true(run.values[k] == (float)wanted[k]);
	}
}

/* ---------------------------------------------------------------- integers */

struct integers {
	size_t n, used;
	bool comma;
	int64_t values[MAX_RUN];
};

static struct integers integers_of(const char *text, size_t size, size_t most)
{
	struct integers run = {0};
	char *block = test_malloc(size ? size : 1);
	memcpy(block, text, size);
	const char *p = block;
	run.n = number_run_i64(&p, block + size, run.values, most, &run.comma);
	run.used = (size_t)(p - block);
	test_free(block);
	return run;
}

static void test_integers_are_taken(void **state)
{
	(void)state;
	static const char text[] = "0, 7,-100, 999999999999999999,  -999999999999999999, 3]";
	static const int64_t wanted[] = {
		0, 7, -100, INT64_C(999999999999999999), INT64_C(-999999999999999999), 3};
	struct integers run = integers_of(text, strlen(text), MAX_RUN);
	assert_int_equal(run.n, 6);
	assert_int_equal(run.used, strlen(text) - 1);
	assert_false(run.comma);
	assert_memory_equal(run.values, wanted, sizeof wanted);
	assert_int_equal(integers_of(text, strlen(text), 2).used, strlen("0, 7,"));
	assert_true(integers_of(text, strlen(text), 2).comma);
	assert_int_equal(integers_of(text, strlen(text), 0).n, 0);
}

/* What is no integer, has a sign to keep, has too many digits, or may go on. */
static void test_other_integers_are_left(void **state)
{
	(void)state;
	static const char *const others[] = {
		"-0,",
		"00,",
		"01,",
		"-01,",
		"1.0,",
		"1e5,",
		"1E5,",
		"-,",
		"",
		"-",
		"]",
		"+1,",
		" 1,",
		"\"1\"",
		".5,",
		"1",
		"-12",
		",",
		"--1,",
		"1000000000000000000,",
		"-1000000000000000000,",
		"18446744073709551615,",
	};
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		struct integers run = integers_of(others[i], strlen(others[i]), MAX_RUN);
		if (run.n != 0 || run.used != 0)
			fail_msg("taken: %s", others[i]);
	}
	struct integers before = integers_of("5, 6, -0, 7]", 12, MAX_RUN);
	assert_int_equal(before.n, 2);
	assert_int_equal(before.used, strlen("5, 6, "));
	assert_true(before.comma);
}

static void test_every_end_of_integers(void **state)
{
	(void)state;
	static const char text[] = "1, 22,333, -4444, 55555";
	static const int64_t wanted[] = {1, 22, 333, -4444};
	for (size_t size = 0; size < sizeof text; size++) {
		struct integers run = integers_of(text, size, MAX_RUN);
		assert_true(run.used <= size && run.n <= 4 + (size == sizeof text));
		for (size_t k = 0; k < run.n && k < 4; k++)
			assert_int_equal(run.values[k], wanted[k]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_numbers_are_taken),
		cmocka_unit_test(test_others_are_left),
		cmocka_unit_test(test_half_way_points),
		cmocka_unit_test(test_random_numbers),
		cmocka_unit_test(test_what_separates_them),
		cmocka_unit_test(test_every_end),
		cmocka_unit_test(test_integers_are_taken),
		cmocka_unit_test(test_other_integers_are_left),
		cmocka_unit_test(test_every_end_of_integers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
