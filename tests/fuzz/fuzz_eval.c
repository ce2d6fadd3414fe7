/* One batch through loss.h, once for each instruction set. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

static void set_tensor(struct loss_problem *problem, const struct fuzz_batch *batch,
		       const char *name, const struct loss_tensor *tensor)
{
	int i = loss_find_tensor(batch->loss, name, strlen(name));
	struct loss_error error = {.detail = "no such tensor"};
	if (i < 0 || loss_problem_set_tensor(problem, (size_t)i, tensor, &error) != LOSS_OK) {
		fprintf(stderr, "%s: %s: %s\n", batch->loss->name, name, error.detail);
		exit(2);
	}
}

static void set_argument(struct loss_problem *problem, const struct fuzz_batch *batch,
			 const char *name, struct loss_value value)
{
	int i = loss_find_argument(batch->loss, name, strlen(name));
	struct loss_error error = {.detail = "no such argument"};
	if (i < 0 || loss_problem_set_argument(problem, (size_t)i, &value, &error) != LOSS_OK) {
		fprintf(stderr, "%s: %s: %s\n", batch->loss->name, name, error.detail);
		exit(2);
	}
}

static void set_number(struct loss_problem *problem, const struct fuzz_batch *batch,
		       const char *name, double number)
{
	if (number != 0)
		set_argument(problem, batch, name,
			     (struct loss_value){.type = LOSS_VALUE_NUMBER,
						 .number = number,
						 .text = "(a number)"});
}

static void set_string(struct loss_problem *problem, const struct fuzz_batch *batch,
		       const char *name, const char *text)
{
	set_argument(problem, batch, name,
		     (struct loss_value){.type = LOSS_VALUE_STRING, .text = text});
}

size_t fuzz_place(const struct fuzz_batch *batch, size_t row, size_t c)
{
	if (batch->layout != FUZZ_INNER)
		return row * batch->classes + c;
	return (row / batch->inner * batch->classes + c) * batch->inner + row % batch->inner;
}

double fuzz_value(const struct loss_tensor *tensor, size_t i)
{
	return tensor->dtype == LOSS_I64    ? (double)((const int64_t *)tensor->data)[i]
	       : tensor->dtype == LOSS_BOOL ? (double)((const unsigned char *)tensor->data)[i]
					    : loss_float_get(tensor->dtype, tensor->data, i);
}

static struct loss_tensor make_tensor(struct fuzz_batch *batch, loss_dtype dtype, int rank,
				      const size_t *shape)
{
	struct loss_tensor tensor = {.dtype = dtype, .rank = rank};
	memcpy(tensor.shape, shape, (size_t)rank * sizeof(*shape));
	loss_tensor_set_count(&tensor);
	tensor.data = fuzz_alloc(batch, tensor.count, loss_dtype_info(dtype)->size);
	return tensor;
}

/* A tensor of the logits' shape. */
static struct loss_tensor class_tensor(struct fuzz_batch *batch, const double *values)
{
	size_t n = batch->n, classes = batch->classes, inner = batch->inner;
	const size_t shapes[FUZZ_N_LAYOUTS][3] = {
		{n, classes}, {n, classes, inner}, {n, inner, classes}, {classes}};
	static const int ranks[FUZZ_N_LAYOUTS] = {2, 3, 3, 1};
	struct loss_tensor tensor =
		make_tensor(batch, batch->dtype, ranks[batch->layout], shapes[batch->layout]);
	for (size_t r = 0; r < batch->rows; r++)
		for (size_t c = 0; c < classes; c++)
			loss_float_put(batch->dtype, tensor.data, fuzz_place(batch, r, c),
				       values[r * classes + c]);
	return tensor;
}

/* A tensor of n values: one a class, one a row, or a single one. */
static struct loss_tensor flat_tensor(struct fuzz_batch *batch, const double *values, size_t n,
				      bool per_row)
{
	static const int ranks[FUZZ_N_LAYOUTS] = {1, 2, 2, 0};
	const size_t shape[2] = {per_row ? batch->n : n, batch->inner};
	int rank = per_row ? ranks[batch->layout] : n == 1 ? 0 : 1;
	struct loss_tensor tensor = make_tensor(batch, batch->dtype, rank, shape);
	for (size_t i = 0; i < n; i++)
		loss_float_put(batch->dtype, tensor.data, i, values[i]);
	return tensor;
}

static struct loss_tensor index_tensor(struct fuzz_batch *batch)
{
	static const int ranks[FUZZ_N_LAYOUTS] = {1, 2, 2, 0};
	const size_t shape[2] = {batch->n, batch->inner};
	struct loss_tensor tensor = make_tensor(batch, LOSS_I64, ranks[batch->layout], shape);
	memcpy(tensor.data, batch->y, batch->rows * sizeof(*batch->y));
	return tensor;
}

