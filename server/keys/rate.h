/*
 * A token bucket that holds one second of its rate, as one number: the time at which it would be
 * full again if nobody took from it. Costs are times too: how long the rate takes to fill in what
 * is taken. Pure functions; all times are nanoseconds of one clock.
 */
#ifndef LOSSD_RATE_H
#define LOSSD_RATE_H

#include <stdint.h>

/* Of n things at a rate of so many a second (at least 1). */
uint64_t rate_cost(uint64_t n, uint64_t per_second);
/* How long until there is so much in the bucket; 0: there is. The cost is at most a second. */
uint64_t rate_wait(uint64_t full_ns, uint64_t cost_ns, uint64_t now_ns);
/* Takes it, whether there is so much or not: then nothing is there for a while. */
void rate_take(uint64_t *full_ns, uint64_t cost_ns, uint64_t now_ns);

#endif
