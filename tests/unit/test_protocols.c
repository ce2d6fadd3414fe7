/* The protocols: which formats of bodies and replies each speaks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../server/eval/protocols.h"

static const struct protocol *const protocols[] = {&protocol_v1, &protocol_lines, &protocol_v2};
#define N_PROTOCOLS (sizeof protocols / sizeof protocols[0])

static void test_json_is_the_default(void **state)
{
	(void)state;
	assert_string_equal(protocol_v1.requests[0].name, "application/json");
	assert_string_equal(protocol_v1.requests[0].format, "json");
	assert_string_equal(protocol_v1.replies[0].content_type, "application/json");
}

/* Names are compared without case, and without parameters. */
static void check_name(const char *name)
{
	assert_int_equal(strcspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ; "), strlen(name));
}

static void check_requests(const struct media_type *types)
{
	for (size_t n = 0; types[n].name; n++) {
		assert_non_null(types[n].format);
		assert_non_null(types[n].create);
		check_name(types[n].name);
		for (size_t i = 0; i < n; i++)
			assert_string_not_equal(types[i].name, types[n].name);
	}
}

static void check_replies(const struct reply_format *formats)
{
	for (size_t n = 0; formats[n].content_type; n++) {
		assert_non_null(formats[n].format);
		assert_non_null(formats[n].create);
		check_name(formats[n].content_type);
		for (size_t i = 0; i < n; i++)
			assert_string_not_equal(formats[i].content_type, formats[n].content_type);
	}
}

static void test_rows_are_complete(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_PROTOCOLS; i++) {
		check_requests(protocols[i]->requests);
		check_replies(protocols[i]->replies);
	}
}

/* They are listed with all that the path reads, and read by the protocol of lines. */
static void test_lines_are_of_v1(void **state)
{
	const struct media_type *lines = protocol_lines.requests, *all = protocol_v1.requests;
	(void)state;
	for (; lines->name; lines++) {
		size_t i = 0;
		while (all[i].name && strcmp(all[i].name, lines->name) != 0)
			i++;
		assert_non_null(all[i].name);
		assert_string_equal(all[i].format, "jsonl");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json_is_the_default),
		cmocka_unit_test(test_rows_are_complete),
		cmocka_unit_test(test_lines_are_of_v1),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