static void set_tensors(struct fuzz_batch *batch, struct loss_problem *problem)
{
	size_t all = batch->rows * batch->classes;
	bool by_class = loss_find_argument(batch->loss, "class_axis", 10) >= 0;
	struct loss_tensor tensor = class_tensor(batch, batch->x);
	set_tensor(problem, batch, batch->loss->tensors[0].name, &tensor);
	if (batch->t != NULL || batch->y != NULL) {
		tensor = batch->t != NULL ? class_tensor(batch, batch->t) : index_tensor(batch);
		set_tensor(problem, batch, "targets", &tensor);
	}
	if (batch->weight != NULL) {
		tensor = by_class ? make_tensor(batch, batch->dtype, 1, &batch->classes)
				  : class_tensor(batch, batch->weight);
		for (size_t c = 0; by_class && c < batch->classes; c++)
			loss_float_put(batch->dtype, tensor.data, c, batch->weight[c]);
		set_tensor(problem, batch, "weight", &tensor);
	}
	if (batch->pos_weight != NULL) {
		tensor = class_tensor(batch, batch->pos_weight);
		set_tensor(problem, batch, "pos_weight", &tensor);
	}
	if (batch->grad_output != NULL) {
		bool scalar = batch->reduction != NULL && strcmp(batch->reduction, "none") != 0;
		tensor = batch->n_grad_output == all && !scalar && (!by_class || !batch->reduction)
				 ? class_tensor(batch, batch->grad_output)
				 : flat_tensor(batch, batch->grad_output, batch->n_grad_output,
					       !scalar);
		set_tensor(problem, batch, "grad_output", &tensor);
	}
}

static void set_arguments(const struct fuzz_batch *batch, struct loss_problem *problem)
{
	if (batch->reduction != NULL)
		set_string(problem, batch, "reduction", batch->reduction);
	if (batch->layout == FUZZ_LAST && loss_find_argument(batch->loss, "class_axis", 10) >= 0)
		set_argument(problem, batch, "class_axis",
			     (struct loss_value){.type = LOSS_VALUE_INTEGER,
						 .integer = -1,
						 .number = -1,
						 .text = "-1"});
	if (batch->result != batch->dtype)
		set_string(problem, batch, "grad_dtype", "F32");
	set_number(problem, batch, "label_smoothing", batch->smoothing);
	set_number(problem, batch, "denominator", batch->denominator);
	set_number(problem, batch, "temperature", batch->temperature);
	set_number(problem, batch, "softcap", batch->softcap);
	set_number(problem, batch, "z_loss", batch->z_loss);
	set_number(problem, batch, "alpha", batch->alpha);
	set_number(problem, batch, "gamma", batch->gamma);
	if (batch->log_target)
		set_argument(problem, batch, "log_target",
			     (struct loss_value){
				     .type = LOSS_VALUE_BOOLEAN, .boolean = true, .text = "true"});
}

size_t fuzz_isas(const char **isas)
{
	size_t n = 0;
	for (size_t i = 0; loss_isa_at(i) != NULL && n < FUZZ_MAX_ISAS; i++)
		if (loss_isa_find(loss_isa_at(i)) != NULL)
			isas[n++] = loss_isa_find(loss_isa_at(i));
	return n;
}

static void evaluate(struct fuzz_batch *batch, const char *isa, const char *const *outputs,
		     struct fuzz_result *result)
{
	struct loss_problem *problem = loss_problem_create(batch->loss, batch->arena);
	size_t n = 0;
	while (outputs[n] != NULL)
		n++;
	set_tensors(batch, problem);
	set_arguments(batch, problem);
	loss_problem_set_outputs(problem, outputs, n, NULL);
	loss_problem_set_isa(problem, isa);
	result->status =
		loss_evaluate(problem, batch->arena, 1, NULL, &result->result, &result->error);
	if (result->status != LOSS_OK) {
		fprintf(stderr, "batch %llu: %s: %s\n", (unsigned long long)batch->number,
			batch->loss->name, result->error.detail);
		exit(2);
	}
}

/* The same bits, or both NaN. */
static bool same(const struct loss_tensor *a, const struct loss_tensor *b)
{
	size_t size = loss_dtype_info(a->dtype)->size;
	if (memcmp(a->data, b->data, a->count * size) == 0)
		return true;
	for (size_t i = 0; i < a->count; i++) {
		const char *p = (const char *)a->data + i * size;
		const char *q = (const char *)b->data + i * size;
		if (memcmp(p, q, size) != 0 &&
		    !(isnan(fuzz_value(a, i)) && isnan(fuzz_value(b, i))))
			return false;
	}
	return true;
}

void fuzz_evaluate(struct fuzz_batch *batch, const char *const *outputs, struct fuzz_result *result)
{
	const char *isas[FUZZ_MAX_ISAS];
	size_t n = fuzz_isas(isas);
	evaluate(batch, isas[0], outputs, result);
	for (size_t i = 1; i < n; i++) {
		struct fuzz_result other;
		evaluate(batch, isas[i], outputs, &other);
		for (size_t k = 0; k < result->result.n_outputs; k++)
			if (!same(&result->result.outputs[k].tensor,
				  &other.result.outputs[k].tensor))
				fuzz_violation(batch, "%s is not the same bits on %s and %s",
					       outputs[k], isas[0], isas[i]);
	}
}

static const struct loss_tensor *find_output(const struct fuzz_result *result, const char *name)
{
	for (size_t i = 0; i < result->result.n_outputs; i++)
		if (strcmp(result->result.outputs[i].name, name) == 0)
			return &result->result.outputs[i].tensor;
	return NULL;
}

bool fuzz_has_output(const struct fuzz_result *result, const char *name)
{
	return find_output(result, name) != NULL;
}

const struct loss_tensor *fuzz_output(const struct fuzz_result *result, const char *name)
{
	const struct loss_tensor *tensor = find_output(result, name);
	if (tensor == NULL) {
		fprintf(stderr, "there is no output %s\n", name);
		exit(2);
	}
	return tensor;
}
