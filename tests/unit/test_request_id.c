#include "../../server/http/request_id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void ids_are_32_hexadecimal_digits(void **state)
{
	char id[REQUEST_ID_SIZE];
	(void)state;
	request_id_start();
	for (int i = 0; i < 100; i++) {
		request_id_make(id);
		assert_int_equal(strlen(id), 32);
		assert_int_equal(strspn(id, "0123456789abcdef"), 32);
	}
}

static void ids_differ_within_a_run(void **state)
{
	char first[REQUEST_ID_SIZE], second[REQUEST_ID_SIZE];
	(void)state;
	request_id_make(first);
	request_id_make(second);
	assert_string_not_equal(first, second);
}

/* As a restarted server, or a replica, would make them. */
static void ids_differ_between_runs(void **state)
{
	char first[REQUEST_ID_SIZE], second[REQUEST_ID_SIZE];
	(void)state;
	request_id_start();
	request_id_make(first);
	request_id_start();
	request_id_make(second);
	assert_memory_not_equal(first, second, 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_are_32_hexadecimal_digits),
		cmocka_unit_test(ids_differ_within_a_run),
		cmocka_unit_test(ids_differ_between_runs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
