/*
 * The body of every build of probe.h. Parameters, from lanes.h: NATIVE, the floats of a native
 * vector; ISA(name), the name's suffix. Included once a build.
 *
 * A loop walks STREAMS parts of its numbers side by side: processors fetch several streams ahead
 * of a program faster than one. Eight accumulators hide the latency of an addition, and
 * exponentials are added in float: what a kernel must do beyond that (maxima, folding into double)
 * is the kernel's own cost.
 */
#include "kernel/vector/exponential.h"
#include "probe.h"

#define STREAMS 4
#define WIDTH 8
#define STEP (WIDTH / STREAMS * NATIVE)
/* Where accumulator k of the step at i finds its numbers; `part` is the length of a stream. */
#define AT(k, i, part) ((k) % STREAMS * (part) + (i) + (k) / STREAMS * NATIVE)

_Static_assert(PROBE_CHUNK % (STREAMS * STEP) == 0, "a chunk is whole steps of all streams");

static float total(const vf *acc)
{
	float sum = 0.0f;
	for (size_t k = 0; k < WIDTH; k++)
		for (size_t l = 0; l < NATIVE; l++)
			sum += acc[k][l];
	return sum;
}

static float ISA(read)(const float *x, size_t n)
{
	vf acc[WIDTH] = {{0}};
	size_t part = n / STREAMS;
	for (size_t i = 0; i < part; i += STEP) {
		UNROLL
		for (size_t k = 0; k < WIDTH; k++)
			acc[k] += vf_load(x + AT(k, i, part));
	}
	return total(acc);
}

static void ISA(copy)(const float *x, float *to, size_t n)
{
	size_t part = n / STREAMS;
	for (size_t i = 0; i < part; i += STEP) {
		UNROLL
		for (size_t k = 0; k < WIDTH; k++)
			vf_stream(to + AT(k, i, part), vf_load(x + AT(k, i, part)));
	}
}

static float ISA(exponentials)(const float *x, size_t n)
{
	vf acc[WIDTH] = {{0}};
	vf magic = vf_set(EXPONENTIAL_MAGIC);
	size_t part = n / STREAMS;
	for (size_t i = 0; i < part; i += STEP) {
		UNROLL
		for (size_t k = 0; k < WIDTH; k++)
			acc[k] += vf_exp(vf_load(x + AT(k, i, part)), magic);
	}
	return total(acc);
}

const struct probe ISA(probe) = {
	.isa = ISA_NAME,
	.read = ISA(read),
	.copy = ISA(copy),
	.exponentials = ISA(exponentials),
};
