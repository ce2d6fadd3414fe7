#include "case_wrong.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "case_draft.h"
#include "case_spoil.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---------------------------------------------------------------- what can be wrong, by the table
 */

static bool always(const struct loss_info *loss, size_t i)
{
	(void)loss;
	(void)i;
	return true;
}

static bool is_of_two_kinds(const struct loss_info *loss, size_t i)
{
	unsigned kinds = loss->tensors[i].kinds;
	return (kinds & LOSS_KIND_INDEX) && (kinds & LOSS_KIND_PROBABILITY);
}

/* The input of an element-wise loss may have any. */
static bool has_a_shape(const struct loss_info *loss, size_t i)
{
	return i > 0 || !loss->element_wise;
}

static bool has_sizes(const struct loss_info *loss, size_t i)
{
	return has_a_shape(loss, i) && !case_broadcasts(&loss->tensors[i]);
}

static bool broadcasts(const struct loss_info *loss, size_t i)
{
	return case_broadcasts(&loss->tensors[i]);
}

static bool is_required(const struct loss_info *loss, size_t i)
{
	return loss->tensors[i].required;
}

static bool has_element_range(const struct loss_info *loss, size_t i)
{
	return loss->tensors[i].range.max > 0;
}

static bool has_indices(const struct loss_info *loss, size_t i)
{
	return loss->tensors[i].kinds & LOSS_KIND_INDEX;
}

static bool has_groups(const struct loss_info *loss, size_t i)
{
	return loss->tensors[i].kinds == LOSS_KIND_GROUP;
}

static bool has_counts(const struct loss_info *loss, size_t i)
{
	return loss->tensors[i].kinds == LOSS_KIND_COUNT;
}

/* There is a number beyond it, which JSON can write. */
static bool has_end(const struct loss_info *loss, size_t i, double end, bool excluded)
{
	const struct loss_argument_info *info = loss->arguments[i];
	bool counts = info->type == LOSS_ARGUMENT_INTEGER || info->type == LOSS_ARGUMENT_NUMBER;
	bool bounded = info->range.min != 0 || info->range.max != 0;
	return counts && bounded && (fabs(end) < DBL_MAX || excluded);
}

static bool has_least(const struct loss_info *loss, size_t i)
{
	const struct loss_range *range = &loss->arguments[i]->range;
	return has_end(loss, i, range->min, range->min_excluded);
}

static bool has_most(const struct loss_info *loss, size_t i)
{
	const struct loss_range *range = &loss->arguments[i]->range;
	return has_end(loss, i, range->max, range->max_excluded);
}

static bool excludes_zero(const struct loss_info *loss, size_t i)
{
	return loss->arguments[i]->range.zero_excluded;
}

static bool is_a_choice(const struct loss_info *loss, size_t i)
{
	return loss->arguments[i]->type == LOSS_ARGUMENT_CHOICE;
}

/* That is what the table does not tell. */
static bool depends_on_the_rest(const struct loss_info *loss, size_t i)
{
	const char *name = loss->arguments[i]->name;
	bool probabilities = false;
	for (size_t k = 0; k < loss->n_tensors; k++)
		probabilities |= is_of_two_kinds(loss, k);
	return strcmp(name, "k") == 0 ||
	       (probabilities && case_has_word("ignore_index gamma", name));
}

static bool needs_something(const struct loss_info *loss, size_t i)
{
	return loss->outputs[i]->needs != LOSS_NEEDS_NOTHING;
}

/* ---------------------------------------------------------------- all ways */

typedef bool applies_fn(const struct loss_info *loss, size_t i);

enum part { TENSORS, ARGUMENTS, OUTPUTS, N_PARTS };

