/* What is swept over: the product of these, without what has no meaning. */
#ifndef BENCH_SWEEP_CASES_H
#define BENCH_SWEEP_CASES_H

#include "ours.h"

enum sweep_targets { NO_TARGETS, CLASS_INDICES, PROBABILITIES };

struct sweep_case {
	const char *name; /* also the peer's: "cross_entropy softcap grad" */
	struct ours_call call;
	enum sweep_targets targets;
	bool weight, grad_output;
	bool var;              /* what is expected of elements, numbers above 0, stands beside */
	bool of_probabilities; /* the input is */
	int most_axes;         /* of its input; 0: any number */
	double bar_of_plain;   /* or 0; its time over that of cross_entropy plain, at most */
};

struct sweep_shape {
	int rank;
	size_t shape[4]; /* classes on axis 1; about two million elements */
};

/* Each ends with an element whose name, or whose rank, is none. */
extern const struct sweep_case sweep_cases[];
extern const struct sweep_shape sweep_shapes[];
extern const char *const sweep_dtypes[];
/* The case that others are held against. */
extern const struct sweep_case *const sweep_plain;

#endif
