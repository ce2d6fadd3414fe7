/* What the scheduler decides, one decision at a time; many together are in tests/sim. */
#include "../../server/eval/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000000000)

static struct schedule schedule;
static struct schedule_refusal refusal;

static int start(void **state)
{
	(void)state;
	schedule_start(&schedule, &(struct schedule_limits){4, 10 * SECOND});
	return 0;
}

static bool add(struct schedule_item *item, uint64_t left_ns, uint64_t now_ns)
{
	item->left_ns = left_ns;
	return schedule_add(&schedule, item, now_ns, &refusal);
}

/* Something runs from now on. */
static void run_something(struct schedule_item *item)
{
	assert_true(add(item, SECOND, 0));
	assert_int_equal(schedule.waiting, 0); /* it is as good as taken */
	assert_ptr_equal(schedule_take(&schedule), item);
}

/* A nanosecond of waiting is worth one of cost, and among equals who came first goes first. */
static void waiting_is_worth_its_time(void **state)
{
	struct schedule_item running = {0}, old = {0}, alike = {0}, less = {0};
	(void)state;
	run_something(&running);
	assert_true(add(&old, 1000, 100));
	assert_true(add(&alike, 900, 200));
	assert_true(add(&less, 899, 200));
	assert_ptr_equal(schedule_take(&schedule), &less);
	assert_ptr_equal(schedule_take(&schedule), &old);
	assert_ptr_equal(schedule_take(&schedule), &alike);
	assert_null(schedule_take(&schedule));
}

/* What has begun goes back with what is left of it and the time that it came, and does not wait. */
static void what_has_begun_is_not_in_the_queue(void **state)
{
	struct schedule_item running = {0}, later = {0};
	(void)state;
	run_something(&running);
	assert_true(add(&later, SECOND, 10));
	running.left_ns -= 100;
	schedule_ran(&schedule, 100, 100);
	schedule_put_back(&schedule, &running);
	assert_int_equal(schedule.waiting, 1);
	assert_int_equal(schedule.waiting_ns, SECOND);
	assert_ptr_equal(schedule_take(&schedule), &running);
	assert_true(schedule_remove(&schedule, &later));
	assert_false(schedule_remove(&schedule, &later));
	assert_int_equal(schedule.waiting_ns, 0);
}

static unsigned retry_after(void)
{
	struct schedule_item item = {0};
	assert_false(add(&item, 11 * SECOND, 0));
	return refusal.retry_s;
}

/* As long as what waits takes at the rate of late, which a second of work changes by half. */
static void a_refusal_tells_when_to_come_again(void **state)
{
	struct schedule_item running = {0}, waits = {0};
	(void)state;
	run_something(&running);
	assert_true(add(&waits, 9 * SECOND, 0));
	assert_int_equal(retry_after(), 10);
	schedule_ran(&schedule, 3 * SECOND, SECOND);
	assert_int_equal(retry_after(), 5); /* 9 / 2, and a part of a second */
	for (int i = 0; i < 60; i++)
		schedule_ran(&schedule, 100 * SECOND, SECOND);
	assert_int_equal(retry_after(), SCHEDULE_RETRY_MIN_S);
	for (int i = 0; i < 60; i++)
		schedule_ran(&schedule, 0, SECOND);
	assert_int_equal(retry_after(), SCHEDULE_RETRY_MAX_S);
}

/* No sum of costs is beyond what can be counted. */
static void costs_may_be_of_any_size(void **state)
{
	struct schedule_item running = {0}, huge = {0}, more = {0};
	(void)state;
	run_something(&running);
	assert_true(add(&huge, UINT64_MAX, SECOND)); /* alone */
	assert_false(add(&more, UINT64_MAX, SECOND));
	assert_true(refusal.by_cost);
	assert_ptr_equal(schedule_take(&schedule), &huge);
}

static void slices_follow_the_time_that_they_took(void **state)
{
	(void)state;
	assert_int_equal(schedule_next_slice(1000, 100, 100), 1000);
	assert_int_equal(schedule_next_slice(1000, 200, 100), 500);
	assert_int_equal(schedule_next_slice(1000, 10, 100), 2000);
	assert_int_equal(schedule_next_slice(1000, 0, 100), 2000);
	assert_int_equal(schedule_next_slice(1, UINT64_MAX, 100), 1);
	assert_in_range(schedule_next_slice(UINT64_MAX, 1, 100), 1, UINT64_C(1) << 62);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(waiting_is_worth_its_time, start),
		cmocka_unit_test_setup(what_has_begun_is_not_in_the_queue, start),
		cmocka_unit_test_setup(a_refusal_tells_when_to_come_again, start),
		cmocka_unit_test_setup(costs_may_be_of_any_size, start),
		cmocka_unit_test_setup(slices_follow_the_time_that_they_took, start),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
