#include "cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "rows.h"
#include "tensor.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOT_A_NUMBER ((double)__builtin_nanf(""))

struct draft {
	struct random random;
	struct loss_arena *arena;
	const struct loss_info *loss;
	bool by_class, class_last;
	bool scalar; /* the loss is one number */
	struct loss_tensor input, rows;
	size_t classes;
	const char *distribution;
	struct loss_tensor tensors[LOSS_N_ROLES]; /* by index into loss->tensors */
	bool present[LOSS_N_ROLES];
};

/* ---------------------------------------------------------------- tensors */

static bool give_memory(struct draft *draft, struct loss_tensor *tensor)
{
	size_t size = loss_dtype_info(tensor->dtype)->size;
	tensor->data = loss_tensor_set_count(tensor)
			       ? loss_arena_alloc(draft->arena, tensor->count, size)
			       : NULL;
	if (tensor->data == NULL)
		abort(); /* a test without memory is no test */
	return tensor->count > 0;
}

static loss_dtype any_dtype(struct random *random, unsigned mask)
{
	loss_dtype dtype;
	do
		dtype = (loss_dtype)random_below(random, LOSS_N_DTYPES);
	while (!(LOSS_DTYPE_BIT(dtype) & mask));
	return dtype;
}

static void store(const struct loss_tensor *tensor, size_t i, double value)
{
	if (tensor->dtype == LOSS_BOOL)
		((unsigned char *)tensor->data)[i] = value > 0.5;
	else
		tensor_put(tensor, i, value);
}

static void store_integer(const struct loss_tensor *tensor, size_t i, int64_t value)
{
	size_t size = loss_dtype_info(tensor->dtype)->size;
	unsigned char *to = (unsigned char *)tensor->data + i * size;
	for (size_t k = 0; k < size; k++)
		to[k] = (unsigned char)((uint64_t)value >> 8 * k);
}

static void fill_uniform(struct draft *draft, const struct loss_tensor *tensor, double low,
			 double high)
{
	for (size_t i = 0; i < tensor->count; i++) {
		double value = random_uniform(&draft->random, low, high);
		if (random_chance(&draft->random, 0.1))
			value = random_chance(&draft->random, 0.5) ? low : high;
		if (random_chance(&draft->random, 0.05))
			value = 0;
		store(tensor, i, value);
	}
}

/* Where class c of a row stands in the input. */
static size_t place(const struct draft *draft, size_t row, size_t c)
{
	if (draft->class_last || draft->input.rank < 3)
		return row * draft->classes + c;
	size_t inner = 1;
	for (int i = 2; i < draft->input.rank; i++)
		inner *= draft->input.shape[i];
	return (row / inner * draft->classes + c) * inner + row % inner;
}

static void fill_logits(struct draft *draft, const struct loss_tensor *tensor)
{
	size_t kind = rows_any(&draft->random);
	size_t rows = draft->by_class ? draft->rows.count : 1;
	size_t n = tensor->count / rows;
	double *x = loss_arena_array(draft->arena, double, n);
	if (x == NULL)
		abort();
	draft->distribution = rows_name(kind);
	for (size_t r = 0; r < rows; r++) {
		rows_fill(kind, &draft->random, tensor->dtype, x, n);
		for (size_t c = 0; c < n; c++)
			store(tensor, draft->by_class ? place(draft, r, c) : c, x[c]);
	}
}

/* Sizes that are just below, at and just above those of vectors, tiles, chunks and blocks. */
static size_t any_class_count(struct random *random)
{
	static const size_t counts[] = {1,   2,   3,   4,   5,   7,    8,    9,    15,   16,
					17,  21,  31,  32,  33,  63,   64,   65,   100,  127,
					128, 129, 191, 257, 300, 1000, 2047, 2048, 2049, 4200};
	return counts[random_below(random, COUNT(counts) - (random_chance(random, 0.8) ? 5 : 0))];
}

#define LARGEST 12000 /* elements of a problem */

static void draw_shape(struct draft *draft)
{
	struct random *random = &draft->random;
	struct loss_tensor *input = &draft->input, *rows = &draft->rows;
	draft->classes = any_class_count(random);
	draft->class_last = draft->by_class && random_chance(random, 0.3);
	input->rank = 1 + (int)random_below(random, 4);
	size_t room = LARGEST / draft->classes;
	int axis = draft->class_last ? input->rank - 1 : input->rank > 1;
	for (int i = 0; i < input->rank; i++) {
		size_t size = 1 + random_below(random, random_chance(random, 0.5) ? 4 : 40);
		size = size < room ? size : room > 0 ? room : 1;
		input->shape[i] = i == axis ? draft->classes : size;
		room /= i == axis ? 1 : size;
		if (i != axis)
			rows->shape[rows->rank++] = size;
	}
	loss_tensor_set_count(rows);
}

