#include "sweep_tensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t bytes_of(const struct loss_tensor *tensor)
{
	return tensor->count * loss_dtype_info(tensor->dtype)->size;
}

static struct loss_tensor new_tensor(loss_dtype dtype, int rank, const size_t *shape)
{
	struct loss_tensor tensor = {.dtype = dtype, .rank = rank};
	memcpy(tensor.shape, shape, (size_t)rank * sizeof *shape);
	loss_tensor_set_count(&tensor);
	tensor.data = aligned_alloc(64, (bytes_of(&tensor) + 63) & ~(size_t)63);
	return tensor;
}

bool sweep_tensors_create(struct sweep_tensors *tensors, const char *dtype,
			  const struct sweep_shape *shape)
{
	/* What the random numbers of the first four are between. */
	static const double ranges[][2] = {{-8.0, 8.0}, {0.01, 0.99}, {0.0, 1.0}, {0.5, 1.5}};
	const loss_dtype type = loss_dtype_find(dtype, strlen(dtype));
	struct loss_tensor *all = tensors->all;
	const size_t *dims = shape->shape;
	const size_t rows[] = {dims[0], dims[2], dims[3]};
	for (size_t i = SWEEP_LOGITS; i <= SWEEP_PROBABILITIES; i++)
		all[i] = new_tensor(type, shape->rank, dims);
	all[SWEEP_WEIGHT] = new_tensor(type, 1, &dims[1]);
	all[SWEEP_TARGETS] = new_tensor(LOSS_I64, shape->rank - 1, rows);
	for (size_t i = 0; i < N_SWEEP_TENSORS; i++)
		if (!all[i].data)
			return false;
	for (size_t i = SWEEP_LOGITS; i <= SWEEP_WEIGHT; i++)
		fill_uniform(&all[i], i, ranges[i][0], ranges[i][1]);
	fill_targets(all[SWEEP_TARGETS].data, all[SWEEP_TARGETS].count, dims[1]);
	return true;
}

void sweep_tensors_destroy(struct sweep_tensors *tensors)
{
	for (size_t i = 0; i < N_SWEEP_TENSORS; i++)
		free(tensors->all[i].data);
	*tensors = (struct sweep_tensors){0};
}

bool sweep_tensors_write(const struct sweep_tensors *tensors, const char *path)
{
	FILE *out = fopen(path, "w");
	bool written = out != NULL;
	for (size_t i = 0; written && i < N_SWEEP_TENSORS; i++) {
		const struct loss_tensor *tensor = &tensors->all[i];
		written = fwrite(tensor->data, 1, bytes_of(tensor), out) == bytes_of(tensor);
	}
	return out && fclose(out) == 0 && written;
}

void sweep_tensors_of(const struct sweep_tensors *tensors, const struct sweep_case *what,
		      struct loss_tensor *by_role)
{
	const struct loss_tensor *all = tensors->all;
	by_role[LOSS_ROLE_INPUT] = all[what->of_probabilities ? SWEEP_INPUT : SWEEP_LOGITS];
	if (what->targets != NO_TARGETS)
		by_role[LOSS_ROLE_TARGETS] =
			all[what->targets == PROBABILITIES ? SWEEP_PROBABILITIES : SWEEP_TARGETS];
	if (what->weight)
		by_role[LOSS_ROLE_WEIGHT] = all[SWEEP_WEIGHT];
	if (what->var)
		by_role[LOSS_ROLE_OWN_1] = all[SWEEP_INPUT];
	if (what->grad_output)
		by_role[LOSS_ROLE_GRAD_OUTPUT] = all[SWEEP_PROBABILITIES];
}

void sweep_tensors_path(const char *folder, char *out, size_t size)
{
	snprintf(out, size, "%s/bench-tensors.bin", folder);
}
