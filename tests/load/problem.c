/* One problem: tensors drawn as the table of losses says, written down, and evaluated here. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/random.h"
#include "workload.h"

#define MAX_TENSORS 16
#define MOST_EXTRA 4 /* entries of the axis K */

struct drawn {
	const struct loss_tensor_info *info;
	struct loss_tensor tensor;
};

struct problem {
	const struct options *options;
	bool class_last;
	size_t n;
	struct drawn tensors[MAX_TENSORS];
};

/* ---------------------------------------------------------------- shapes */

static int class_axis(const struct problem *problem)
{
	int rank = problem->options->rank;
	return problem->class_last || rank == 1 ? rank - 1 : 1;
}

static size_t classes(const struct problem *problem)
{
	return problem->options->shape[class_axis(problem)];
}

/* The input's shape, or the rows'. */
static int rows_shape(const struct problem *problem, bool whole, size_t *shape)
{
	int rank = 0;
	for (int axis = 0; axis < problem->options->rank; axis++)
		if (whole || axis != class_axis(problem))
			shape[rank++] = problem->options->shape[axis];
	return rank;
}

static bool is_index(const struct loss_tensor_info *info)
{
	return (info->kinds & LOSS_INTEGER_KINDS) != 0;
}

static bool is_sent(const struct options *options, const struct loss_tensor_info *info)
{
	for (size_t i = 0; i < options->n_with; i++)
		if (strcmp(options->with[i], info->name) == 0)
			return true;
	return info->required;
}

/* Whether classes are listed: a tensor with an axis K is sent. */
static bool lists(const struct problem *problem)
{
	const struct loss_info *loss = problem->options->loss;
	for (size_t i = 0; i < loss->n_tensors; i++)
		if (loss->tensors[i].extra_axis && is_sent(problem->options, &loss->tensors[i]))
			return true;
	return false;
}

static int shape_of(const struct problem *problem, const struct loss_tensor_info *info,
		    size_t *shape)
{
	int rank = 0;
	bool listed = info->extent == LOSS_EXTENT_LISTED && lists(problem);
	bool of_rows = listed || info->extent == LOSS_EXTENT_ROWS ||
		       info->extent == LOSS_EXTENT_TARGETS ||
		       info->extent == LOSS_EXTENT_ROWS_OR_GROUPS;
	bool whole = problem->options->loss->element_wise || !of_rows;
	if (info->extent == LOSS_EXTENT_CLASSES)
		shape[rank++] = classes(problem);
	else if (info->extent != LOSS_EXTENT_SCALAR && info->extent != LOSS_EXTENT_LOSS)
		rank = rows_shape(problem, whole, shape);
	if (info->extra_axis || listed)
		shape[rank++] = classes(problem) < MOST_EXTRA ? classes(problem) : MOST_EXTRA;
	return rank;
}

/* ---------------------------------------------------------------- elements */

static bool ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), length = strlen(end);
	return n >= length && strcmp(name + n - length, end) == 0;
}

/* Between which numbers a tensor's elements are: its range where it has one. */
static void bounds(const struct loss_tensor_info *info, double *low, double *high)
{
	bool logs = ends_with(info->name, "log_probs");
	*low = logs || info->role == LOSS_ROLE_INPUT || ends_with(info->name, "logits") ? -8.0
											: 0.0;
	*high = logs ? -4.0 : *low < 0.0 ? 8.0 : 1.0;
	if (info->range.min != 0.0 || info->range.max != 0.0) {
		*low = info->range.min > *low ? info->range.min : *low;
		*high = info->range.max < *high ? info->range.max : *high;
	}
}

/* Indices along an axis K must differ: they follow each other from a random one. */
static void draw_integers(const struct problem *problem, const struct drawn *drawn,
			  struct random *random)
{
	int64_t *data = drawn->tensor.data;
	size_t together = drawn->info->extra_axis ? drawn->tensor.shape[drawn->tensor.rank - 1] : 1;
	size_t n = classes(problem), first = 0;
	for (size_t i = 0; i < drawn->tensor.count; i++) {
		if (i % together == 0)
			first = random_below(random, n);
		data[i] = (int64_t)((first + i % together) % n);
	}
}

static void draw_floats(const struct drawn *drawn, struct random *random)
{
	double low, high;
	bounds(drawn->info, &low, &high);
	for (size_t i = 0; i < drawn->tensor.count; i++)
		loss_float_put(drawn->tensor.dtype, drawn->tensor.data, i,
			       random_uniform(random, low, high));
}

