#include "case_draft.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rows.h"
#include "tensor.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

uint64_t case_hash_bytes(uint64_t hash, const void *bytes, size_t n)
{
	const unsigned char *at = bytes;
	for (size_t i = 0; i < n; i++)
		hash = (hash ^ at[i]) * 0x100000001b3u;
	return hash;
}

uint64_t case_hash_text(uint64_t hash, const char *text)
{
	return case_hash_bytes(hash, text, strlen(text));
}

static void start_field(struct case_draft *draft, const char *name)
{
	draft->random =
		(struct random){.state = case_hash_text(draft->seed, name), .seed = draft->seed};
}

/* Whether a list, words with a space between them, has the word. */
bool case_has_word(const char *list, const char *word)
{
	size_t n = strlen(word);
	for (const char *at = list; (at = strstr(at, word)) != NULL; at += n)
		if ((at == list || at[-1] == ' ') && (at[n] == '\0' || at[n] == ' '))
			return true;
	return false;
}

/* Whether the problem has what it need not have. */
static bool has_field(struct case_draft *draft, const char *name, double chance)
{
	return draft->family != NULL ? case_has_word(draft->family->with, name)
				     : random_chance(&draft->random, chance);
}

/* ---------------------------------------------------------------- tensors */

static bool give_memory(struct case_draft *draft, struct loss_tensor *tensor)
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

