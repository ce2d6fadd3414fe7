/*
 * A server's requests by a clock that is moved: the real schedule, reaper and budget, and around
 * them, drawn from a seed, clients that come, ask for so much and leave, jobs that take longer than
 * they are estimated at, and one compute thread whose slices take no time but the clock's. The same
 * seed is the same life.
 */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What became of many lives, to see that they are not all alike. */
struct world_sums {
	size_t requests, done, late, gone, full, no_memory, slices, passed;
};

/* Lives one life to its end, adds to *sums, and tells in `trace` mode what happens when. NULL, or
 * which of the promises was broken: static. */
const char *world_live(uint64_t seed, bool trace, struct world_sums *sums);

#endif