/* ---------------------------------------------------------------- what a loss takes */

static void draw_input(struct draft *draft, const struct loss_tensor_info *info)
{
	struct loss_tensor *input = &draft->input;
	input->dtype = random_chance(&draft->random, 0.5) ? LOSS_F32
							  : any_dtype(&draft->random, info->dtypes);
	give_memory(draft, input);
	if (strcmp(draft->loss->name, "binary_cross_entropy") == 0) {
		draft->distribution = "probabilities";
		fill_uniform(draft, input, 0, 1);
	} else {
		fill_logits(draft, input);
	}
}

/* Classes, some of them -100, which an unsigned type does not hold. */
static void draw_indices(struct draft *draft, struct loss_tensor *targets)
{
	size_t size = loss_dtype_info(targets->dtype)->size;
	size_t classes = draft->classes;
	if (size == 1 && classes > 100)
		targets->dtype = LOSS_I32;
	*targets = (struct loss_tensor){.dtype = targets->dtype, .rank = draft->rows.rank};
	memcpy(targets->shape, draft->rows.shape, sizeof(targets->shape));
	give_memory(draft, targets);
	bool is_signed = loss_dtype_info(targets->dtype)->class == LOSS_CLASS_SIGNED;
	for (size_t r = 0; r < targets->count; r++) {
		bool ignored = is_signed && random_chance(&draft->random, 0.1);
		int64_t y = (int64_t)random_below(&draft->random, classes);
		store_integer(targets, r, ignored ? -100 : y);
	}
}

static void draw_targets(struct draft *draft, const struct loss_tensor_info *info,
			 struct loss_tensor *targets)
{
	unsigned integers = draft->by_class ? info->dtypes & LOSS_INTEGER_DTYPES : 0;
	unsigned floats = info->dtypes & ~LOSS_INTEGER_DTYPES;
	if (integers && (!floats || random_chance(&draft->random, 0.7))) {
		targets->dtype = any_dtype(&draft->random, integers);
		draw_indices(draft, targets);
		return;
	}
	*targets = draft->input;
	targets->dtype = any_dtype(&draft->random, floats);
	give_memory(draft, targets);
	fill_uniform(draft, targets, 0, draft->by_class ? 2.0 / (double)draft->classes : 1);
}

/* A factor a class, or one that broadcasts. */
static void draw_factors(struct draft *draft, const struct loss_tensor_info *info,
			 struct loss_tensor *tensor)
{
	const struct loss_tensor *input = &draft->input;
	*tensor = (struct loss_tensor){.dtype = any_dtype(&draft->random, info->dtypes), .rank = 1};
	tensor->shape[0] = draft->by_class ? draft->classes : input->shape[input->rank - 1];
	give_memory(draft, tensor);
	fill_uniform(draft, tensor, random_chance(&draft->random, 0.2) ? -1 : 0, 2);
}

static void draw_grad_output(struct draft *draft, const struct loss_tensor_info *info,
			     struct loss_tensor *tensor)
{
	bool has_loss = strcmp(draft->loss->outputs[0]->name, "loss") == 0;
	bool per_row = draft->by_class && has_loss;
	*tensor = per_row ? draft->rows : draft->input;
	if (draft->scalar && has_loss)
		*tensor = (struct loss_tensor){.rank = 0};
	tensor->dtype = any_dtype(&draft->random, info->dtypes);
	give_memory(draft, tensor);
	fill_uniform(draft, tensor, -1, 1);
}

static void draw_tensor(struct draft *draft, size_t i)
{
	const struct loss_tensor_info *info = &draft->loss->tensors[i];
	struct loss_tensor *tensor = &draft->tensors[i];
	if (!info->required && random_chance(&draft->random, 0.5))
		return;
	draft->present[i] = true;
	switch (info->role) {
	case LOSS_ROLE_INPUT:
		draw_input(draft, info);
		*tensor = draft->input;
		break;
	case LOSS_ROLE_TARGETS:
		draw_targets(draft, info, tensor);
		break;
	case LOSS_ROLE_GRAD_OUTPUT:
		draw_grad_output(draft, info, tensor);
		break;
	default:
		draw_factors(draft, info, tensor);
	}
}

