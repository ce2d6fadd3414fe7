/*
 * Rows of logits made to be difficult, for any dtype. Of the math library only what is exact is
 * used, so that the same random numbers make the same rows on every machine.
 */
#ifndef TESTS_SUPPORT_ROWS_H
#define TESTS_SUPPORT_ROWS_H

#include "loss.h"
#include "random.h"

/* Fills a row of n > 0 logits; whoever stores them rounds them to the dtype. */
typedef void fill_row(struct random *random, loss_dtype dtype, double *x, size_t n);

struct rows_distribution {
	const char *name;
	fill_row *fill;
};
extern const struct rows_distribution rows_distributions[];
extern const size_t rows_n_distributions;

/* A number for a batch of rows, any of them, one distribution each or mixed: the name, and how to
 * fill the next row. */
size_t rows_any(struct random *random);
const char *rows_name(size_t kind);
void rows_fill(size_t kind, struct random *random, loss_dtype dtype, double *x, size_t n);

#endif