static void draw_booleans(const struct drawn *drawn, struct random *random)
{
	unsigned char *data = drawn->tensor.data;
	for (size_t i = 0; i < drawn->tensor.count; i++)
		data[i] = random_chance(random, 0.9);
}

static bool draw_tensor(struct problem *problem, const struct loss_tensor_info *info,
			struct random *random)
{
	struct drawn *drawn = &problem->tensors[problem->n++];
	size_t shape[LOSS_MAX_RANK + 1];
	int rank = shape_of(problem, info, shape);
	bool booleans = info->kinds == LOSS_KIND_BOOLEAN;
	loss_dtype dtype = booleans         ? LOSS_BOOL
			   : is_index(info) ? LOSS_I64
					    : problem->options->dtype;
	drawn->info = info;
	drawn->tensor = loss_tensor_make(dtype, rank, shape, NULL);
	drawn->tensor.data = malloc(drawn->tensor.count * loss_dtype_info(dtype)->size + 8);
	if (!drawn->tensor.data)
		return false;
	if (booleans)
		draw_booleans(drawn, random);
	else if (dtype == LOSS_I64)
		draw_integers(problem, drawn, random);
	else
		draw_floats(drawn, random);
	return true;
}

static bool draw(struct problem *problem, struct random *random)
{
	const struct loss_info *loss = problem->options->loss;
	for (size_t i = 0; i < loss->n_tensors && problem->n < MAX_TENSORS; i++)
		if (is_sent(problem->options, &loss->tensors[i]) &&
		    !draw_tensor(problem, &loss->tensors[i], random))
			return false;
	return true;
}

/* ---------------------------------------------------------------- JSON */

static void put_number(struct text *text, const struct loss_tensor *tensor, size_t i)
{
	if (tensor->dtype == LOSS_I64)
		text_print(text, "%" PRId64, ((const int64_t *)tensor->data)[i]);
	else if (tensor->dtype == LOSS_BOOL)
		text_print(text, "%s", ((const unsigned char *)tensor->data)[i] ? "true" : "false");
	else
		text_print(text, "%.9g", loss_float_get(tensor->dtype, tensor->data, i));
}

/* The elements of `axis` on from *i on, nested. */
static void put_nested(struct text *text, const struct loss_tensor *tensor, int axis, size_t *i)
{
	if (axis == tensor->rank) {
		put_number(text, tensor, (*i)++);
		return;
	}
	for (size_t k = 0; k < tensor->shape[axis]; k++) {
		text_print(text, "%s", k ? ", " : "[");
		put_nested(text, tensor, axis + 1, i);
	}
	text_print(text, "]");
}

static void put_json(const struct problem *problem, struct text *text)
{
	for (size_t k = 0; k < problem->n; k++) {
		size_t i = 0;
		text_print(text, "%s\"%s\": ", k ? ", " : "{", problem->tensors[k].info->name);
		put_nested(text, &problem->tensors[k].tensor, 0, &i);
	}
	text_print(text, "}");
	if (problem->options->format == FORMAT_JSONL)
		text_print(text, "\n");
}

/* ---------------------------------------------------------------- safetensors */

static size_t bytes_of(const struct drawn *drawn)
{
	return drawn->tensor.count * loss_dtype_info(drawn->tensor.dtype)->size;
}

/* As Python's writer has them: the widest first, then by name. */
static int in_order(const void *one, const void *other)
{
	const struct drawn *a = one, *b = other;
	size_t size_a = loss_dtype_info(a->tensor.dtype)->size;
	size_t size_b = loss_dtype_info(b->tensor.dtype)->size;
	if (size_a != size_b)
		return size_a > size_b ? -1 : 1;
	return strcmp(a->info->name, b->info->name);
}

