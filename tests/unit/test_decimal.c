/* Digits, decimal and hexadecimal, that are read and written in one place each. */
#include "../../server/codec/text/decimal.h"
#include "../../server/codec/text/hex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void digits_are_read_up_to_what_is_none(void **state)
{
	static const struct {
		const char *text;
		size_t n, digits;
		uint64_t value;
	} cases[] = {
		{"", 0, 0, 0},
		{"7", 1, 1, 7},
		{"0", 1, 1, 0},
		{"007", 3, 3, 7},
		{"123", 2, 2, 12},
		{"12x", 3, 2, 12},
		{"12", 9, 2, 12},
		{"x", 1, 0, 0},
		{"-1", 2, 0, 0},
		{"+1", 2, 0, 0},
		{" 1", 2, 0, 0},
		{"/:", 2, 0, 0},
		{"18446744073709551614", 20, 20, UINT64_MAX - 1},
		{"18446744073709551615", 20, 20, UINT64_MAX},
		{"18446744073709551616", 20, 20, UINT64_MAX},
		{"18446744073709551620", 20, 20, UINT64_MAX},
		{"99999999999999999999999999999999", 32, 32, UINT64_MAX},
		{"000000000000000000000000000000001", 33, 33, 1},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint64_t value = 12345;
		assert_int_equal(decimal_read(cases[i].text, cases[i].n, &value), cases[i].digits);
		assert_true(value == cases[i].value);
		value = 12345;
		bool all = cases[i].digits == cases[i].n && cases[i].n > 0;
		assert_int_equal(decimal_parse(cases[i].text, cases[i].n, &value), all);
		if (all)
			assert_true(value == cases[i].value);
	}
}

static void every_byte_is_written_and_read(void **state)
{
	unsigned char all[256], back[256];
	char text[2 * sizeof all + 1];
	(void)state;
	for (size_t i = 0; i < sizeof all; i++)
		all[i] = (unsigned char)i;
	hex_write(all, sizeof all, text);
	assert_int_equal(strlen(text), 2 * sizeof all);
	assert_memory_equal(text + 2 * 0xa7, "a7a8", 4);
	assert_true(hex_read(text, sizeof all, back));
	assert_memory_equal(back, all, sizeof all);
	assert_true(hex_read("fFAb", 2, back));
	assert_memory_equal(back, "\xff\xab", 2);
}

static void what_is_no_digit_is_told(void **state)
{
	unsigned char bytes[4];
	(void)state;
	for (int c = -128; c < 128; c++) {
		char text[5] = {'0', '0', '0', (char)c, '\0'};
		bool is = c > 0 && strchr("0123456789abcdefABCDEF", c);
		assert_int_equal(hex_digit((char)c) >= 0, is);
		assert_int_equal(hex_read(text, 2, bytes), is);
		text[2] = (char)c;
		text[3] = '0';
		assert_int_equal(hex_read(text, 2, bytes), is);
	}
	assert_false(hex_read("", 1, bytes));
	assert_false(hex_read("1", 1, bytes));
	assert_true(hex_read("", 0, bytes));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digits_are_read_up_to_what_is_none),
		cmocka_unit_test(every_byte_is_written_and_read),
		cmocka_unit_test(what_is_no_digit_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
