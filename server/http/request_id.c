#include "request_id.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "os/clock.h"

#define HALF 16 /* digits */

static char process[HALF]; /* begins all ids of this process; written once, by request_id_start */
static _Atomic uint64_t counter;

/* A thread takes so many at once, so that threads have no cache line to share for each. */
#define IDS_AT_ONCE 1024

static uint64_t next(void)
{
	static _Thread_local uint64_t mine, left;
	if (left == 0) {
		mine = atomic_fetch_add_explicit(&counter, IDS_AT_ONCE, memory_order_relaxed);
		left = IDS_AT_ONCE;
	}
	left--;
	return mine++;
}

static void write_half(char out[HALF], uint64_t n)
{
	static const char hex[] = "0123456789abcdef";
	for (int i = HALF; i-- > 0; n >>= 4)
		out[i] = hex[n & 15];
}

void request_id_start(void)
{
	uint64_t seed[2];
	if (getentropy(seed, sizeof seed) != 0) {
		seed[0] = clock_ns();
		seed[1] = (uint64_t)getpid();
	}
	write_half(process, seed[0]);
	atomic_store(&counter, seed[1]);
}

void request_id_make(char out[REQUEST_ID_SIZE])
{
	memcpy(out, process, HALF);
	write_half(out + HALF, next());
	out[REQUEST_ID_SIZE - 1] = '\0';
}
