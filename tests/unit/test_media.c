/* The table of body formats. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../server/codec/decoder.h"
#include "../../server/codec/json_in.h"

static void test_json_is_the_default(void **state)
{
	(void)state;
	assert_string_equal(media_types[0].name, "application/json");
	assert_string_equal(media_types[0].format, "json");
	assert_ptr_equal(media_types[0].create, json_in_create);
}

/* Names are compared without case by lower-casing what came: they must be lower-case themselves. */
static void test_rows_are_complete(void **state)
{
	(void)state;
	size_t n = 0;
	for (; media_types[n].name; n++) {
		assert_non_null(media_types[n].format);
		assert_non_null(media_types[n].create);
		assert_int_equal(strcspn(media_types[n].name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ; "),
				 strlen(media_types[n].name));
		for (size_t i = 0; i < n; i++)
			assert_string_not_equal(media_types[i].name, media_types[n].name);
	}
	assert_true(n > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json_is_the_default),
		cmocka_unit_test(test_rows_are_complete),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
