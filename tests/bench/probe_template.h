/*
 * The body of every build of probe.h. Parameters, from lanes.h: NATIVE, the floats of a native
 * vector; ISA(name), the name's suffix. Included once a build.
 *
 * A loop walks `streams` parts of its numbers side by side: some processors fetch several streams
 * ahead of a program faster than one, others one faster than several. `width` vectors in flight
 * hide the latency of an operation. Exponentials are added in the numbers' own type: what a kernel
 * must do beyond that (maxima, folding into double) is the kernel's own cost.
 */
#include "kernel/vector/exponential.h"
#include "probe.h"
#include "probe_f64.h"

#define MOST_WIDTH 16
#define INLINE __attribute__((always_inline)) static inline
/* Where vector k of the step at i has its numbers; `part` is the length of a stream. */
#define AT(k, i) ((k) % streams * part + (i) + (k) / streams * NATIVE)
#define FOR_EACH_STEP                                                                              \
	for (size_t part = n / streams, i = 0; i < part; i += width / streams * NATIVE)
#define AHEAD 512 /* floats, where a loop asks for them itself */

_Static_assert(PROBE_CHUNK % (MOST_WIDTH * NATIVE) == 0, "a chunk is whole steps of all streams");

INLINE float total(const vf *acc)
{
	float sum = 0.0f;
	for (size_t k = 0; k < MOST_WIDTH; k++)
		for (size_t l = 0; l < NATIVE; l++)
			sum += acc[k][l];
	return sum;
}

INLINE float read_in(const float *x, size_t n, size_t streams, size_t width, size_t ahead)
{
	vf acc[MOST_WIDTH] = {{0}};
	FOR_EACH_STEP
	{
		UNROLL
		for (size_t k = 0; k < width; k++) {
			if (ahead)
				__builtin_prefetch(x + AT(k, i) + ahead);
			acc[k] += vf_load(x + AT(k, i));
		}
	}
	return total(acc);
}

typedef void store(float *p, vf v);

INLINE float copy_in(const float *x, float *to, size_t n, size_t streams, size_t ahead, store *put)
{
	const size_t width = 8;
	FOR_EACH_STEP
	{
		UNROLL
		for (size_t k = 0; k < width; k++) {
			if (ahead)
				__builtin_prefetch(x + AT(k, i) + ahead);
			put(to + AT(k, i), vf_load(x + AT(k, i)));
		}
	}
	return 0.0f;
}

INLINE float exponentials_in(const float *x, size_t n, size_t streams, size_t width)
{
	vf acc[MOST_WIDTH] = {{0}};
	vf magic = vf_set(EXPONENTIAL_MAGIC);
	FOR_EACH_STEP
	{
		UNROLL
		for (size_t k = 0; k < width; k++)
			acc[k] += vf_exp(vf_load(x + AT(k, i)), magic);
	}
	return total(acc);
}

INLINE float exponentials_f64_in(const float *x, size_t n, size_t streams, size_t width)
{
	pd acc[MOST_WIDTH] = {{0}};
	FOR_EACH_STEP
	{
		UNROLL
		for (size_t k = 0; k < width; k++)
			acc[k] += pd_exp(pd_load(x + AT(k, i)));
	}
	double sum = 0.0;
	for (size_t k = 0; k < MOST_WIDTH; k++)
		for (size_t l = 0; l < PROBE_DOUBLES; l++)
			sum += acc[k][l];
	return (float)sum;
}

#define PASS(name, call)                                                                           \
	static float ISA(name)(const float *x, float *to, size_t n)                                \
	{                                                                                          \
		(void)to;                                                                          \
		return call;                                                                       \
	}

PASS(read_1, read_in(x, n, 1, 8, 0))
PASS(read_4, read_in(x, n, 4, 8, 0))
PASS(read_8, read_in(x, n, 8, 8, 0))
PASS(read_ahead, read_in(x, n, 1, 8, AHEAD))
PASS(stream_1, copy_in(x, to, n, 1, 0, vf_stream))
PASS(stream_4, copy_in(x, to, n, 4, 0, vf_stream))
PASS(stream_ahead, copy_in(x, to, n, 1, AHEAD, vf_stream))
PASS(store_1, copy_in(x, to, n, 1, 0, vf_store))
PASS(store_4, copy_in(x, to, n, 4, 0, vf_store))
PASS(copy_libc, (memcpy(to, x, n * sizeof *x), 0.0f))
PASS(exp_1, exponentials_in(x, n, 1, 4))
PASS(exp_2, exponentials_in(x, n, 1, 8))
PASS(exp_3, exponentials_in(x, n, 1, 16))
PASS(exp_4, exponentials_in(x, n, 4, 8))
PASS(exp_f64_1, exponentials_f64_in(x, n, 1, 4))
PASS(exp_f64_2, exponentials_f64_in(x, n, 1, 8))
PASS(exp_f64_3, exponentials_f64_in(x, n, 1, 16))
PASS(exp_f64_4, exponentials_f64_in(x, n, 4, 8))

const struct probe
	ISA(probe) =
		{
			.isa = ISA_NAME,
			.ways =
				{
					[PROBE_READ] = {{"1 stream", ISA(read_1)},
							{"4 streams", ISA(read_4)},
							{"8 streams", ISA(read_8)},
							{"1 stream, fetched ahead",
							 ISA(read_ahead)}},
					[PROBE_COPY] = {{"1 stream past the cache", ISA(stream_1)},
							{"4 streams past the cache", ISA(stream_4)},
							{"1 stream past the cache, fetched ahead",
							 ISA(stream_ahead)},
							{"1 stream", ISA(store_1)},
							{"4 streams", ISA(store_4)},
							{"memcpy", ISA(copy_libc)}},
					[PROBE_EXPONENTIALS] = {{"4 at once", ISA(exp_1)},
								{"8 at once", ISA(exp_2)},
								{"16 at once", ISA(exp_3)},
								{"8 at once, 4 streams",
								 ISA(exp_4)}},
					[PROBE_EXPONENTIALS_F64] = {{"4 at once", ISA(exp_f64_1)},
								    {"8 at once", ISA(exp_f64_2)},
								    {"16 at once", ISA(exp_f64_3)},
								    {"8 at once, 4 streams",
								     ISA(exp_f64_4)}},
				},
};
