#include "cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "case_draft.h"
#include "tensor.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOT_A_NUMBER ((double)__builtin_nanf(""))

/* ---------------------------------------------------------------- evaluation */

static uint64_t hash_double(uint64_t hash, double value)
{
	const double nan = NOT_A_NUMBER;
	return case_hash_bytes(hash, value == value ? &value : &nan, sizeof(value));
}

/* Machines make NaNs of different signs and payloads. */
static uint64_t hash_tensor(const struct loss_tensor *tensor)
{
	uint64_t hash = CASE_HASH;
	bool is_float = loss_dtype_info(tensor->dtype)->dtype_class == LOSS_CLASS_FLOAT;
	if (!is_float)
		return case_hash_bytes(hash, tensor->data,
				       tensor->count * loss_dtype_info(tensor->dtype)->size);
	for (size_t i = 0; i < tensor->count; i++)
		hash = hash_double(hash, tensor_number(tensor, i));
	return hash;
}

static uint64_t hash_text(const char *text)
{
	uint64_t hash = CASE_HASH;
	for (; *text; text++)
		hash = hash_double(hash, (double)(unsigned char)*text);
	return hash;
}

static void note_result(const struct loss_result *result, struct case_outcome *outcome)
{
	outcome->n_parts = 0;
	for (size_t i = 0; i < result->n_outputs; i++) {
		outcome->names[i] = result->outputs[i].name;
		outcome->hashes[i] = hash_tensor(&result->outputs[i].tensor);
		outcome->n_parts++;
	}
	if (!result->has_totals)
		return;
	uint64_t hash = hash_double(CASE_HASH, result->totals.loss_sum);
	hash = hash_double(hash, result->totals.denominator);
	hash = hash_double(hash, (double)result->totals.rows);
	hash = hash_double(hash, (double)result->totals.counted);
	outcome->names[outcome->n_parts] = "totals";
	outcome->hashes[outcome->n_parts++] = hash_double(hash, (double)result->totals.ignored);
	if (!result->totals.state)
		return;
	outcome->names[outcome->n_parts] = "state";
	outcome->hashes[outcome->n_parts++] = hash_text(result->totals.state);
}

static void describe(const struct case_draft *draft, struct case_outcome *outcome)
{
	char shape[128];
	loss_tensor_format_shape(&draft->input, shape, sizeof(shape));
	snprintf(outcome->what, sizeof(outcome->what), "%s %s %s%s %s", draft->loss->name,
		 loss_dtype_info(draft->input.dtype)->name, shape,
		 draft->class_last ? " class last" : "", draft->distribution);
}

static size_t count_losses(void)
{
	size_t n = 0;
	while (loss_at(n) != NULL)
		n++;
	return n;
}

/* Evaluates a draft that has a loss and a seed, with those outputs. */
static loss_status evaluate(struct case_draft *draft, const char *isa, bool *asked,
			    struct case_outcome *outcome, struct loss_error *error)
{
	struct loss_result result;
	draft->arena = loss_arena_create(NULL);
	struct loss_problem *problem = case_problem(draft, isa, asked);
	describe(draft, outcome);
	loss_status status = loss_evaluate(problem, draft->arena, 1, NULL, &result, error);
	if (status == LOSS_OK)
		note_result(&result, outcome);
	loss_arena_destroy(draft->arena);
	return status;
}

static void note_error(struct case_outcome *outcome, const struct loss_error *error)
{
	size_t n = strlen(outcome->what);
	if (outcome->status != LOSS_OK)
		snprintf(outcome->what + n, sizeof(outcome->what) - n, ": %s", error->detail);
}

void case_evaluate(uint64_t number, const char *isa, struct case_outcome *outcome)
{
	bool asked[LOSS_MAX_OUTPUTS];
	struct loss_error error;
	size_t n = number % (count_losses() + 3);
	const struct loss_info *loss = loss_at(n < count_losses() ? n : 0);
	for (size_t i = 0; i < COUNT(asked); i++)
		asked[i] = true;
	struct case_draft draft = {.loss = loss, .seed = number * 0x9e3779b97f4a7c15u};
	*outcome = (struct case_outcome){.n_parts = 0};
	outcome->status = evaluate(&draft, isa, asked, outcome, &error);
	note_error(outcome, &error);
}

void case_evaluate_golden(const struct case_golden *golden, uint64_t number, const char *isa,
			  struct case_outcome *outcome)
{
	const struct case_family *family = golden->family;
	bool asked[LOSS_MAX_OUTPUTS];
	struct loss_error error;
	struct case_draft draft = {
		.loss = loss_find(family->loss, strlen(family->loss)),
		.family = family,
		.seed = case_hash_text(number * 0x9e3779b97f4a7c15u, family->name)};
	draft.seed = case_hash_text(draft.seed, family->loss);
	draft.seed = case_hash_text(draft.seed, loss_dtype_info(golden->dtype)->name);
	draft.input.dtype = golden->dtype;
	for (size_t i = 0; i < draft.loss->n_outputs; i++)
		asked[i] = case_has_word(family->outputs, draft.loss->outputs[i]->name);
	*outcome = (struct case_outcome){.n_parts = 0};
	outcome->status = evaluate(&draft, isa, asked, outcome, &error);
	note_error(outcome, &error);
}

/* ---------------------------------------------------------------- what no family has */

/* Whether a family of the loss has that word among what it is evaluated with, or its outputs. */
static bool is_covered(const struct loss_info *loss, const char *word)
{
	for (size_t i = 0; i < case_n_families; i++)
		if (strcmp(case_families[i].loss, loss->name) == 0 &&
		    (case_has_word(case_families[i].with, word) ||
		     case_has_word(case_families[i].outputs, word)))
			return true;
	return false;
}

/* Those that every family varies, and the old names of one. */
static bool is_in_every_family(const char *argument)
{
	return case_has_word("class_axis reduction size_average reduce", argument);
}

const char *case_uncovered(const struct loss_info *loss)
{
	for (size_t i = 0; i < loss->n_tensors; i++)
		if (!loss->tensors[i].required && !is_covered(loss, loss->tensors[i].name))
			return loss->tensors[i].name;
	for (size_t i = 0; i < loss->n_arguments; i++)
		if (!is_in_every_family(loss->arguments[i]->name) &&
		    !is_covered(loss, loss->arguments[i]->name))
			return loss->arguments[i]->name;
	for (size_t i = 0; i < loss->n_outputs; i++)
		if (!is_covered(loss, loss->outputs[i]->name))
			return loss->outputs[i]->name;
	return NULL;
}