static void put_entry(struct text *head, const struct drawn *drawn, size_t at)
{
	text_print(head, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[", head->n > 1 ? "," : "",
		   drawn->info->name, loss_dtype_info(drawn->tensor.dtype)->name);
	for (int axis = 0; axis < drawn->tensor.rank; axis++)
		text_print(head, "%s%zu", axis ? "," : "", drawn->tensor.shape[axis]);
	text_print(head, "],\"data_offsets\":[%zu,%zu]}", at, at + bytes_of(drawn));
}

static void put_safetensors(struct problem *problem, struct text *text)
{
	struct text head = {0};
	size_t at = 0;
	qsort(problem->tensors, problem->n, sizeof problem->tensors[0], in_order);
	text_print(&head, "{");
	for (size_t i = 0; i < problem->n; i++) {
		put_entry(&head, &problem->tensors[i], at);
		at += bytes_of(&problem->tensors[i]);
	}
	text_print(&head, "}%*s", (int)(7 - head.n % 8), "");
	uint64_t length = head.n;
	text_put(text, &length, sizeof length);
	text_put(text, head.bytes, head.n);
	for (size_t i = 0; i < problem->n; i++)
		text_put(text, problem->tensors[i].tensor.data, bytes_of(&problem->tensors[i]));
	text->failed = text->failed || head.failed;
	free(head.bytes);
}

/* ---------------------------------------------------------------- what it comes to */

/* Sets an argument that the query gives, as its type has it. */
static loss_status set_argument(struct loss_problem *problem, const char *name, const char *value,
				struct loss_error *error)
{
	const struct loss_info *loss = loss_problem_info(problem);
	int i = loss_find_argument(loss, name, strlen(name));
	switch (i < 0 ? LOSS_ARGUMENT_CHOICE : loss->arguments[i]->type) {
	case LOSS_ARGUMENT_BOOLEAN:
		return loss_problem_set_boolean(problem, name, *value == 't' || *value == '1',
						error);
	case LOSS_ARGUMENT_INTEGER:
		return loss_problem_set_integer(problem, name, strtoll(value, NULL, 10), error);
	case LOSS_ARGUMENT_NUMBER:
		return loss_problem_set_number(problem, name, strtod(value, NULL), error);
	default:
		return loss_problem_set_text(problem, name, value, error);
	}
}

static loss_status set_query(struct loss_problem *problem, char *query, struct loss_error *error)
{
	char *rest = query, *pair;
	while ((pair = strsep(&rest, "&")) != NULL) {
		char *value = strchr(pair, '=');
		if (!value)
			continue;
		*value++ = '\0';
		/* What is asked for and how it is written changes no loss. */
		if (strcmp(pair, "outputs") == 0 || strcmp(pair, "tensors") == 0)
			continue;
		loss_status status = set_argument(problem, pair, value, error);
		if (status != LOSS_OK)
			return status;
	}
	return LOSS_OK;
}

static loss_status set_all(const struct problem *problem, struct loss_problem *set,
			   struct loss_error *error)
{
	loss_status status = LOSS_OK;
	char query[1024];
	snprintf(query, sizeof query, "%s", problem->options->query ? problem->options->query : "");
	for (size_t i = 0; status == LOSS_OK && i < problem->n; i++)
		status = loss_problem_set(set, problem->tensors[i].info->name,
					  &problem->tensors[i].tensor, error);
	return status == LOSS_OK ? set_query(set, query, error) : status;
}

static bool evaluate(const struct problem *problem, struct loss_arena *arena, double *loss)
{
	struct loss_error error;
	struct loss_result result;
	struct loss_problem *set = loss_problem_create(problem->options->loss, arena);
	if (!set || set_all(problem, set, &error) != LOSS_OK ||
	    loss_evaluate(set, arena, 1, NULL, &result, &error) != LOSS_OK) {
		fprintf(stderr, "lossd-load: %s\n", set ? error.detail : "no memory");
		return false;
	}
	const struct loss_tensor *tensor = &result.outputs[0].tensor;
	if (tensor->rank != 0) {
		fputs("lossd-load: the loss is no scalar to be checked: give another reduction, or "
		      "--no-check\n",
		      stderr);
		return false;
	}
	*loss = loss_float_get(tensor->dtype, tensor->data, 0);
	return true;
}

/* ---------------------------------------------------------------- all of it */

static bool write_and_evaluate(struct problem *problem, struct text *text, double *loss)
{
	if (problem->options->format == FORMAT_SAFETENSORS)
		put_safetensors(problem, text);
	else
		put_json(problem, text);
	if (!problem->options->check)
		return true;
	struct loss_arena *arena = loss_arena_create(NULL);
	bool done = arena && evaluate(problem, arena, loss);
	loss_arena_destroy(arena);
	return done;
}

bool problem_make(const struct options *options, struct random *random, struct text *text,
		  double *loss)
{
	struct problem problem = {
		.options = options,
		.class_last = options->query && strstr(options->query, "class_axis=-1") != NULL,
	};
	bool made = draw(&problem, random);
	if (!made)
		fputs("lossd-load: no memory for the tensors\n", stderr);
	made = made && write_and_evaluate(&problem, text, loss);
	for (size_t i = 0; i < problem.n; i++)
		free(problem.tensors[i].tensor.data);
	return made;
}
