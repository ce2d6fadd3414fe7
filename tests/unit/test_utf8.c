/* Which bytes are characters; server/codec/text/utf8.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "../../server/codec/text/utf8.h"

/* By arithmetic instead of by a table. */
static size_t encode(uint32_t code, char out[5])
{
	size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	static const unsigned char marks[] = {0, 0, 0xc0, 0xe0, 0xf0};
	for (size_t i = n - 1; i > 0; i--, code >>= 6)
		out[i] = (char)(0x80 | (code & 0x3f));
	out[0] = (char)(n > 1 ? marks[n] | code : code);
	out[n] = '\0';
	return n;
}

static void every_code_point(void **state)
{
	(void)state;
	for (uint32_t code = 0x80; code < 0x110400; code++) {
		char text[5];
		bool whole, is_character = (code < 0xd800 || code > 0xdfff) && code < 0x110000;
		size_t n = encode(code, text), measured = utf8_measure(text, &whole);
		if (whole != is_character || (whole && measured != n))
			fail_msg("U+%04X: %zu bytes, %s", (unsigned)code, measured,
				 whole ? "whole" : "not whole");
	}
}

static void beginnings(void **state)
{
	static const struct {
		const char *text;
		size_t n;
	} table[] = {
		{"", 1},
		{"a", 1},
		{"\x80", 1},
		{"\xc2", 1},
		{"\xc1\xbf", 1},
		{"\xe0\x9f\xbf", 1},
		{"\xe2\x82", 2},
		{"\xe2\x82z", 2},
		{"\xf0\x9f\x98", 3},
		{"\xf0\x8f\xbf", 1},
		{"\xf5\x80", 1},
		{"\xff", 1},
	};
	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		bool whole;
		assert_int_equal(utf8_measure(table[i].text, &whole), table[i].n);
		assert_false(whole);
	}
}

/* At both ends of every range, one before and one after. */
static void what_is_not_shown(void **state)
{
	static const uint32_t ranges[][2] = {
		{0, 0x1f},          {0x7f, 0x9f},     {0xad, 0xad},       {0x61c, 0x61c},
		{0x180e, 0x180e},   {0x200b, 0x200f}, {0x2028, 0x202e},   {0x2060, 0x206f},
		{0xfeff, 0xfeff},   {0xfff9, 0xfffb}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a},
		{0xe0000, 0xe007f},
	};
	size_t found = 0;
	(void)state;
	for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
		uint32_t first = ranges[i][0], last = ranges[i][1];
		assert_true(first == 0 || !utf8_is_control(first - 1));
		assert_false(utf8_is_control(last + 1));
		for (uint32_t code = first; code <= last; code++)
			assert_true(utf8_is_control(code));
	}
	for (uint32_t code = 1; code < 0x110000; code++) {
		char text[5];
		if (code >= 0xd800 && code <= 0xdfff)
			continue;
		size_t n = encode(code, text);
		assert_true(utf8_decode(text, n) == code);
		utf8_tame(text);
		found += text[0] == '?' && text[1] == '\0' && code != '?';
		assert_true((text[0] == '?' && code != '?') == utf8_is_control(code));
	}
	assert_int_equal(found, 31 + 33 + 1 + 1 + 1 + 5 + 7 + 16 + 1 + 3 + 4 + 8 + 128);
}

static void texts_are_tamed(void **state)
{
	static const char *const cases[][2] = {
		{"", ""},
		{"plain \xc3\xa9\xf0\x9f\x98\x80", "plain \xc3\xa9\xf0\x9f\x98\x80"},
		{"a\nb\x1b[0m", "a?b?[0m"},
		{"\xc2\x9b\xe2\x80\xae.\xf3\xa0\x80\x81", "??.?"},
		{"\xff\xe2\x80", "\xff\xe2\x80"}, /* no characters: as they are */
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[64];
		snprintf(text, sizeof text, "%s", cases[i][0]);
		utf8_tame(text);
		assert_string_equal(text, cases[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_code_point),
		cmocka_unit_test(beginnings),
		cmocka_unit_test(what_is_not_shown),
		cmocka_unit_test(texts_are_tamed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
