#include "case_draft.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "describe.h"
#include "problem.h"
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

void case_start_field(struct case_draft *draft, const char *name)
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

bool case_has_field(struct case_draft *draft, const char *name, double chance)
{
	return draft->family != NULL ? case_has_word(draft->family->with, name)
				     : random_chance(&draft->random, chance);
}

bool case_has_tensor(const struct case_draft *draft, const char *name)
{
	int i = loss_find_tensor(draft->loss, name, strlen(name));
	return i >= 0 && draft->present[i];
}

bool case_odd_chance(struct case_draft *draft, double chance)
{
	return draft->family == NULL && random_chance(&draft->random, chance);
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

void case_store_integer(const struct loss_tensor *tensor, size_t i, int64_t value)
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

size_t case_place(const struct case_draft *draft, size_t row, size_t c)
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
	size_t n = rows > 0 ? tensor->count / rows : 0;
	double *x = loss_arena_array(draft->arena, double, n);
	if (x == NULL)
		abort();
	draft->distribution = rows_name(kind);
	for (size_t r = 0; r < rows && n > 0; r++) {
		rows_fill(kind, &draft->random, tensor->dtype, x, n);
		for (size_t c = 0; c < n; c++)
			store(tensor, draft->by_class ? case_place(draft, r, c) : c, x[c]);
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

/* What losses have that leave no choice of it. */
static void settle_form(struct case_draft *draft)
{
	const struct loss_row *loss = loss_row_of(draft->loss);
	if (draft->by_class && loss_find_argument(draft->loss, "class_axis", 10) < 0)
		draft->class_last = argument_presets(loss)->class_axis < 0;
	if (loss->most_axes && draft->input.rank > loss->most_axes)
		draft->input.rank = loss->most_axes;
}

static void draw_shape(struct case_draft *draft)
{
	struct random *random = &draft->random;
	struct loss_tensor *input = &draft->input, *rows = &draft->rows;
	bool shift = draft->family != NULL && case_has_word(draft->family->with, "shift");
	case_start_field(draft, "shape");
	draft->classes = any_class_count(random);
	if (draft->family != NULL && draft->family->classes > 0)
		draft->classes = draft->family->classes;
	draft->class_last = shift || (draft->by_class && random_chance(random, 0.3));
	input->rank = shift ? 3 : 1 + (int)random_below(random, 4);
	settle_form(draft);
	size_t room = (draft->family != NULL ? LARGEST_GOLDEN : LARGEST) / draft->classes;
	int axis = draft->class_last ? input->rank - 1 : input->rank > 1;
	for (int i = 0; i < input->rank; i++) {
		size_t size = 1 + random_below(random, random_chance(random, 0.5) ? 4 : 40);
		size = size < room ? size : room > 0 ? room : 1;
		room /= i == axis ? 1 : size;
		if (case_odd_chance(draft, 0.02))
			size = 0;
		input->shape[i] = i == axis ? draft->classes : size;
		if (i != axis)
			rows->shape[rows->rank++] = size;
	}
	if (!draft->by_class && case_odd_chance(draft, 0.05))
		input->rank = rows->rank = 0;
	if (!draft->by_class)
		*rows = *input;
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
	if (info->range.max > 0) {
		draft->distribution = info->range.max == 1 ? "probabilities" : "in range";
		fill_uniform(draft, input, info->range.min, info->range.max);
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
	int64_t half = size < 8 ? INT64_C(1) << (8 * size - 1) : INT64_MAX;
	bool fits = draft->ignore_index >= -half && draft->ignore_index < half &&
		    !loss_row_of(draft->loss)->counts_rows;
	for (size_t r = 0; r < targets->count; r++) {
		bool ignored = is_signed && fits && random_chance(&draft->random, 0.1);
		int64_t y = (int64_t)random_below(&draft->random, classes);
		case_store_integer(targets, r, ignored ? draft->ignore_index : y);
	}
}

/* One that broadcasts to the input's shape: a suffix of it, some dimensions 1. */
static void draw_broadcast_shape(struct case_draft *draft, struct loss_tensor *tensor)
{
	const struct loss_tensor *input = &draft->input;
	size_t left_out = random_below(&draft->random, (size_t)input->rank + 1);
	for (int i = (int)left_out; i < input->rank; i++)
		tensor->shape[tensor->rank++] =
			random_chance(&draft->random, 0.3) ? 1 : input->shape[i];
}

/* Any numbers, of a shape that broadcasts; mostly the input's own. */
static void draw_numbers(struct case_draft *draft, const struct loss_tensor_info *info,
			 struct loss_tensor *targets)
{
	if (case_odd_chance(draft, 0.3))
		draw_broadcast_shape(draft, targets);
	else
		*targets = draft->input;
	targets->dtype = any_dtype(&draft->random, info->dtypes);
	give_memory(draft, targets);
	fill_uniform(draft, targets, -4, 4);
}

static void draw_targets(struct case_draft *draft, const struct loss_tensor_info *info,
			 struct loss_tensor *targets)
{
	unsigned integers = draft->by_class ? info->dtypes & LOSS_INTEGER_DTYPES : 0;
	unsigned floats = info->dtypes & ~LOSS_INTEGER_DTYPES;
	if (integers && (!floats || !case_has_field(draft, "probabilities", 0.3))) {
		targets->dtype = any_dtype(&draft->random, integers);
		draw_indices(draft, targets);
		return;
	}
	draft->probabilities = draft->by_class;
	if (info->extent == LOSS_EXTENT_BROADCAST) {
		draw_numbers(draft, info, targets);
		return;
	}
	*targets = draft->input;
	targets->dtype = any_dtype(&draft->random, floats);
	give_memory(draft, targets);
	fill_uniform(draft, targets, 0, draft->by_class ? 2.0 / (double)draft->classes : 1);
}

/* One more axis, of the same K in all tensors that have it. */
static void add_extra_axis(struct case_draft *draft, struct loss_tensor *tensor)
{
	struct random random = {.state = case_hash_text(draft->seed, "extra"), .seed = draft->seed};
	tensor->shape[tensor->rank++] = 1 + random_below(&random, 5);
}

static void draw_factor_shape(struct case_draft *draft, const struct loss_tensor_info *info,
			      struct loss_tensor *tensor)
{
	loss_extent extent = info->extent;
	const struct loss_tensor *input = &draft->input;
	if (extent == LOSS_EXTENT_ROWS_OR_GROUPS && case_bytes_by_group(draft)) {
		tensor->rank = 1;
		tensor->shape[0] = draft->n_groups;
	} else if (extent == LOSS_EXTENT_ROWS || extent == LOSS_EXTENT_ROWS_OR_GROUPS) {
		*tensor = draft->rows;
	} else if (extent == LOSS_EXTENT_INPUT) {
		*tensor = *input;
	} else if (extent == LOSS_EXTENT_BROADCAST_ROWS && case_odd_chance(draft, 0.3)) {
		*tensor = *input;
		tensor->rank -= input->rank > 0;
	} else if (case_broadcasts(info) && (case_odd_chance(draft, 0.5) || input->rank == 0)) {
		draw_broadcast_shape(draft, tensor);
	} else {
		tensor->rank = 1;
		tensor->shape[0] = draft->by_class ? draft->classes : input->shape[input->rank - 1];
	}
}

/* Classes, in a type that holds them. */
static void draw_classes(struct case_draft *draft, struct loss_tensor *tensor)
{
	size_t size = loss_dtype_info(tensor->dtype)->size;
	if ((size == 1 && draft->classes > 100) || (size == 2 && draft->classes > 30000))
		tensor->dtype = LOSS_I32;
	give_memory(draft, tensor);
	for (size_t i = 0; i < tensor->count; i++)
		case_store_integer(tensor, i,
				   (int64_t)random_below(&draft->random, draft->classes));
}

/* A factor of each class, row or element, in its range; classes; groups; counts; or whether it
 * counts. */
static void draw_factors(struct case_draft *draft, const struct loss_tensor_info *info,
			 struct loss_tensor *tensor)
{
	loss_dtype dtype = any_dtype(&draft->random, info->dtypes);
	draw_factor_shape(draft, info, tensor);
	if (info->extra_axis)
		add_extra_axis(draft, tensor);
	tensor->dtype = dtype;
	if (info->kinds == LOSS_KIND_INDEX) {
		draw_classes(draft, tensor);
		return;
	}
	give_memory(draft, tensor);
	if (info->kinds == LOSS_KIND_GROUP)
		case_fill_groups(draft, tensor);
	else if (info->kinds == LOSS_KIND_COUNT)
		case_fill_bytes(draft, tensor);
	else if (dtype == LOSS_BOOL)
		for (size_t i = 0; i < tensor->count; i++)
			store(tensor, i, random_chance(&draft->random, 0.8));
	else if (info->range.max > 0)
		fill_uniform(draft, tensor, info->range.min,
			     info->range.max < 2 ? info->range.max : 2);
	else
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

/* Indices in a type that holds them, and -1. */
static void draw_teacher(struct case_draft *draft, const struct loss_tensor_info *info,
			 struct loss_tensor *tensor)
{
	bool listed = info->extra_axis ||
		      (info->extent == LOSS_EXTENT_LISTED && case_has_teacher(draft, &info[-1]));
	*tensor = listed ? draft->rows : draft->input;
	if (listed)
		add_extra_axis(draft, tensor);
	tensor->dtype = info->kinds == LOSS_KIND_INDEX
				? (random_chance(&draft->random, 0.5) ? LOSS_I64 : LOSS_I32)
				: any_dtype(&draft->random, info->dtypes);
	if (draft->family == NULL && draft->classes > 5 && info->kinds == LOSS_KIND_INDEX &&
	    draft->classes <= 100 && random_chance(&draft->random, 0.2))
		tensor->dtype = LOSS_I8;
	give_memory(draft, tensor);
	case_fill_teacher(draft, info, tensor);
}

static void draw_tensor(struct case_draft *draft, size_t i)
{
	const struct loss_tensor_info *info = &draft->loss->tensors[i];
	struct loss_tensor *tensor = &draft->tensors[i];
	case_start_field(draft, info->name);
	bool teacher = case_is_teacher(info);
	if (teacher ? !case_has_teacher(draft, info)
		    : !info->required && !case_has_field(draft, info->name, 0.5))
		return;
	draft->present[i] = true;
	if (teacher) {
		draw_teacher(draft, info, tensor);
		return;
	}
	switch (info->role) {
	case LOSS_ROLE_INPUT:
		draw_input(draft, info);
		*tensor = draft->input;
		break;
	case LOSS_ROLE_TARGETS:
		draft->has_targets = true;
		draw_targets(draft, info, tensor);
		break;
	case LOSS_ROLE_GRAD_OUTPUT:
		draw_grad_output(draft, info, tensor);
		break;
	default:
		draw_factors(draft, info, tensor);
	}
}

/* ---------------------------------------------------------------- the problem */

/* What rows alone have that do not count. */
static void spoil_rows(struct case_draft *draft, size_t i)
{
	for (size_t k = 0; k < draft->loss->n_tensors; k++) {
		loss_role role = draft->loss->tensors[k].role;
		bool of_groups = role == LOSS_ROLE_GROUPS || role == LOSS_ROLE_BYTES;
		if (!draft->present[k] || !tensor_same_shape(&draft->tensors[k], &draft->rows))
			continue;
		if (of_groups)
			case_spoil_groups(role, &draft->tensors[k], i);
		if (role >= LOSS_ROLE_OWN_1 && draft->loss->tensors[k].kinds == LOSS_KIND_NUMBER)
			store(&draft->tensors[k], i, (double)NAN);
	}
}

/* What stands where nothing counts is nobody's business. */
static void spoil_masked(struct case_draft *draft)
{
	const struct loss_tensor *mask = NULL, *targets = NULL, *weight = NULL;
	for (size_t i = 0; i < draft->loss->n_tensors; i++) {
		const struct loss_tensor *tensor = draft->present[i] ? &draft->tensors[i] : NULL;
		loss_role role = draft->loss->tensors[i].role;
		mask = role == LOSS_ROLE_MASK ? tensor : mask;
		targets = role == LOSS_ROLE_TARGETS ? tensor : targets;
		weight = role == LOSS_ROLE_ROW_WEIGHT ? tensor : weight;
	}
	if (mask == NULL || draft->family != NULL)
		return;
	bool indices = draft->by_class && targets != NULL && !draft->probabilities;
	const struct loss_tensor *input = &draft->input;
	for (size_t i = 0; i < mask->count; i++) {
		if (((const unsigned char *)mask->data)[i] != 0)
			continue;
		if (indices)
			case_store_integer(targets, i, -7);
		if (weight != NULL)
			store(weight, i, -(double)INFINITY);
		if (draft->by_class)
			spoil_rows(draft, i);
		if (!draft->by_class && mask->count == input->count)
			store(input, i, (double)NAN);
	}
}

static bool is_met(const struct case_draft *draft, const struct loss_output_info *output)
{
	unsigned lacks = draft->probabilities ? LOSS_NEEDS_INDICES : 0;
	for (size_t i = 0; i < N_NEEDED_TENSORS; i++)
		lacks |= needed_tensors[i].need;
	for (size_t i = 0; i < draft->loss->n_tensors; i++)
		for (size_t k = 0; draft->present[i] && k < N_NEEDED_TENSORS; k++)
			if (needed_tensors[k].role == draft->loss->tensors[i].role)
				lacks &= ~(unsigned)needed_tensors[k].need;
	if (strcmp(output->name, "clip_fraction") == 0 && !draft->clips)
		return false;
	return (output->needs & lacks) == 0;
}

static int64_t any_ignore_index(struct case_draft *draft)
{
	static const int64_t odd[] = {0, 1, -1, 99, INT64_MIN, INT64_MAX};
	case_start_field(draft, "ignored");
	if (draft->family != NULL && case_has_word(draft->family->with, "ignore_index"))
		return 0;
	return case_odd_chance(draft, 0.3) ? odd[random_below(&draft->random, COUNT(odd))] : -100;
}

struct loss_problem *case_problem(struct case_draft *draft, const char *isa, const bool *asked)
{
	const struct loss_info *loss = draft->loss;
	draft->by_class = !loss->element_wise;
	draft->ignore_index = any_ignore_index(draft);
	draw_shape(draft);
	case_settle_groups(draft);
	struct loss_problem *problem = loss_problem_create(loss, draft->arena);
	const char *names[LOSS_MAX_OUTPUTS];
	size_t n = 0;
	if (problem == NULL)
		abort();
	loss_problem_set_isa(problem, isa);
	case_set_reduction(draft, problem);
	for (size_t i = 0; i < loss->n_tensors; i++) {
		draw_tensor(draft, i);
		if (draft->present[i])
			loss_problem_set_tensor(problem, i, &draft->tensors[i], NULL);
	}
	spoil_masked(draft);
	for (size_t i = 0; i < loss->n_arguments; i++)
		case_set_argument(draft, problem, i);
	for (size_t i = 0; i < loss->n_outputs; i++)
		if (asked[i] && is_met(draft, loss->outputs[i]))
			names[n++] = loss->outputs[i]->name;
	if (!case_odd_chance(draft, 0.1))
		loss_problem_set_outputs(problem, names, n, NULL);
	return problem;
}

struct loss_problem *case_draw(struct case_draft *draft, const struct loss_info *loss,
			       uint64_t number, struct loss_arena *arena)
{
	bool asked[LOSS_MAX_OUTPUTS];
	*draft = (struct case_draft){
		.loss = loss, .arena = arena, .seed = number * 0x9e3779b97f4a7c15u};
	case_start_field(draft, "outputs");
	double part = random_chance(&draft->random, 0.2) ? 1 : 0.4;
	for (size_t i = 0; i < LOSS_MAX_OUTPUTS; i++)
		asked[i] = random_chance(&draft->random, part);
	return case_problem(draft, NULL, asked);
}
