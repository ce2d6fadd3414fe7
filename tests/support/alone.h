/*
 * What each row of a pool comes to in a batch of its own, and whether it comes to the same bits in
 * another: in every output, and in the sums over rows, rounded once. Differences do not fail a
 * test at once: the first of each kind in each layout, and of each kind in each output, is printed,
 * and alone_report fails the test with all that there were.
 */
#ifndef TESTS_SUPPORT_ALONE_H
#define TESTS_SUPPORT_ALONE_H

#include "pool.h"

#define ALONE_OUTPUTS 12 /* that rows have */

struct alone {
	const struct pool *pool;
	size_t n_outputs;
	const char *names[ALONE_OUTPUTS + 1];
	struct loss_tensor outputs[ALONE_OUTPUTS]; /* (rows) or (rows, classes) */
	double *loss_sum, *denominator;            /* (rows) */
};

/* What is asked for: kernels take other ways where less is. */
enum asked { ASKED_ALL, ASKED_DEFAULT, ASKED_GRAD, ASKED_ROWS, N_ASKED };

/* Fills names, ALONE_OUTPUTS + 1 at most, NULL-terminated; returns how many. */
size_t alone_outputs(const struct pool *pool, enum asked asked, const char **names);

/* Evaluates all rows, each alone. */
struct alone alone_evaluate(const struct pool *pool, const char *isa);

/* Whether the results of an arrangement are those of its rows alone; `how` says for people what
 * there is to know of the batch beside the arrangement. */
void alone_compare(const struct alone *alone, const struct arrangement *arrangement,
		   const struct eval *eval, const char *how);

/* How many rows' outputs and sums were compared since the last report. */
size_t alone_compared(void);
/* Fails the test, saying how often which kind differed where, if anything did. */
void alone_report(void);

#endif
