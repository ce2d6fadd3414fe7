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
	loss_status
		status; /* LOSS_OK, or what is wrong with the table or with what is drawn of it */
	char what[256]; /* the problem, for people: "cross_entropy F32 (17, 5) offset ..." */
	size_t n_parts; /* the outputs, then "totals" where there are any */
	const char *names[CASE_PARTS];
	uint64_t hashes[CASE_PARTS]; /* of all bits, but that every NaN counts as the same */
};

/* Evaluates problem `number` with the kernels of an instruction set, as loss_isa_find gave it. */
void case_evaluate(uint64_t number, const char *isa, struct case_outcome *outcome);

/* ---------------------------------------------------------------- golden results */

/*
 * A family of problems whose results are kept, as hashes, in the repository: of one loss, with the
 * tensors and arguments that its words name, and the outputs. Nothing that is added to a loss
 * changes what is drawn here, so that only other bits change the hashes; a new loss, argument or
 * output is a new family.
 */
struct case_family {
	const char *name, *loss;
	const char *with; /* optional tensors and arguments, "probabilities" (targets), "batchmean",
			    "sequence_mean" */
	const char *outputs;
	size_t classes;  /* 0: any */
	unsigned dtypes; /* bits of those of the input; 0: all */
	uint64_t n_cases;
};
extern const struct case_family case_families[];
extern const size_t case_n_families;

#define CASE_GOLDEN 30

/* A family with its input in one type. */
struct case_golden {
	const struct case_family *family;
	loss_dtype dtype;
};

/* Evaluates problem `number` of those of a family. */
void case_evaluate_golden(const struct case_golden *golden, uint64_t number, const char *isa,
			  struct case_outcome *outcome);

/* A tensor, argument or output of the loss that no family has; NULL when there is none. */
const char *case_uncovered(const struct loss_info *loss);

#endif
