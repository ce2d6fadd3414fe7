#include "request_id.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "os/clock.h"

static uint64_t
	process; /* the same in all ids of this process; written once, by request_id_start */
static _Atomic uint64_t counter;

void request_id_start(void)
{
	uint64_t seed[2];
	if (getentropy(seed, sizeof seed) != 0) {
		seed[0] = clock_ns();
		seed[1] = (uint64_t)getpid();
	}
	process = seed[0];
	atomic_store(&counter, seed[1]);
}

void request_id_make(char *out, size_t size)
{
	uint64_t n = atomic_fetch_add_explicit(&counter, 1, memory_order_relaxed);
	snprintf(out, size, "%016" PRIx64 "%016" PRIx64, process, n);
}
