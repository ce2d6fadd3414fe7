#include "rate.h"

#define SECOND UINT64_C(1000000000)
/* No body is as large, no server runs as long: sums of two fit. */
#define MOST (UINT64_MAX / 4)

uint64_t rate_cost(uint64_t n, uint64_t per_second)
{
	/* Rounded down, so that a second holds as many as it should. */
	double cost = (double)n * (double)SECOND / (double)per_second;
	return cost < (double)MOST ? (uint64_t)cost : MOST;
}

uint64_t rate_wait(uint64_t full_ns, uint64_t cost_ns, uint64_t now_ns)
{
	uint64_t lacking = full_ns > now_ns ? full_ns - now_ns : 0;
	return lacking + cost_ns > SECOND ? lacking + cost_ns - SECOND : 0;
}

void rate_take(uint64_t *full_ns, uint64_t cost_ns, uint64_t now_ns)
{
	uint64_t from = *full_ns > now_ns ? *full_ns : now_ns;
	*full_ns = from < MOST ? from + cost_ns : from;
}
