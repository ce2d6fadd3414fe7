/*
 * Problems of every loss, each drawn from a number: all tensors, arguments and outputs that the
 * table of losses has, in all layouts and dtypes, with rows made to be difficult. A number means
 * the same problem on every machine, and its results are told as hashes, so that results of
 * machines and instruction sets can be compared. Needs nothing but libloss, not even cmocka.
 */
#ifndef TESTS_SUPPORT_CASES_H
#define TESTS_SUPPORT_CASES_H

#include "loss.h"

#define CASE_PARTS (LOSS_MAX_OUTPUTS + 1)

/* What became of a problem. */
struct case_outcome {
	loss_status status; /* LOSS_OK, but for the few whose arguments exclude each other */
	char what[256];     /* the problem, for people: "cross_entropy F32 (17, 5) offset ..." */
	size_t n_parts;     /* the outputs, then "totals" where there are any */
	const char *names[CASE_PARTS];
	uint64_t hashes[CASE_PARTS]; /* of all bits, but that every NaN counts as the same */
};

/* Evaluates problem `number` with the kernels of an instruction set, as loss_isa_find gave it. */
void case_evaluate(uint64_t number, const char *isa, struct case_outcome *outcome);

#endif
