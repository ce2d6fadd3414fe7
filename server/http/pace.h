/*
 * How long a body or a reply may take: a leaky bucket of time. It begins with the phase's timeout
 * and drains as time passes; each byte that moves puts in what it is worth at the least rate. It
 * never holds more than two timeouts, so that a client that was fast for a while can not live on
 * that: whoever stops is gone two timeouts later at the latest, and one that goes on at the least
 * rate is never cut. Pure functions.
 */
#ifndef LOSSD_PACE_H
#define LOSSD_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define PACE_SECOND UINT64_C(1000000000)
/* Whoever moves less than so many times the least rate is slow, where others need the memory. */
#define PACE_SLOW 16

struct pace_rule {
	uint64_t timeout_ns;
	uint64_t bytes_per_second; /* the least rate; 0: bytes are worth nothing */
};

/* The deadline of a transfer, at `now`, after so many more bytes have moved. */
static inline uint64_t pace_extend(const struct pace_rule *rule, uint64_t deadline, uint64_t bytes,
				   uint64_t now)
{
	uint64_t rate = rule->bytes_per_second;
	if (rate == 0)
		return deadline;
	uint64_t latest = now + 2 * rule->timeout_ns;
	/* Rates are 2^30 at most, so the product fits. */
	uint64_t part = bytes % rate * PACE_SECOND / rate;
	uint64_t seconds = bytes / rate;
	if (seconds > 2 * rule->timeout_ns / PACE_SECOND)
		return latest;
	uint64_t later = deadline + seconds * PACE_SECOND + part;
	return later < latest ? later : latest;
}

/* What is measured of a transfer: bytes in the last window of a second or more. */
struct pace {
	uint64_t window_ns; /* when the present one began */
	uint64_t moved;     /* bytes that had moved by then */
	bool known;         /* a window has passed */
	uint64_t per_second;
};

static inline struct pace pace_start(uint64_t moved, uint64_t now)
{
	return (struct pace){.window_ns = now, .moved = moved};
}

static inline void pace_note(struct pace *pace, uint64_t moved, uint64_t now)
{
	uint64_t elapsed = now - pace->window_ns;
	if (elapsed < PACE_SECOND)
		return;
	pace->per_second = (uint64_t)((double)(moved - pace->moved) * 1e9 / (double)elapsed);
	pace->known = true;
	pace->moved = moved;
	pace->window_ns = now;
}

static inline bool pace_is_slow(const struct pace *pace, const struct pace_rule *rule)
{
	return pace->known && pace->per_second / PACE_SLOW < rule->bytes_per_second;
}

#endif