/* ---------------------------------------------------------------- arguments */

static bool argument_is(const struct loss_argument_info *argument, const char *name)
{
	return strcmp(argument->name, name) == 0;
}

static void set_value(struct draft *draft, struct loss_problem *problem, size_t i,
		      struct loss_value value)
{
	const struct loss_argument_info *argument = draft->loss->arguments[i];
	struct loss_error error;
	if (loss_problem_set_argument(problem, i, &value, &error) != LOSS_OK) {
		fprintf(stderr, "%s.%s: %s\n", draft->loss->name, argument->name, error.detail);
		abort();
	}
}

static struct loss_value number_value(double number)
{
	return (struct loss_value){
		.type = LOSS_VALUE_NUMBER, .number = number, .text = "(a number)"};
}

/* Inside the range, and inside of what one would use. */
static double any_number(struct random *random, const struct loss_argument_info *argument)
{
	double low = argument->min > -1 ? argument->min : -1;
	double high = argument->max < low + 4 ? argument->max : low + 4;
	double value = random_uniform(random, low, high);
	if (random_chance(random, 0.2))
		value = high;
	if (random_chance(random, 0.2) && !argument->min_excluded)
		value = low;
	return argument_is(argument, "denominator") ? 100 * value : value;
}

/* Any legal value; those of class_axis and shift follow from the shape. */
static void set_argument(struct draft *draft, struct loss_problem *problem, size_t i)
{
	const struct loss_argument_info *argument = draft->loss->arguments[i];
	struct random *random = &draft->random;
	bool legacy = argument_is(argument, "size_average") || argument_is(argument, "reduce");
	bool shift = argument_is(argument, "shift");
	if (argument_is(argument, "class_axis")) {
		double axis = draft->class_last ? -1 : 1;
		set_value(draft, problem, i,
			  (struct loss_value){.type = LOSS_VALUE_INTEGER,
					      .integer = (int64_t)axis,
					      .number = axis,
					      .text = "(an axis)"});
	} else if (argument->type == LOSS_ARGUMENT_BOOLEAN) {
		bool may = !legacy && (!shift || (draft->class_last && draft->input.rank == 3));
		if (may && random_chance(random, 0.3))
			set_value(draft, problem, i,
				  (struct loss_value){.type = LOSS_VALUE_BOOLEAN,
						      .boolean = true,
						      .text = "true"});
	} else if (argument->type == LOSS_ARGUMENT_NUMBER && random_chance(random, 0.25)) {
		set_value(draft, problem, i, number_value(any_number(random, argument)));
	} else if (argument->type == LOSS_ARGUMENT_CHOICE && !argument_is(argument, "reduction") &&
		   random_chance(random, 0.25)) {
		size_t n = 0;
		while (argument->choices[n] != NULL)
			n++;
		set_value(draft, problem, i,
			  (struct loss_value){.type = LOSS_VALUE_STRING,
					      .text = argument->choices[random_below(random, n)]});
	}
}

/* Before the tensors: the shape of grad_output follows from it. */
static void set_reduction(struct draft *draft, struct loss_problem *problem)
{
	static const char *const reductions[] = {"none", "mean", "sum"};
	int i = loss_find_argument(draft->loss, "reduction", 9);
	if (i < 0)
		return;
	const char *text = reductions[random_below(&draft->random, 3)];
	draft->scalar = strcmp(text, "none") != 0;
	set_value(draft, problem, (size_t)i,
		  (struct loss_value){.type = LOSS_VALUE_STRING, .text = text});
}

/* ---------------------------------------------------------------- evaluation */

static struct loss_problem *make_problem(struct draft *draft, const char *isa, bool *asked)
{
	const struct loss_info *loss = draft->loss;
	struct loss_problem *problem = loss_problem_create(loss, draft->arena);
	const char *names[LOSS_MAX_OUTPUTS];
	size_t n = 0;
	if (problem == NULL)
		abort();
	loss_problem_set_isa(problem, isa);
	set_reduction(draft, problem);
	for (size_t i = 0; i < loss->n_tensors; i++) {
		draw_tensor(draft, i);
		if (draft->present[i])
			loss_problem_set_tensor(problem, i, &draft->tensors[i], NULL);
	}
	for (size_t i = 0; i < loss->n_arguments; i++)
		set_argument(draft, problem, i);
	for (size_t i = 0; i < loss->n_outputs; i++)
		if (asked[i])
			names[n++] = loss->outputs[i]->name;
	loss_problem_set_outputs(problem, names, n, NULL);
	return problem;
}

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t n)
{
	const unsigned char *at = bytes;
	for (size_t i = 0; i < n; i++)
		hash = (hash ^ at[i]) * 0x100000001b3u;
	return hash;
}

