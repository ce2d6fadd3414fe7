#include "spec.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"

/* Cuts text at the first c: what is after it, or NULL where there is none. */
static char *cut(char *text, char c)
{
	char *at = strchr(text, c);
	if (at == NULL)
		return NULL;
	*at = '\0';
	return at + 1;
}

static int read_shape(const char *text, size_t shape[LOSS_MAX_RANK])
{
	int rank = 0;
	while (*text != '\0') {
		char *end;
		require(rank < LOSS_MAX_RANK, "rank over %d", LOSS_MAX_RANK);
		shape[rank++] = strtoull(text, &end, 10);
		require(end != text, "no dimension: %s", text);
		text = *end == ',' ? end + 1 : end;
	}
	return rank;
}

/* The next of a list of numbers, from its start again after its end. */
static const char *next(const char *list, const char *end)
{
	return *end == ',' ? end + 1 : list;
}

static void read_floats(const char *list, double *values, size_t n)
{
	const char *at = list;
	for (size_t i = 0; i < n; i++) {
		char *end;
		values[i] = strtod(at, &end);
		require(end != at, "no number: %s", at);
		at = next(list, end);
	}
}

static void read_integers(const char *list, int64_t *values, size_t n)
{
	const char *at = list;
	for (size_t i = 0; i < n; i++) {
		char *end;
		values[i] = *at == '-' ? strtoll(at, &end, 10) : (int64_t)strtoull(at, &end, 10);
		require(end != at, "no integer: %s", at);
		at = next(list, end);
	}
}

static void set_tensor(struct eval *eval, const char *name, char *rest)
{
	const char *values = cut(rest, '=');
	const char *dimensions = cut(rest, ':');
	if (dimensions == NULL) {
		int i = loss_find_tensor(eval->info, name, strlen(name));
		require(i >= 0 && strcmp(rest, "null") == 0, "%s:%s", name, rest);
		loss_problem_set_tensor(eval->problem, (size_t)i, NULL, &eval->error);
		return;
	}
	struct loss_tensor tensor = {.dtype = loss_dtype_find(rest, strlen(rest))};
	require(tensor.dtype != LOSS_N_DTYPES, "%s: no dtype %s", name, rest);
	tensor.rank = read_shape(dimensions, tensor.shape);
	require(loss_tensor_set_count(&tensor), "%s overflows", name);
	if (LOSS_DTYPE_BIT(tensor.dtype) & LOSS_FLOAT_DTYPES) {
		double *numbers = eval_array(eval, double, tensor.count);
		read_floats(values == NULL ? "0" : values, numbers, tensor.count);
		tensor = eval_floats(eval, tensor.dtype, tensor.rank, tensor.shape, numbers);
	} else {
		int64_t *numbers = eval_array(eval, int64_t, tensor.count);
		read_integers(values == NULL ? "0" : values, numbers, tensor.count);
		tensor = eval_integers(eval, tensor.dtype, tensor.rank, tensor.shape, numbers);
	}
	eval_set(eval, name, tensor);
}

static struct loss_value read_number(const char *text)
{
	char *end;
	struct loss_value value = {.type = LOSS_VALUE_NUMBER, .text = text};
	value.number = strtod(text, &end);
	require(*end == '\0', "no number: %s", text);
	errno = 0;
	long long integer = strtoll(text, &end, 10);
	if (*end == '\0') {
		value.type = LOSS_VALUE_INTEGER;
		value.integer = integer;
		value.integer_overflow = errno == ERANGE;
	}
	return value;
}

struct loss_value spec_value(const char *text)
{
	static const struct loss_value words[] = {
		{.type = LOSS_VALUE_NULL, .text = "null"},
		{.type = LOSS_VALUE_BOOLEAN, .boolean = true, .text = "true"},
		{.type = LOSS_VALUE_BOOLEAN, .boolean = false, .text = "false"},
	};
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i].text, text) == 0)
			return words[i];
	if (isdigit((unsigned char)*text) || *text == '-' || *text == '+')
		return read_number(text);
	return (struct loss_value){.type = LOSS_VALUE_STRING, .text = text};
}

static void set_outputs(struct eval *eval, char *list)
{
	const char *names[LOSS_MAX_OUTPUTS + 1] = {NULL};
	size_t n = 0;
	for (char *rest = list; rest != NULL && *list != '\0'; n++) {
		require(n < LOSS_MAX_OUTPUTS, "too many outputs");
		names[n] = rest;
		rest = cut(rest, ',');
	}
	eval_outputs(eval, names);
}

static void set_argument(struct eval *eval, const char *name, const char *text)
{
	struct loss_value value = spec_value(text);
	int i = loss_find_argument(eval->info, name, strlen(name));
	require(i >= 0, "%s has no argument %s", eval->info->name, name);
	loss_status status =
		loss_problem_set_argument(eval->problem, (size_t)i, &value, &eval->error);
	require(status == LOSS_OK, "%s=%s: %s", name, text, eval->error.detail);
}

static void set_field(struct eval *eval, char *token)
{
	char *mark = strpbrk(token, ":=");
	require(mark != NULL, "neither a tensor nor an argument: %s", token);
	bool is_tensor = *mark == ':';
	*mark = '\0';
	if (is_tensor)
		set_tensor(eval, token, mark + 1);
	else if (strcmp(token, "outputs") == 0)
		set_outputs(eval, mark + 1);
	else
		set_argument(eval, token, mark + 1);
}

void spec_start(struct eval *eval, const char *text)
{
	char loss[64] = "";
	size_t n = strcspn(text, " ");
	require(n < sizeof(loss), "no loss: %s", text);
	memcpy(loss, text, n);
	eval_start(eval, loss);
	char *copy = eval_alloc(eval, strlen(text + n) + 1, 1);
	char *place;
	strcpy(copy, text + n);
	for (char *token = strtok_r(copy, " ", &place); token != NULL;
	     token = strtok_r(NULL, " ", &place))
		set_field(eval, token);
}

loss_status spec_plan(struct eval *eval, const char *text)
{
	spec_start(eval, text);
	return loss_plan_create(eval->problem, eval->arena, &eval->plan, &eval->error);
}

void spec_run(struct eval *eval, const char *text)
{
	spec_start(eval, text);
	eval_run(eval, 1);
}
