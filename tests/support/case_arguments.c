/* The arguments of a draft: legal ones, at and inside the ends of their ranges. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "case_draft.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool argument_is(const struct loss_argument_info *argument, const char *name)
{
	return strcmp(argument->name, name) == 0;
}

static void set_value(struct case_draft *draft, struct loss_problem *problem, size_t i,
		      struct loss_value value)
{
	const struct loss_argument_info *argument = draft->loss->arguments[i];
	struct loss_error error;
	if (loss_problem_set_argument(problem, i, &value, &error) != LOSS_OK) {
		fprintf(stderr, "%s.%s: %s\n", draft->loss->name, argument->name, error.detail);
		abort();
	}
}

/* With its text, as a wire writes it. */
static struct loss_value number_value(struct case_draft *draft, double number)
{
	snprintf(draft->text, sizeof(draft->text), "%.17g", number);
	return (struct loss_value){
		.type = LOSS_VALUE_NUMBER, .number = number, .text = draft->text};
}

/* The ends of the range. Of what is multiplied and divided by, those whose products, quotients and
 * inverses are doubles: below 2^-1024 an inverse is infinite, and times 0 NaN. */
static double end_of(const struct loss_argument_info *argument, bool least)
{
	const struct loss_range *range = &argument->range;
	if (case_has_word("logit_scale softcap temperature", argument->name))
		return least ? 0x1p-500 : 0x1p500;
	if (least && argument_is(argument, "denominator"))
		return 0x1p-500;
	if (!least)
		return range->max_excluded ? nextafter(range->max, -HUGE_VAL) : range->max;
	return range->min_excluded ? nextafter(range->min, HUGE_VAL) : range->min;
}

/* Inside the range, mostly inside of what one would use. */
static double any_number(struct case_draft *draft, const struct loss_argument_info *argument)
{
	struct random *random = &draft->random;
	double low = argument->range.min > -1 ? argument->range.min : -1;
	double high = argument->range.max < low + 4 ? argument->range.max : low + 4;
	double value = random_uniform(random, low, high);
	if (random_chance(random, 0.2) && !argument->range.max_excluded)
		value = high;
	if (random_chance(random, 0.2) && !argument->range.min_excluded)
		value = low;
	if (case_odd_chance(draft, 0.1))
		return end_of(argument, random_chance(random, 0.5));
	return argument_is(argument, "denominator") ? 100 * value : value;
}

static struct loss_value integer_value(struct case_draft *draft, int64_t integer)
{
	snprintf(draft->text, sizeof(draft->text), "%lld", (long long)integer);
	return (struct loss_value){.type = LOSS_VALUE_INTEGER,
				   .integer = integer,
				   .number = (double)integer,
				   .text = draft->text};
}

/* From the least on, no more of them than there are classes; or the largest. */
static struct loss_value any_integer(struct case_draft *draft,
				     const struct loss_argument_info *argument)
{
	const struct loss_range *range = &argument->range;
	if (argument_is(argument, "ignore_index"))
		return integer_value(draft, draft->ignore_index);
	if (argument_is(argument, "n_groups"))
		return integer_value(draft, (int64_t)draft->n_groups);
	if (case_odd_chance(draft, 0.1) && range->max < 1e6)
		return integer_value(draft, (int64_t)range->max);
	int64_t value = (int64_t)range->min + (int64_t)random_below(&draft->random, draft->classes);
	return integer_value(draft, (double)value < range->max ? value : (int64_t)range->max);
}

static struct loss_value any_choice(struct random *random,
				    const struct loss_argument_info *argument)
{
	size_t n = 0;
	while (argument->choices[n] != NULL)
		n++;
	return (struct loss_value){.type = LOSS_VALUE_STRING,
				   .text = argument->choices[random_below(random, n)]};
}

/* What was not sampled has one objective. */
static struct loss_value any_objective(struct case_draft *draft,
				       const struct loss_argument_info *argument)
{
	struct loss_value value = any_choice(&draft->random, argument);
	if (!case_has_tensor(draft, "sampling_log_probs"))
		value.text = "reinforce";
	draft->clips = case_has_word("ppo cispo", value.text);
	return value;
}

static struct loss_value boolean_value(bool value)
{
	return (struct loss_value){
		.type = LOSS_VALUE_BOOLEAN, .boolean = value, .text = value ? "true" : "false"};
}

/* Mostly what is not the default. */
static struct loss_value any_boolean(struct case_draft *draft,
				     const struct loss_argument_info *argument)
{
	bool odd = case_odd_chance(draft, 0.3);
	return boolean_value(strcmp(argument->default_json, "true") == 0 ? odd : !odd);
}

