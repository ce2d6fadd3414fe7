/*
 * No cliffs: every loss with each of its arguments, over types and shapes, beside PyTorch, which
 * does the same on the same numbers. SWEEP in the environment chooses: each of its words must stand
 * in a case's name, as in "F64 softcap".
 */
#ifndef BENCH_SWEEP_H
#define BENCH_SWEEP_H

#include "measure.h"
#include "sweep_cases.h"

struct sweep_result {
	const struct sweep_case *what;
	const char *dtype;
	double plain;              /* seconds of cross_entropy plain in the same rounds, or NaN */
	struct measured *measured; /* against PyTorch */
};

/* Measures and prints all; the number of rows that it has filled. */
#define SWEEP_ROWS 2048
size_t sweep(struct bench *bench, struct measured *rows);

/* Fills the rows that sum up n results, prints them and what else there is to say; their number. */
size_t sweep_summarise(const struct sweep_result *results, size_t n, struct measured *rows);

#endif
