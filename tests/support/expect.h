/*
 * What a whole problem must come to: every output and the totals in long double, by the oracles of
 * src/kernel, each with how far a result may be from it (docs/numerics.md, Accuracy). What a loss
 * takes is read from its table, by name: a tensor, argument or output that is added to one is
 * expected as soon as it is there, and one that no oracle knows fails the test.
 */
#ifndef TESTS_SUPPORT_EXPECT_H
#define TESTS_SUPPORT_EXPECT_H

#include "loss.h"

/* The slack is absolute; infinite where nothing is promised. NaN and infinities are expected as
 * they are. */
struct expect_number {
	long double value, slack;
};

struct expect_output {
	const char *name;
	struct loss_tensor shape; /* and dtype; no data */
	struct expect_number *numbers;
};

struct expected {
	size_t n_outputs;
	struct expect_output outputs[LOSS_MAX_OUTPUTS]; /* in the order asked for */
	bool has_totals;
	struct expect_number loss_sum, denominator;
	size_t rows, counted, ignored;
};

/* Of a problem that is as it should be. In the arena, which must have room. */
void expect(const struct loss_problem *given, struct loss_arena *arena, struct expected *expected);

/*
 * Whether a value of a type agrees. Slack is what there may be before it is rounded to a type
 * narrower than F32.
 */
bool expect_agrees(const struct expect_number *number, loss_dtype dtype, double got);

/* Fails the test, naming the element, unless a result agrees: an output's elements as doubles; a
 * whole result. `what` is for the message. */
void expect_output_agrees(const struct expect_output *output, const double *got, const char *what);
void expect_result_agrees(const struct expected *expected, const struct loss_result *result,
			  const char *what);
void expect_totals_agree(const struct expected *expected, const struct loss_totals *totals,
			 const char *what);

#endif
