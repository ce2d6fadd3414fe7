#include "../../server/http/request_id.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
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

#define MANY 5000

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, REQUEST_ID_SIZE);
}

static void *make_many(void *context)
{
	char(*ids)[REQUEST_ID_SIZE] = context;
	for (size_t i = 0; i < MANY; i++)
		request_id_make(ids[i]);
	return NULL;
}

static void threads_make_different_ones(void **state)
{
	static char ids[2 * MANY][REQUEST_ID_SIZE];
	pthread_t threads[2];
	(void)state;
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, make_many, ids[i * MANY]), 0);
	for (size_t i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	qsort(ids, (size_t)2 * MANY, sizeof *ids, compare);
	for (size_t i = 1; i < (size_t)2 * MANY; i++)
		assert_string_not_equal(ids[i - 1], ids[i]);
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
		cmocka_unit_test(threads_make_different_ones),
		cmocka_unit_test(ids_differ_between_runs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
