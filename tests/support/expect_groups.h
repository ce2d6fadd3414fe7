/* Inside of expect.h: what the rows of each group add up to, and what stands in bytes. */
#ifndef TESTS_SUPPORT_EXPECT_GROUPS_H
#define TESTS_SUPPORT_EXPECT_GROUPS_H

#include "expect_summary.h"

struct expect_groups {
	size_t n;                      /* 0 without groups */
	struct expect_summary *groups; /* of the rows of each */
	struct expect_summary listed;  /* of the rows of any */
	long double bytes;
};

void expect_groups_start(const struct expect_problem *problem, struct expect_groups *groups);
void expect_groups_add(const struct expect_problem *problem, struct expect_groups *groups, size_t r,
		       const struct expect_row *row);

/* Whether an output has a number for each group, and the one of group g. */
bool expect_is_grouped(const char *output);
struct expect_number expect_grouped(const struct expect_problem *problem,
				    const struct expect_groups *groups, const char *output,
				    size_t g);

/* The output bits_per_byte. */
struct expect_number expect_bits_per_byte(const struct expect_problem *problem,
					  const struct expect_groups *groups,
					  const struct expect_summary *summary);

#endif
