/* One case, several rounds, ours and its reference in turn. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include "cases.h"
#include "loss.h"
#include "peer.h"

struct bench {
	const char *isa; /* of loss_isa_find */
	int threads;
	size_t rounds;
	size_t sweep_rounds;
	size_t memory_bytes; /* available: large cases take fewer rows than they should where it is
				short */
	const char *folder;  /* for files */
	char python[512];    /* an interpreter, which may have PyTorch and FastAPI */
	struct peer pytorch; /* whose C library keeps freed memory, as a service's does */
	struct peer pytorch_as_it_is;
	struct peer onednn, simdjson;
	struct peer package; /* the Python package */
};

struct measured {
	const struct bench_case *what;
	char name[96];          /* "forward + gradient, F32, 1024×128256" */
	double bytes;           /* of the logits */
	double ours, reference; /* seconds of a call, medians; NaN where not known */
	const char *unit;       /* NULL: bytes a second, or for few bytes a time; else */
	double factor;          /* what makes that unit of ours and reference */
	double ratio;           /* how many times the reference's speed; NaN where not known */
	bool met;
	char note[256]; /* what the numbers are made of, or why there are none */
};

/* Appends to the note. */
__attribute__((format(printf, 2, 3))) void note(struct measured *measured, const char *format, ...);

/* Of requests: sets ours, the reference, their ratio and whether that meets the bar; notes where
 * one of them is not known, since a request failed. */
void measured_sum_up(struct measured *measured, double ours, double reference);

void measure(struct bench *bench, const struct bench_case *what, struct measured *measured);

#endif