static uint64_t hash_double(uint64_t hash, double value)
{
	const double nan = NOT_A_NUMBER;
	return hash_bytes(hash, value == value ? &value : &nan, sizeof(value));
}

/* Machines make NaNs of different signs and payloads. */
static uint64_t hash_tensor(const struct loss_tensor *tensor)
{
	uint64_t hash = 0xcbf29ce484222325u;
	bool is_float = loss_dtype_info(tensor->dtype)->class == LOSS_CLASS_FLOAT;
	if (!is_float)
		return hash_bytes(hash, tensor->data,
				  tensor->count * loss_dtype_info(tensor->dtype)->size);
	for (size_t i = 0; i < tensor->count; i++)
		hash = hash_double(hash, tensor_number(tensor, i));
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
	uint64_t hash = hash_double(0xcbf29ce484222325u, result->totals.loss_sum);
	hash = hash_double(hash, result->totals.denominator);
	hash = hash_double(hash, (double)result->totals.rows);
	hash = hash_double(hash, (double)result->totals.counted);
	outcome->names[outcome->n_parts] = "totals";
	outcome->hashes[outcome->n_parts++] = hash_double(hash, (double)result->totals.ignored);
}

/* Takes out the output that the error is about; false where it is about none. */
static bool drop_output(const struct loss_info *loss, bool *asked, const struct loss_error *error)
{
	bool no_upstream = strcmp(error->field, "grad_output") == 0; /* so there is no grad */
	size_t left = error->flat_index;
	for (size_t i = 0; i < loss->n_outputs; i++) {
		bool named = strcmp(error->field, "outputs") == 0 && asked[i] && left-- == 0;
		if (named ||
		    (no_upstream && asked[i] && strcmp(loss->outputs[i]->name, "grad") == 0)) {
			asked[i] = false;
			return true;
		}
	}
	return false;
}

static void describe(const struct draft *draft, struct case_outcome *outcome)
{
	char shape[128];
	loss_tensor_format_shape(&draft->input, shape, sizeof(shape));
	snprintf(outcome->what, sizeof(outcome->what), "%s %s %s%s %s", draft->loss->name,
		 loss_dtype_info(draft->input.dtype)->name, shape,
		 draft->class_last ? " class last" : "", draft->distribution);
}

/* The problem with those outputs; what the error is about where it fails. */
static loss_status evaluate(uint64_t number, const char *isa, bool *asked,
			    struct case_outcome *outcome, struct loss_error *error)
{
	struct draft draft = {.random = {.state = number * 0x9e3779b97f4a7c15u, .seed = number},
			      .arena = loss_arena_create(NULL)};
	struct loss_result result;
	size_t n_losses = 0;
	while (loss_at(n_losses) != NULL)
		n_losses++;
	draft.loss = loss_at(number % (n_losses + 3) < n_losses ? number % (n_losses + 3) : 0);
	draft.by_class = loss_find_argument(draft.loss, "class_axis", 10) >= 0;
	draw_shape(&draft);
	struct loss_problem *problem = make_problem(&draft, isa, asked);
	describe(&draft, outcome);
	loss_status status = loss_evaluate(problem, draft.arena, 1, NULL, &result, error);
	if (status == LOSS_OK)
		note_result(&result, outcome);
	loss_arena_destroy(draft.arena);
	return status;
}

void case_evaluate(uint64_t number, const char *isa, struct case_outcome *outcome)
{
	bool asked[64];
	struct loss_error error;
	for (size_t i = 0; i < COUNT(asked); i++)
		asked[i] = true;
	/* Outputs that do not go with these tensors and arguments are taken out, one by one. */
	const struct loss_info *loss;
	do {
		*outcome = (struct case_outcome){.n_parts = 0};
		outcome->status = evaluate(number, isa, asked, outcome, &error);
		loss = loss_find(outcome->what, strcspn(outcome->what, " "));
	} while (outcome->status != LOSS_OK && drop_output(loss, asked, &error));
	if (outcome->status != LOSS_OK) {
		size_t n = strlen(outcome->what);
		snprintf(outcome->what + n, sizeof(outcome->what) - n, ": %s", error.detail);
	}
}
