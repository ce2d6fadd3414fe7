#include "../../server/codec/text/thousandths.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void assert_written(uint64_t thousandths)
{
	char wanted[40], out[THOUSANDTHS_CHARS + 1];
	int n = snprintf(wanted, sizeof wanted, "%" PRIu64 ".%03" PRIu64, thousandths / 1000,
			 thousandths % 1000);
	memset(out, '#', sizeof out);
	assert_int_equal(thousandths_write(thousandths, out), n);
	assert_memory_equal(out, wanted, (size_t)n);
	assert_int_equal(out[n], '#'); /* and not a byte more */
}

static void all_small_ones_are_as_printf_has_them(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 1100000; i++)
		assert_written(i);
}

static void every_number_of_digits_is_written_at_its_edges(void **state)
{
	(void)state;
	for (uint64_t power = 1; power <= UINT64_MAX / 10; power *= 10)
		for (uint64_t i = power - 1; i <= power + 1; i++)
			assert_written(i);
	assert_written(UINT64_MAX - 1);
	assert_written(UINT64_MAX);
}

static void the_longest_takes_all_the_room(void **state)
{
	char out[THOUSANDTHS_CHARS];
	(void)state;
	assert_int_equal(thousandths_write(UINT64_MAX, out), THOUSANDTHS_CHARS);
}

static void half_a_microsecond_counts_as_one(void **state)
{
	static const uint64_t cases[][2] = {
		{0, 0},          {1, 0},
		{499, 0},        {500, 1},
		{501, 1},        {999, 1},
		{1000, 1},       {1499, 1},
		{1500, 2},       {1501, 2},
		{2499, 2},       {2500, 3},
		{999499, 999},   {999500, 1000},
		{1000000, 1000}, {UINT64_MAX, UINT64_MAX / 1000 + 1}, /* it ends with 615 */
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_true(thousandths_of_ms(cases[i][0]) == cases[i][1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_small_ones_are_as_printf_has_them),
		cmocka_unit_test(every_number_of_digits_is_written_at_its_edges),
		cmocka_unit_test(the_longest_takes_all_the_room),
		cmocka_unit_test(half_a_microsecond_counts_as_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
