/*
 * What a machine can do at most: the two parts of the roofline, as bare loops, built once per
 * instruction set from probe_template.h. A pass is made by one thread over its own part of a
 * buffer; sizes are multiples of PROBE_CHUNK floats, pointers aligned to 64 bytes.
 */
#ifndef BENCH_PROBE_H
#define BENCH_PROBE_H

#include <stddef.h>

#define PROBE_CHUNK 128

struct probe {
	const char *isa;
	/* Adds all of x: nothing but loads. The result only keeps the compiler from leaving it out.
	 */
	float (*read)(const float *x, size_t n);
	/* Copies x to `to` with stores that bypass the cache. */
	void (*copy)(const float *x, float *to, size_t n);
	/* The sum of exp(x), with the kernels' own polynomial: no maximum, no targets. */
	float (*exponentials)(const float *x, size_t n);
};

/* That of an instruction set of loss_isa_at; never NULL. */
const struct probe *probe_find(const char *isa);

extern const struct probe probe_base, probe_avx2, probe_avx512, probe_neon;

#endif