static void fill_uniform(struct case_draft *draft, const struct loss_tensor *tensor, double low,
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
static size_t place(const struct case_draft *draft, size_t row, size_t c)
{
	if (draft->class_last || draft->input.rank < 3)
		return row * draft->classes + c;
	size_t inner = 1;
	for (int i = 2; i < draft->input.rank; i++)
		inner *= draft->input.shape[i];
	return (row / inner * draft->classes + c) * inner + row % inner;
}

static void fill_logits(struct case_draft *draft, const struct loss_tensor *tensor)
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

#define LARGEST 12000       /* elements of a problem */
#define LARGEST_GOLDEN 2000 /* of a family, where portable kernels are run by emulators */

static void draw_shape(struct case_draft *draft)
{
	struct random *random = &draft->random;
	struct loss_tensor *input = &draft->input, *rows = &draft->rows;
	bool shift = draft->family != NULL && case_has_word(draft->family->with, "shift");
	start_field(draft, "shape");
	draft->classes = any_class_count(random);
	if (draft->family != NULL && draft->family->classes > 0)
		draft->classes = draft->family->classes;
	draft->class_last = shift || (draft->by_class && random_chance(random, 0.3));
	input->rank = shift ? 3 : 1 + (int)random_below(random, 4);
	size_t room = (draft->family != NULL ? LARGEST_GOLDEN : LARGEST) / draft->classes;
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

static void draw_input(struct case_draft *draft, const struct loss_tensor_info *info)
{
	struct loss_tensor *input = &draft->input;
	if (draft->family == NULL)
		input->dtype = random_chance(&draft->random, 0.5)
				       ? LOSS_F32
				       : any_dtype(&draft->random, info->dtypes);
	give_memory(draft, input);
	if (strcmp(draft->loss->name, "binary_cross_entropy") == 0) {
		draft->distribution = "probabilities";
		fill_uniform(draft, input, 0, 1);
	} else {
		fill_logits(draft, input);
	}
}

/* Classes, some of them ignored, often by -100, which an unsigned type does not hold. */
static void draw_indices(struct case_draft *draft, struct loss_tensor *targets)
{
	size_t size = loss_dtype_info(targets->dtype)->size;
	size_t classes = draft->classes;
	if ((size == 1 && classes > 100) || (size == 2 && classes > 30000))
		targets->dtype = LOSS_I32;
	*targets = (struct loss_tensor){.dtype = targets->dtype, .rank = draft->rows.rank};
	memcpy(targets->shape, draft->rows.shape, sizeof(targets->shape));
	give_memory(draft, targets);
	bool is_signed = loss_dtype_info(targets->dtype)->dtype_class == LOSS_CLASS_SIGNED;
	for (size_t r = 0; r < targets->count; r++) {
		bool ignored = is_signed && random_chance(&draft->random, 0.1);
		int64_t y = (int64_t)random_below(&draft->random, classes);
		store_integer(targets, r, ignored ? draft->ignore_index : y);
	}
}

static void draw_targets(struct case_draft *draft, const struct loss_tensor_info *info,
			 struct loss_tensor *targets)
{
	unsigned integers = draft->by_class ? info->dtypes & LOSS_INTEGER_DTYPES : 0;
	unsigned floats = info->dtypes & ~LOSS_INTEGER_DTYPES;
	if (integers && (!floats || !has_field(draft, "probabilities", 0.3))) {
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
static void draw_factors(struct case_draft *draft, const struct loss_tensor_info *info,
			 struct loss_tensor *tensor)
{
	const struct loss_tensor *input = &draft->input;
	*tensor = (struct loss_tensor){.dtype = any_dtype(&draft->random, info->dtypes), .rank = 1};
	tensor->shape[0] = draft->by_class ? draft->classes : input->shape[input->rank - 1];
	give_memory(draft, tensor);
	fill_uniform(draft, tensor, random_chance(&draft->random, 0.2) ? -1 : 0, 2);
}

static void draw_grad_output(struct case_draft *draft, const struct loss_tensor_info *info,
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

static void draw_tensor(struct case_draft *draft, size_t i)
{
	const struct loss_tensor_info *info = &draft->loss->tensors[i];
	struct loss_tensor *tensor = &draft->tensors[i];
	start_field(draft, info->name);
	if (!info->required && !has_field(draft, info->name, 0.5))
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

static struct loss_value number_value(double number)
{
	return (struct loss_value){
		.type = LOSS_VALUE_NUMBER, .number = number, .text = "(a number)"};
}

/* Inside the range, and inside of what one would use. */
static double any_number(struct random *random, const struct loss_argument_info *argument)
{
	double low = argument->range.min > -1 ? argument->range.min : -1;
	double high = argument->range.max < low + 4 ? argument->range.max : low + 4;
	double value = random_uniform(random, low, high);
	if (random_chance(random, 0.2))
		value = high;
	if (random_chance(random, 0.2) && !argument->range.min_excluded)
		value = low;
	return argument_is(argument, "denominator") ? 100 * value : value;
}

static struct loss_value integer_value(int64_t integer)
{
	return (struct loss_value){.type = LOSS_VALUE_INTEGER,
				   .integer = integer,
				   .number = (double)integer,
				   .text = "(an integer)"};
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

/* Whether an argument that is no integer may be given: shift needs its layout. */
static bool may_have(const struct case_draft *draft, const struct loss_argument_info *argument)
{
	if (argument_is(argument, "shift"))
		return draft->class_last && draft->input.rank == 3;
	return !argument_is(argument, "size_average") && !argument_is(argument, "reduce") &&
	       !argument_is(argument, "reduction");
}

/* Any legal value; that of class_axis follows from the shape. */
static void set_argument(struct case_draft *draft, struct loss_problem *problem, size_t i)
{
	const struct loss_argument_info *argument = draft->loss->arguments[i];
	struct random *random = &draft->random;
	start_field(draft, argument->name);
	if (argument_is(argument, "class_axis")) {
		set_value(draft, problem, i, integer_value(draft->class_last ? -1 : 1));
	} else if (argument->type == LOSS_ARGUMENT_INTEGER) {
		if (has_field(draft, argument->name, 0))
			set_value(draft, problem, i, integer_value(draft->ignore_index));
	} else if (may_have(draft, argument) && has_field(draft, argument->name, 0.25)) {
		struct loss_value value = {
			.type = LOSS_VALUE_BOOLEAN, .boolean = true, .text = "true"};
		if (argument->type == LOSS_ARGUMENT_NUMBER)
			value = number_value(any_number(random, argument));
		else if (argument->type == LOSS_ARGUMENT_CHOICE)
			value = any_choice(random, argument);
		set_value(draft, problem, i, value);
	}
}

/* Before the tensors: the shape of grad_output follows from it. */
static void set_reduction(struct case_draft *draft, struct loss_problem *problem)
{
	static const char *const reductions[] = {"none", "mean", "sum", "batchmean"};
	int i = loss_find_argument(draft->loss, "reduction", 9);
	start_field(draft, "reduction");
	if (i < 0)
		return;
	size_t n = draft->family != NULL && case_has_word(draft->family->with, "batchmean") ? 4 : 3;
	const char *text = reductions[random_below(&draft->random, n)];
	draft->scalar = strcmp(text, "none") != 0;
	set_value(draft, problem, (size_t)i,
		  (struct loss_value){.type = LOSS_VALUE_STRING, .text = text});
}

struct loss_problem *case_problem(struct case_draft *draft, const char *isa, const bool *asked)
{
	const struct loss_info *loss = draft->loss;
	draft->by_class = loss_find_argument(loss, "class_axis", 10) >= 0;
	draft->ignore_index =
		draft->family != NULL && case_has_word(draft->family->with, "ignore_index") ? 0
											    : -100;
	draw_shape(draft);
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
