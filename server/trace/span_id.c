#include "span_id.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "os/clock.h"

static _Atomic uint64_t counter;

void span_id_start(void)
{
	uint64_t seed;
	if (getentropy(&seed, sizeof seed) != 0)
		seed = clock_ns() ^ (uint64_t)getpid() << 32;
	atomic_store(&counter, seed);
}

/* SplitMix64 (Steele, Lea, Flood 2014): a bijection of the counter, so that none comes twice. */
uint64_t span_id_next(void)
{
	const uint64_t step = UINT64_C(0x9e3779b97f4a7c15);
	uint64_t z = atomic_fetch_add_explicit(&counter, step, memory_order_relaxed);
	if (z == 0) /* the one that becomes 0 */
		z = atomic_fetch_add_explicit(&counter, step, memory_order_relaxed);
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

void span_id_make(unsigned char *out, size_t n)
{
	for (size_t i = 0; i < n; i += sizeof(uint64_t)) {
		uint64_t id = span_id_next();
		memcpy(out + i, &id, sizeof id);
	}
}
