/*
 * Many lives of a server, each drawn from a number: SIM_SCHEDULES of them (5000), from SIM_FIRST
 * (1) on; SIM_SEED=N is one of them again, told step by step. What is promised of each stands in
 * world.c.
 */
#include "world.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../server/metrics/metrics.h"
#include "../support/random.h"

static uint64_t number_of(const char *variable, uint64_t otherwise)
{
	const char *text = getenv(variable);
	return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

static void every_promise_is_kept(void **state)
{
	static const char *const labels[] = {"other"};
	struct world_sums sums = {0};
	uint64_t seed = number_of("SIM_SEED", 0), first = number_of("SIM_FIRST", 1);
	uint64_t n = seed ? 1 : number_of("SIM_SCHEDULES", random_cases(5000));
	(void)state;
	assert_true(metrics_start(labels, 1, "base"));
	for (uint64_t i = 0; i < n; i++) {
		uint64_t at = seed ? seed : first + i;
		const char *broken = world_live(at, seed != 0, &sums);
		if (broken)
			fail_msg("broken: %s; SIM_SEED=%" PRIu64 " is that life again", broken, at);
	}
	printf("# %" PRIu64 " lives, %zu requests: %zu done in %zu slices, %zu late, %zu gone, "
	       "%zu refused for the queue, %zu for memory, %zu passed what ran\n",
	       n, sums.requests, sums.done, sums.slices, sums.late, sums.gone, sums.full,
	       sums.no_memory, sums.passed);
	if (seed)
		return;
	assert_true(sums.done && sums.late && sums.gone && sums.full && sums.no_memory);
	assert_true(sums.passed && sums.slices > sums.done);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_promise_is_kept)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
