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

/* Among equals who came first goes first. */
static void the_smallest_goes_first(void **state)
{
	struct schedule_item running = {0}, large = {0}, old = {0}, young = {0};
	(void)state;
	run_something(&running);
	assert_true(add(&large, 1000, 100));
	assert_true(add(&young, 900, 300));
	assert_true(add(&old, 900, 200));
	assert_ptr_equal(schedule_take(&schedule), &old);
	assert_ptr_equal(schedule_take(&schedule), &young);
	assert_ptr_equal(schedule_take(&schedule), &large);
	assert_null(schedule_take(&schedule));
}

/* However much that is smaller comes, who came first has one slice of so many: no fewer, no more.
 */
static void who_came_first_has_its_share(void **state)
{
	struct schedule_item large = {0}, small = {0};
	(void)state;
	assert_true(add(&large, 10 * SECOND, 1));
	for (int slice = 1; slice <= 5 * SCHEDULE_TURNS; slice++) {
		assert_true(add(&small, 1, 1 + (uint64_t)slice));
		struct schedule_item *taken = schedule_take(&schedule);
		schedule_ran(&schedule, 1, 1);
		assert_ptr_equal(taken, slice % SCHEDULE_TURNS == 0 ? &large : &small);
		if (taken == &large) {
			large.left_ns--;
			schedule_put_back(&schedule, &large);
			assert_true(schedule_remove(&schedule, &small));
		}
	}
}

/* A job that runs for a minute does not become more urgent than a small one by that. */
static void a_small_job_never_waits_for_much_of_a_large_one(void **state)
{
	struct schedule_item large = {0}, small = {0};
	(void)state;
	assert_true(add(&large, 60 * SECOND, 0));
	while (large.left_ns > SECOND) {
		assert_ptr_equal(schedule_take(&schedule), &large);
		schedule_ran(&schedule, SECOND, SECOND);
		large.left_ns -= SECOND;
		schedule_put_back(&schedule, &large);
		assert_true(add(&small, SECOND / 200, 60 * SECOND - large.left_ns));
		assert_ptr_equal(schedule_take(&schedule), &small);
		schedule_ran(&schedule, 1, 1);
	}
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
		cmocka_unit_test_setup(the_smallest_goes_first, start),
		cmocka_unit_test_setup(who_came_first_has_its_share, start),
		cmocka_unit_test_setup(a_small_job_never_waits_for_much_of_a_large_one, start),
		cmocka_unit_test_setup(what_has_begun_is_not_in_the_queue, start),
		cmocka_unit_test_setup(a_refusal_tells_when_to_come_again, start),
		cmocka_unit_test_setup(costs_may_be_of_any_size, start),
		cmocka_unit_test_setup(slices_follow_the_time_that_they_took, start),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
