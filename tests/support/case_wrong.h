/*
 * Problems with one thing wrong: a legal one, of which a single tensor, argument or output is no
 * more what the table of its loss asks for. What must become of it follows from the table.
 */
#ifndef TESTS_SUPPORT_CASE_WRONG_H
#define TESTS_SUPPORT_CASE_WRONG_H

#include "case_draft.h"

struct case_wrong {
	char what[128]; /* "logits: another dtype" */
	loss_status status;
	loss_status status_as_text; /* where arguments have no types of their own */
	const char *field;
	bool has_index, is_tensor;
	bool is_scalar; /* a tensor without axes */
	size_t index;   /* flat, of an element or an output */
	bool is_name;   /* it is a name that only a wire can carry */
	/* An argument of the wrong type, which is refused as it is set; else NULL. */
	const struct loss_value *value;
	size_t argument;
};

/* The ways in which a problem of the loss can be wrong: numbers below this. */
size_t case_n_ways(const struct loss_info *loss);

/* Whether the table lets any of its problems be wrong so. */
bool case_can_be_wrong(const struct loss_info *loss, size_t way);

/*
 * Makes a problem of case_draw wrong in one way; false where this one can not be: a tensor that it
 * does not have, a range without an end. Memory is the draft's arena's.
 */
bool case_make_wrong(struct case_draft *draft, struct loss_problem *problem, size_t way,
		     struct case_wrong *wrong);

/*
 * Draws problems for every way of every loss that the table allows, from a seed on, until `draws`
 * of each were wrong so, which `check` says after it has judged one; fails where none of many is.
 */
typedef bool case_check_fn(const struct loss_info *loss, size_t way, uint64_t number);
void case_check_ways(uint64_t seed, size_t draws, case_check_fn *check);

/* What way it is, for who counts which were met. */
void case_describe_way(const struct loss_info *loss, size_t way, char *out, size_t size);

#endif
