#include "eval.h"

#include <stdlib.h>
#include <string.h>

#include "random.h"

const char *eval_isa(void)
{
	const char *name = getenv("LOSSD_ISA");
	if (name == NULL || *name == '\0')
		return NULL;
	const char *isa = loss_isa_find(name);
	require(isa != NULL, "LOSSD_ISA: there is no %s here", name);
	return isa;
}

void eval_start(struct eval *eval, const char *loss)
{
	*eval = (struct eval){.arena = loss_arena_create(NULL)};
	require(eval->arena != NULL, "no memory for an arena");
	eval->info = loss_find(loss, strlen(loss));
	require(eval->info != NULL, "there is no loss %s", loss);
	eval->problem = loss_problem_create(eval->info, eval->arena);
	require(eval->problem != NULL, "no memory for a problem");
	loss_problem_set_isa(eval->problem, eval_isa());
}

void eval_end(struct eval *eval)
{
	loss_arena_destroy(eval->arena);
	eval->arena = NULL;
}

void *eval_alloc(struct eval *eval, size_t n, size_t size)
{
	void *memory = loss_arena_alloc(eval->arena, n, size);
	require(memory != NULL, "no memory for %zu items of %zu bytes", n, size);
	return memset(memory, 0, n * size);
}

static struct loss_tensor make_tensor(struct eval *eval, loss_dtype dtype, int rank,
				      const size_t *shape)
{
	struct loss_tensor tensor = {.dtype = dtype, .rank = rank};
	if (rank > 0)
		memcpy(tensor.shape, shape, (size_t)rank * sizeof(*shape));
	require(loss_tensor_set_count(&tensor), "the shape overflows");
	tensor.data = eval_alloc(eval, tensor.count, loss_dtype_info(dtype)->size);
	return tensor;
}

struct loss_tensor eval_floats(struct eval *eval, loss_dtype dtype, int rank, const size_t *shape,
			       const double *values)
{
	struct loss_tensor tensor = make_tensor(eval, dtype, rank, shape);
	for (size_t i = 0; i < tensor.count; i++)
		loss_float_put(dtype, tensor.data, i, values[i]);
	return tensor;
}

struct loss_tensor eval_integers(struct eval *eval, loss_dtype dtype, int rank, const size_t *shape,
				 const int64_t *values)
{
	struct loss_tensor tensor = make_tensor(eval, dtype, rank, shape);
	for (size_t i = 0; i < tensor.count; i++) {
		switch (loss_dtype_info(dtype)->size) {
		case 1:
			((uint8_t *)tensor.data)[i] = (uint8_t)values[i];
			break;
		case 2:
			((uint16_t *)tensor.data)[i] = (uint16_t)values[i];
			break;
		case 4:
			((uint32_t *)tensor.data)[i] = (uint32_t)values[i];
			break;
		default:
			((int64_t *)tensor.data)[i] = values[i];
		}
	}
	return tensor;
}

void eval_set(struct eval *eval, const char *name, struct loss_tensor tensor)
{
	int i = loss_find_tensor(eval->info, name, strlen(name));
	require(i >= 0, "%s has no tensor %s", eval->info->name, name);
	loss_status status =
		loss_problem_set_tensor(eval->problem, (size_t)i, &tensor, &eval->error);
	require(status == LOSS_OK, "%s: %s", name, eval->error.detail);
}

static void set_argument(struct eval *eval, const char *name, struct loss_value value)
{
	int i = loss_find_argument(eval->info, name, strlen(name));
	require(i >= 0, "%s has no argument %s", eval->info->name, name);
	loss_status status =
		loss_problem_set_argument(eval->problem, (size_t)i, &value, &eval->error);
	require(status == LOSS_OK, "%s: %s", name, eval->error.detail);
}

void eval_number(struct eval *eval, const char *name, double value)
{
	set_argument(eval, name,
		     (struct loss_value){
			     .type = LOSS_VALUE_NUMBER, .number = value, .text = "(a number)"});
}

void eval_integer(struct eval *eval, const char *name, int64_t value)
{
	set_argument(eval, name,
		     (struct loss_value){.type = LOSS_VALUE_INTEGER,
					 .integer = value,
					 .number = (double)value,
					 .text = "(an integer)"});
}

void eval_boolean(struct eval *eval, const char *name, bool value)
{
	set_argument(eval, name,
		     (struct loss_value){.type = LOSS_VALUE_BOOLEAN,
					 .boolean = value,
					 .text = value ? "true" : "false"});
}

void eval_string(struct eval *eval, const char *name, const char *value)
{
	set_argument(eval, name, (struct loss_value){.type = LOSS_VALUE_STRING, .text = value});
}

void eval_outputs(struct eval *eval, const char *const *names)
{
	size_t n = 0;
	while (names[n] != NULL)
		n++;
	loss_status status = loss_problem_set_outputs(eval->problem, names, n, &eval->error);
	require(status == LOSS_OK, "outputs: %s", eval->error.detail);
}

void eval_run(struct eval *eval, int threads)
{
	loss_status status = loss_evaluate(eval->problem, eval->arena, threads, NULL, &eval->result,
					   &eval->error);
	require(status == LOSS_OK, "%s: %s (%s)", eval->info->name, eval->error.detail,
		loss_status_info(status)->code);
}

loss_status eval_try(struct eval *eval)
{
	return loss_evaluate(eval->problem, eval->arena, 1, NULL, &eval->result, &eval->error);
}

void eval_plan(struct eval *eval)
{
	loss_status status =
		loss_plan_create(eval->problem, eval->arena, &eval->plan, &eval->error);
	require(status == LOSS_OK, "%s: %s", eval->info->name, eval->error.detail);
}

const struct loss_tensor *eval_output(const struct eval *eval, const char *name)
{
	for (size_t i = 0; i < eval->result.n_outputs; i++)
		if (strcmp(eval->result.outputs[i].name, name) == 0)
			return &eval->result.outputs[i].tensor;
	require(false, "there is no output %s", name);
	return NULL;
}

double eval_value(const struct loss_tensor *tensor, size_t i)
{
	require(i < tensor->count, "value %zu of %zu", i, tensor->count);
	require((LOSS_DTYPE_BIT(tensor->dtype) & LOSS_FLOAT_DTYPES) != 0, "not a float tensor");
	return loss_float_get(tensor->dtype, tensor->data, i);
}

int64_t eval_index(const struct loss_tensor *tensor, size_t i)
{
	require(i < tensor->count, "value %zu of %zu", i, tensor->count);
	if (tensor->dtype == LOSS_BOOL)
		return ((const uint8_t *)tensor->data)[i];
	require(tensor->dtype == LOSS_I64, "not an I64 tensor");
	return ((const int64_t *)tensor->data)[i];
}

bool eval_same_bits(const struct loss_tensor *a, const struct loss_tensor *b)
{
	if (a->dtype != b->dtype || a->rank != b->rank || a->count != b->count)
		return false;
	for (int i = 0; i < a->rank; i++)
		if (a->shape[i] != b->shape[i])
			return false;
	return a->count == 0 ||
	       memcmp(a->data, b->data, a->count * loss_dtype_info(a->dtype)->size) == 0;
}
