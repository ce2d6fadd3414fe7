/* A text into lines, however it is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "codec/text/splitter.h"

/* "2<abc>5<d>": the lines that were told, with their numbers. */
struct told {
	char text[512];
	size_t n;
};

static void tell(struct told *told, const void *bytes, size_t n)
{
	assert_true(told->n + n < sizeof told->text);
	memcpy(told->text + told->n, bytes, n);
	told->n += n;
	told->text[told->n] = '\0';
}

static void begin(void *context, size_t n)
{
	char number[32];
	tell(context, number, (size_t)snprintf(number, sizeof number, "%zu<", n));
}

static void feed(void *context, const unsigned char *bytes, size_t n)
{
	assert_true(n > 0);
	tell(context, bytes, n);
}

static void end(void *context)
{
	tell(context, ">", 1);
}

/* In two pieces, cut at every place, and byte by byte. */
static void assert_split(const char *text, const char *wanted)
{
	size_t n = strlen(text);
	for (size_t cut = 0; cut <= n + 1; cut++) {
		struct told told = {.n = 0};
		const struct splitter_owner owner = {begin, feed, end, &told};
		struct splitter splitter;
		splitter_start(&splitter, &owner);
		for (size_t i = 0; cut > n && i < n; i++)
			splitter_feed(&splitter, (const unsigned char *)text + i, 1);
		if (cut <= n) {
			splitter_feed(&splitter, (const unsigned char *)text, cut);
			splitter_feed(&splitter, (const unsigned char *)text + cut, n - cut);
		}
		splitter_finish(&splitter);
		assert_string_equal(told.text, wanted);
	}
}

static void lines_end_with_line_feeds(void **state)
{
	(void)state;
	assert_split("", "");
	assert_split("a", "1<a>");
	assert_split("a\n", "1<a>");
	assert_split("ab\ncd", "1<ab>2<cd>");
	assert_split("ab\ncd\n", "1<ab>2<cd>");
}

static void blank_lines_are_counted_and_passed_over(void **state)
{
	(void)state;
	assert_split("\n", "");
	assert_split("\n\n \t\r\n", "");
	assert_split("\r\n\na\n\n \nb\n\n", "3<a>6<b>");
	assert_split("   ", "");
}

/* White space before a line is left out, white space in it and after it is its own. */
static void space_is_kept_where_something_is(void **state)
{
	(void)state;
	assert_split(" \t a b \r\n\rc\r\r\n", "1<a b \r>2<c\r\r>");
	assert_split("a\n \v\n", "1<a>2<\v>");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_end_with_line_feeds),
		cmocka_unit_test(blank_lines_are_counted_and_passed_over),
		cmocka_unit_test(space_is_kept_where_something_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
