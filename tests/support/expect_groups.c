#include "expect_groups.h"

#include <string.h>

#include "random.h"
#include "tensor.h"
#include "ulp.h"

/* The entry of row r of a tensor that shifts as targets do. */
static struct class_index entry(const struct expect_problem *problem, loss_role role, size_t r)
{
	return tensor_class_index(problem->tensors[role], expect_target_row(problem, r));
}

static bool has_group(const struct expect_problem *problem, size_t r)
{
	return problem->tensors[LOSS_ROLE_GROUPS] != NULL &&
	       !entry(problem, LOSS_ROLE_GROUPS, r).negative;
}

/* As many as are asked for, or are needed by rows that count. */
static size_t count_groups(const struct expect_problem *problem)
{
	uint64_t n = 0;
	if (problem->tensors[LOSS_ROLE_GROUPS] == NULL)
		return 0;
	if (problem->arguments.n_groups >= 0)
		return (size_t)problem->arguments.n_groups;
	for (size_t r = 0; r < problem->rows; r++) {
		bool counts = expect_counted(problem, r) && has_group(problem, r);
		uint64_t group = counts ? entry(problem, LOSS_ROLE_GROUPS, r).value : 0;
		n = counts && group >= n ? group + 1 : n;
	}
	return (size_t)n;
}

static bool is_by_group(const struct expect_problem *problem)
{
	return !tensor_same_shape(problem->tensors[LOSS_ROLE_BYTES], &problem->rows_shape);
}

void expect_groups_start(const struct expect_problem *problem, struct expect_groups *groups)
{
	*groups = (struct expect_groups){.n = count_groups(problem)};
	groups->groups = expect_array(problem, struct expect_summary, groups->n);
	expect_summary_start(problem, &groups->listed);
	for (size_t g = 0; g < groups->n; g++)
		expect_summary_start(problem, &groups->groups[g]);
}

static void add_bytes(const struct expect_problem *problem, struct expect_groups *groups, size_t r)
{
	const struct loss_tensor *bytes = problem->tensors[LOSS_ROLE_BYTES];
	if (bytes == NULL)
		return;
	if (!is_by_group(problem)) {
		groups->bytes += (long double)entry(problem, LOSS_ROLE_BYTES, r).value;
	} else if (has_group(problem, r)) {
		size_t g = (size_t)entry(problem, LOSS_ROLE_GROUPS, r).value;
		if (groups->groups[g].counted == 1) /* its first row */
			groups->bytes += (long double)tensor_class_index(bytes, g).value;
	}
}

void expect_groups_add(const struct expect_problem *problem, struct expect_groups *groups, size_t r,
		       const struct expect_row *row)
{
	if (!row->counted)
		return;
	if (has_group(problem, r)) {
		size_t g = (size_t)entry(problem, LOSS_ROLE_GROUPS, r).value;
		expect_summary_add(problem, &groups->groups[g], r, row);
		expect_summary_add(problem, &groups->listed, r, row);
	}
	add_bytes(problem, groups, r);
}

static long double f64_ulps(long double ulps, long double size)
{
	return isfinite(size) ? ulps * ulp_of(LOSS_F64, fminl(fabsl(size), (long double)DBL_MAX))
			      : 0;
}

/* ---------------------------------------------------------------- outputs of groups */

static struct expect_number loss_sum(const struct expect_problem *problem,
				     const struct expect_summary *group)
{
	(void)problem;
	return expect_sum_of(&group->loss);
}

static struct expect_number denominator(const struct expect_problem *problem,
					const struct expect_summary *group)
{
	struct expect_number number = {oracle_total(&group->share.value), 0};
	(void)problem;
	number.slack = f64_ulps(1, oracle_total(&group->share.size));
	return number;
}

static struct expect_number counted(const struct expect_problem *problem,
				    const struct expect_summary *group)
{
	(void)problem;
	return (struct expect_number){(long double)group->counted, 0};
}

static struct expect_number mean(const struct expect_problem *problem,
				 const struct expect_summary *group)
{
	struct expect_number sum = loss_sum(problem, group);
	long double divisor = oracle_total(&group->share.value);
	if (group->counted == 0 && problem->arguments.zero_empty_mean)
		return (struct expect_number){0, 0};
	if (divisor == 0)
		return (struct expect_number){(long double)NAN, 0};
	sum.value /= divisor;
	sum.slack /= fabsl(divisor);
	sum.slack += f64_ulps(2, oracle_total(&group->loss.size) / divisor);
	return sum;
}

static const struct {
	const char *name;
	struct expect_number (*value)(const struct expect_problem *problem,
				      const struct expect_summary *group);
} grouped[] = {
	{"group_loss_sum", loss_sum},
	{"group_denominator", denominator},
	{"group_counted", counted},
	{"group_loss", mean},
};

bool expect_is_grouped(const char *output)
{
	for (size_t i = 0; i < sizeof(grouped) / sizeof(grouped[0]); i++)
		if (strcmp(grouped[i].name, output) == 0)
			return true;
	return false;
}

struct expect_number expect_grouped(const struct expect_problem *problem,
				    const struct expect_groups *groups, const char *output,
				    size_t g)
{
	for (size_t i = 0; i < sizeof(grouped) / sizeof(grouped[0]); i++)
		if (strcmp(grouped[i].name, output) == 0)
			return grouped[i].value(problem, &groups->groups[g]);
	require(false, "there is no oracle of the output %s", output);
	return (struct expect_number){0, 0};
}

/* ---------------------------------------------------------------- bits per byte */

#define LN_2 0.6931471805599453094172321214581765681L

struct expect_number expect_bits_per_byte(const struct expect_problem *problem,
					  const struct expect_groups *groups,
					  const struct expect_summary *summary)
{
	bool by_group = is_by_group(problem);
	struct expect_number nll = expect_total(by_group ? &groups->listed.nll : &summary->nll);
	long double nats = groups->bytes * LN_2;
	if (groups->bytes == 0)
		return (struct expect_number){(long double)NAN, 0};
	long double value = nll.value / nats;
	return (struct expect_number){value, nll.slack / nats + f64_ulps(2, value)};
}