static const struct {
	enum part part;
	const char *what;
	applies_fn *applies;
	spoil_fn *spoil;
} ways[] = {
	{TENSORS, "another dtype", always, spoil_another_dtype},
	{TENSORS, "the other kind's dtype", is_of_two_kinds, spoil_dtype_of_the_other_kind},
	{TENSORS, "another rank", has_a_shape, spoil_another_rank},
	{TENSORS, "another size", has_sizes, spoil_another_size},
	{TENSORS, "broadcast beyond", broadcasts, spoil_broadcast_beyond},
	{TENSORS, "missing", is_required, spoil_missing},
	{TENSORS, "an element out of range", has_element_range, spoil_element_out_of_range},
	{TENSORS, "a class out of bounds", has_indices, spoil_class_out_of_bounds},
	{TENSORS, "a group out of bounds", has_groups, spoil_group_out_of_bounds},
	{TENSORS, "a count below 0", has_counts, spoil_count_below_0},
	{TENSORS, "another name", always, spoil_unknown_tensor},
	{ARGUMENTS, "wrong type", always, spoil_wrong_type},
	{ARGUMENTS, "below its range", has_least, spoil_below_its_range},
	{ARGUMENTS, "above its range", has_most, spoil_above_its_range},
	{ARGUMENTS, "an excluded zero", excludes_zero, spoil_an_excluded_zero},
	{ARGUMENTS, "no choice", is_a_choice, spoil_no_choice},
	{ARGUMENTS, "not beside the rest", depends_on_the_rest, spoil_not_beside_the_rest},
	{ARGUMENTS, "another name", always, spoil_unknown_argument},
	{OUTPUTS, "twice", always, spoil_output_twice},
	{OUTPUTS, "an unmet need", needs_something, spoil_output_of_unmet_need},
	{OUTPUTS, "another name", always, spoil_unknown_output},
};

static size_t n_of(const struct loss_info *loss, enum part part)
{
	const size_t n[N_PARTS] = {loss->n_tensors, loss->n_arguments, loss->n_outputs};
	return n[part];
}

static const char *name_of(const struct loss_info *loss, enum part part, size_t i)
{
	return part == TENSORS     ? loss->tensors[i].name
	       : part == ARGUMENTS ? loss->arguments[i]->name
				   : loss->outputs[i]->name;
}

size_t case_n_ways(const struct loss_info *loss)
{
	size_t n = 0;
	for (size_t w = 0; w < COUNT(ways); w++)
		n += n_of(loss, ways[w].part);
	return n;
}

/* The row of `ways` that a number is of; what remains of it is the tensor, argument or output. */
static size_t row_of(const struct loss_info *loss, size_t *way)
{
	size_t w = 0;
	while (*way >= n_of(loss, ways[w].part))
		*way -= n_of(loss, ways[w++].part);
	return w;
}

bool case_can_be_wrong(const struct loss_info *loss, size_t way)
{
	size_t w = row_of(loss, &way);
	return ways[w].applies(loss, way);
}

void case_describe_way(const struct loss_info *loss, size_t way, char *out, size_t size)
{
	size_t w = row_of(loss, &way);
	snprintf(out, size, "%s of %s: %s", name_of(loss, ways[w].part, way), loss->name,
		 ways[w].what);
}

bool case_make_wrong(struct case_draft *draft, struct loss_problem *problem, size_t way,
		     struct case_wrong *wrong)
{
	struct spoiled spoiled = {draft, problem, loss_problem_info(problem), wrong};
	*wrong = (struct case_wrong){.status = LOSS_OK};
	case_describe_way(spoiled.loss, way, wrong->what, sizeof(wrong->what));
	size_t w = row_of(spoiled.loss, &way);
	return ways[w].applies(spoiled.loss, way) && ways[w].spoil(&spoiled, way);
}

#define MOST_DRAWS_OF_A_WAY 400

static void check_way(const struct loss_info *loss, size_t way, uint64_t number, size_t draws,
		      case_check_fn *check)
{
	size_t n = 0;
	for (uint64_t i = 0; i < MOST_DRAWS_OF_A_WAY && n < draws; i++)
		n += check(loss, way, number + i);
	char what[128];
	case_describe_way(loss, way, what, sizeof(what));
	require(n > 0, "%s: no case is wrong so", what);
}

void case_check_ways(uint64_t seed, size_t draws, case_check_fn *check)
{
	for (size_t i = 0; loss_at(i) != NULL; i++)
		for (size_t way = 0; way < case_n_ways(loss_at(i)); way++)
			if (case_can_be_wrong(loss_at(i), way))
				check_way(loss_at(i), way, seed + 1000 * way, draws, check);
}
