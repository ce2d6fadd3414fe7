/* Inside of expect.h: what all counted rows add up to. */
#ifndef TESTS_SUPPORT_EXPECT_SUMMARY_H
#define TESTS_SUPPORT_EXPECT_SUMMARY_H

#include "expect_rows.h"

/* A sum of rows, the sum of their magnitudes (also without infinities), and of their slack. */
struct expect_sum {
	struct oracle_sum value, size, finite;
	long double slack;
};

struct expect_bin {
	size_t n;
	struct oracle_sum confidence, positive;
};

struct expect_summary {
	size_t counted;
	struct expect_sum loss, z_loss, nll, correct, agrees, within_k, share, kl, clipped;
	struct expect_sum means; /* of the rows' parts in their sequences' means */
	struct expect_bin *bins;
	long double confidence_slack; /* the largest; infinite where a bin is in doubt */
};

void expect_summary_start(const struct expect_problem *problem, struct expect_summary *summary);
void expect_summary_add(const struct expect_problem *problem, struct expect_summary *summary,
			size_t r, const struct expect_row *row);

struct expect_number expect_total(const struct expect_sum *sum);

/* Of the outputs that are reduced by `reduction`: loss and z_loss. */
struct expect_number expect_reduced(const struct expect_problem *problem,
				    const struct expect_summary *summary, const char *output);

/* Whether an output is one number about all counted rows, and which. */
bool expect_summarizes(const char *output);
struct expect_number expect_summarized(const struct expect_problem *problem,
				       const struct expect_summary *summary, const char *output);

/* Of a double that sums are told as. */
struct expect_number expect_sum_of(const struct expect_sum *sum);

#endif
