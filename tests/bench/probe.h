/*
 * What a machine can do at most: the parts of the roofline, as bare loops, each in several ways,
 * since no way is the fastest everywhere. Built once per instruction set from probe_template.h. A
 * pass is made by one thread over its own part of a buffer; sizes are multiples of PROBE_CHUNK
 * floats, pointers aligned to 64 bytes.
 */
#ifndef BENCH_PROBE_H
#define BENCH_PROBE_H

#include <stddef.h>

#define PROBE_CHUNK 256
#define PROBE_WAYS 7

enum probe_work {
	/* Adds all of x: nothing but loads. */
	PROBE_READ,
	/* Copies x to `to`. */
	PROBE_COPY,
	/* The sum of exp(x), with the kernels' own polynomial: no maximum, no targets. */
	PROBE_EXPONENTIALS,
	/* The same of the doubles that n floats take the place of, to the last bit but one. */
	PROBE_EXPONENTIALS_F64,
	N_PROBE_WORKS,
};

struct probe_way {
	const char *name; /* "4 streams past the cache" */
	/* The result only keeps the compiler from leaving the loop out. */
	float (*pass)(const float *x, float *to, size_t n);
};

struct probe {
	const char *isa;
	struct probe_way ways[N_PROBE_WORKS][PROBE_WAYS]; /* as many as have a name */
};

/* That of an instruction set of loss_isa_at; never NULL. */
const struct probe *probe_find(const char *isa);

extern const struct probe probe_base, probe_avx2, probe_avx512, probe_neon;

#endif
