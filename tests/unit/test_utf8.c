/* Which bytes are characters; server/codec/text/utf8.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_code_point),
		cmocka_unit_test(beginnings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