static struct loss_value any_value(struct case_draft *draft,
				   const struct loss_argument_info *argument)
{
	switch (argument->type) {
	case LOSS_ARGUMENT_NUMBER:
		return number_value(draft, any_number(draft, argument));
	case LOSS_ARGUMENT_INTEGER:
		return any_integer(draft, argument);
	case LOSS_ARGUMENT_CHOICE:
		return argument_is(argument, "objective") ? any_objective(draft, argument)
							  : any_choice(&draft->random, argument);
	default:
		return any_boolean(draft, argument);
	}
}

/* Whether an argument may be given beside what has been drawn. Those of the reduction are drawn
 * before. */
static bool may_have(const struct case_draft *draft, const struct loss_argument_info *argument)
{
	if (argument_is(argument, "shift"))
		return draft->class_last && draft->input.rank == 3;
	if (argument_is(argument, "ignore_index"))
		return !draft->probabilities || draft->ignore_index < 0;
	if (argument_is(argument, "gamma") && draft->by_class)
		return !draft->probabilities && !draft->smoothed;
	if (argument_is(argument, "n_groups"))
		return draft->has_n_groups;
	if (argument_is(argument, "kl_weight"))
		return case_has_tensor(draft, "reference_log_probs");
	if (argument_is(argument, "hard_weight"))
		return draft->has_targets;
	return !case_has_word("size_average reduce reduction", argument->name);
}

/* How often, where there is no family to say it. Targets have an ignore_index that is not the
 * default. */
static double chance_of(const struct case_draft *draft, const struct loss_argument_info *argument)
{
	if (argument_is(argument, "ignore_index") && draft->ignore_index != -100)
		return 1;
	if (argument_is(argument, "n_groups"))
		return 1; /* that is settled */
	if (argument_is(argument, "objective"))
		return case_has_tensor(draft, "sampling_log_probs") ? 0.7 : 1;
	return 0.25;
}

void case_set_argument(struct case_draft *draft, struct loss_problem *problem, size_t i)
{
	const struct loss_argument_info *argument = draft->loss->arguments[i];
	case_start_field(draft, argument->name);
	if (argument_is(argument, "class_axis")) {
		set_value(draft, problem, i, integer_value(draft, draft->class_last ? -1 : 1));
	} else if (may_have(draft, argument) &&
		   case_has_field(draft, argument->name, chance_of(draft, argument))) {
		struct loss_value value = any_value(draft, argument);
		draft->smoothed |= argument_is(argument, "label_smoothing") && value.number > 0;
		set_value(draft, problem, i, value);
	}
}

/* PyTorch's legacy arguments, one or both, which decide. */
static void set_legacy(struct case_draft *draft, struct loss_problem *problem)
{
	int reduce = loss_find_argument(draft->loss, "reduce", 6);
	int average = loss_find_argument(draft->loss, "size_average", 12);
	if (reduce < 0 || average < 0 || !case_odd_chance(draft, 0.15))
		return;
	bool reduces = !case_odd_chance(draft, 0.4);
	set_value(draft, problem, (size_t)reduce, boolean_value(reduces));
	if (case_odd_chance(draft, 0.5))
		set_value(draft, problem, (size_t)average,
			  boolean_value(case_odd_chance(draft, 0.5)));
	draft->scalar = reduces;
}

void case_set_reduction(struct case_draft *draft, struct loss_problem *problem)
{
	static const char *const reductions[] = {"none", "mean", "sum", "batchmean"};
	int i = loss_find_argument(draft->loss, "reduction", 9);
	case_start_field(draft, "reduction");
	if (i < 0)
		return;
	size_t n = draft->family != NULL && case_has_word(draft->family->with, "batchmean") ? 4 : 3;
	struct loss_value value = {.type = LOSS_VALUE_STRING,
				   .text = reductions[random_below(&draft->random, n)]};
	if (draft->family != NULL && case_has_word(draft->family->with, "sequence_mean"))
		value.text = "sequence_mean";
	if (case_odd_chance(draft, 0.3) && draft->input.rank > 0) /* batchmean has a first axis */
		value = any_choice(&draft->random, draft->loss->arguments[i]);
	if (strcmp(value.text, "sequence_mean") == 0 && draft->rows.rank < 2)
		value.text = "mean";
	draft->scalar = strcmp(value.text, "none") != 0;
	set_value(draft, problem, (size_t)i, value);
	set_legacy(draft, problem);
}
