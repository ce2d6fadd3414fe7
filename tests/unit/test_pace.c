/* How long a transfer may take, and which one is slow. */
#include "../../server/http/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "../../server/os/heap.h"
#include "../support/random.h"

#define SECOND PACE_SECOND

static const struct pace_rule rule = {.timeout_ns = 20 * SECOND, .bytes_per_second = 1000};

static void bytes_are_worth_time(void **state)
{
	const uint64_t now = 1000 * SECOND, deadline = now + 5 * SECOND;
	(void)state;
	assert_int_equal(pace_extend(&rule, deadline, 0, now), deadline);
	assert_int_equal(pace_extend(&rule, deadline, 1, now), deadline + SECOND / 1000);
	assert_int_equal(pace_extend(&rule, deadline, 1500, now), deadline + SECOND * 3 / 2);
}

/* Two timeouts from now are the most, one below, at and above; and for numbers that overflow. */
static void there_is_a_most(void **state)
{
	const uint64_t now = 1000 * SECOND, latest = now + 40 * SECOND;
	static const uint64_t huge[] = {40001, 1 << 20, UINT64_C(1) << 40, UINT64_MAX};
	(void)state;
	assert_int_equal(pace_extend(&rule, now, 39999, now), latest - SECOND / 1000);
	assert_int_equal(pace_extend(&rule, now, 40000, now), latest);
	for (size_t i = 0; i < sizeof huge / sizeof huge[0]; i++)
		assert_int_equal(pace_extend(&rule, now, huge[i], now), latest);
	const struct pace_rule fastest = {24 * 3600 * SECOND, UINT64_C(1) << 30};
	assert_int_equal(pace_extend(&fastest, now, UINT64_C(1) << 30, now), now + SECOND);
	assert_int_equal(pace_extend(&fastest, now, (UINT64_C(1) << 30) - 1, now),
			 now + SECOND - 1);
}

static void without_a_rate_bytes_are_worth_nothing(void **state)
{
	const struct pace_rule none = {SECOND, 0};
	(void)state;
	assert_int_equal(pace_extend(&none, 5, UINT64_MAX, 3), 5);
}

static void a_pace_is_known_after_a_second(void **state)
{
	struct pace pace = pace_start(5000, 10 * SECOND);
	(void)state;
	pace_note(&pace, 9000, 11 * SECOND - 1);
	assert_false(pace.known);
	pace_note(&pace, 9000, 11 * SECOND);
	assert_true(pace.known);
	assert_int_equal(pace.per_second, 4000);
	pace_note(&pace, 9001, 12 * SECOND - 1); /* of the last whole window */
	assert_int_equal(pace.per_second, 4000);
	pace_note(&pace, 10000, 13 * SECOND);
	assert_int_equal(pace.per_second, 500);
}

static void slow_is_less_than_sixteen_times_the_least(void **state)
{
	struct pace pace = {.per_second = 0};
	(void)state;
	assert_false(pace_is_slow(&pace, &rule)); /* not known */
	pace.known = true;
	assert_true(pace_is_slow(&pace, &rule));
	pace.per_second = 15999;
	assert_true(pace_is_slow(&pace, &rule));
	pace.per_second = 16000;
	assert_false(pace_is_slow(&pace, &rule));
}

/* ---------------------------------------------------------------- the heap */

#define ITEMS 300

/* Added, changed and taken out at random, the first one is always the earliest. */
static void the_earliest_is_first(void **state)
{
	static struct heap_item items[ITEMS], *places[ITEMS];
	struct heap heap = {.items = places};
	struct random random = random_start(7);
	bool in[ITEMS] = {false};
	(void)state;
	for (int round = 0; round < 20000; round++) {
		size_t i = random_below(&random, ITEMS);
		uint64_t due = random_below(&random, 1000);
		if (!in[i]) {
			items[i].due_ns = due;
			heap_add(&heap, &items[i]);
		} else if (due % 3 == 0) {
			heap_remove(&heap, &items[i]);
		} else {
			items[i].due_ns = due;
			heap_moved(&heap, &items[i]);
		}
		in[i] = !in[i] || due % 3 != 0;
		uint64_t least = UINT64_MAX;
		size_t n = 0;
		for (size_t k = 0; k < ITEMS; k++) {
			n += in[k];
			if (in[k] && items[k].due_ns < least)
				least = items[k].due_ns;
		}
		assert_int_equal(heap.n, n);
		if (n > 0)
			assert_int_equal(heap.items[0]->due_ns, least);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_worth_time),
		cmocka_unit_test(there_is_a_most),
		cmocka_unit_test(without_a_rate_bytes_are_worth_nothing),
		cmocka_unit_test(a_pace_is_known_after_a_second),
		cmocka_unit_test(slow_is_less_than_sixteen_times_the_least),
		cmocka_unit_test(the_earliest_is_first),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
