#include "tensor.h"

#include <stdio.h>
#include <string.h>

#include "arena.h"

const struct loss_dtype_traits dtype_table[LOSS_N_DTYPES] = {
	[LOSS_F64] = {"F64", 8, LOSS_CLASS_FLOAT},
	[LOSS_F32] = {"F32", 4, LOSS_CLASS_FLOAT},
	[LOSS_F16] = {"F16", 2, LOSS_CLASS_FLOAT},
	[LOSS_BF16] = {"BF16", 2, LOSS_CLASS_FLOAT},
	[LOSS_F8_E4M3] = {"F8_E4M3", 1, LOSS_CLASS_FLOAT},
	[LOSS_F8_E5M2] = {"F8_E5M2", 1, LOSS_CLASS_FLOAT},
	[LOSS_I64] = {"I64", 8, LOSS_CLASS_SIGNED},
	[LOSS_I32] = {"I32", 4, LOSS_CLASS_SIGNED},
	[LOSS_I16] = {"I16", 2, LOSS_CLASS_SIGNED},
	[LOSS_I8] = {"I8", 1, LOSS_CLASS_SIGNED},
	[LOSS_U64] = {"U64", 8, LOSS_CLASS_UNSIGNED},
	[LOSS_U32] = {"U32", 4, LOSS_CLASS_UNSIGNED},
	[LOSS_U16] = {"U16", 2, LOSS_CLASS_UNSIGNED},
	[LOSS_U8] = {"U8", 1, LOSS_CLASS_UNSIGNED},
	[LOSS_BOOL] = {"BOOL", 1, LOSS_CLASS_BOOL},
};

const struct loss_dtype_traits *loss_dtype_info(loss_dtype dtype)
{
	return &dtype_table[dtype];
}

loss_dtype loss_dtype_find(const char *name, size_t n)
{
	int dtype = 0;
	while (dtype < LOSS_N_DTYPES && (strlen(dtype_table[dtype].name) != n ||
					 memcmp(dtype_table[dtype].name, name, n) != 0))
		dtype++;
	return (loss_dtype)dtype;
}

double loss_float_get(loss_dtype dtype, const void *data, size_t i)
{
	if (dtype == LOSS_F32)
		return (double)((const float *)data)[i];
	return dtype == LOSS_F64 ? ((const double *)data)[i] : (double)half_get(dtype, data, i);
}

void loss_float_put(loss_dtype dtype, void *data, size_t i, double value)
{
	tensor_put(&(struct loss_tensor){.dtype = dtype, .data = data}, i, value);
}

void dtypes_format(unsigned dtypes, char *out, size_t size)
{
	size_t used = 0;
	out[0] = '\0';
	for (int i = 0; i < LOSS_N_DTYPES && used < size; i++)
		if (dtypes & LOSS_DTYPE_BIT(i))
			used += (size_t)snprintf(out + used, size - used, "%s%s", used ? ", " : "",
						 dtype_table[i].name);
}

static bool has_rank(const struct loss_tensor *tensor)
{
	return tensor->rank >= 0 && tensor->rank <= LOSS_MAX_RANK;
}

/* A zero dimension does not excuse the others: their product must fit as well, for views of parts
 * of it. */
static bool count_elements(const struct loss_tensor *tensor, size_t *count)
{
	size_t bytes = sizeof(uint64_t);
	bool empty = false;
	for (int axis = 0; axis < tensor->rank; axis++) {
		size_t n = tensor->shape[axis];
		empty |= n == 0;
		if (!size_multiply(bytes, n ? n : 1, &bytes))
			return false;
	}
	*count = empty ? 0 : bytes / sizeof(uint64_t);
	return true;
}

bool loss_tensor_set_count(struct loss_tensor *tensor)
{
	return has_rank(tensor) && count_elements(tensor, &tensor->count);
}

struct loss_tensor loss_tensor_make(loss_dtype dtype, int rank, const size_t *shape, void *data)
{
	struct loss_tensor tensor = {.dtype = dtype, .rank = rank, .count = SIZE_MAX, .data = data};
	if (!has_rank(&tensor))
		return tensor;
	if (rank > 0 && !shape)
		tensor.rank = -1;
	else if (rank > 0)
		memcpy(tensor.shape, shape, (size_t)rank * sizeof *shape);
	loss_tensor_set_count(&tensor); /* where it can not be, SIZE_MAX is no shape's */
	return tensor;
}

static loss_status blame_count(const struct loss_tensor *tensor, bool fits, size_t count,
			       const char *name, struct loss_error *err)
{
	char shape[200];
	loss_tensor_format_shape(tensor, shape, sizeof shape);
	if (!fits)
		return loss_fail(err, LOSS_SHAPE_MISMATCH, name,
				 "%s has shape %s, which is more elements than there are addresses",
				 name, shape);
	return loss_fail(err, LOSS_SHAPE_MISMATCH, name,
			 "%s has shape %s, which is %zu elements, but its count is %zu; let "
			 "loss_tensor_make or loss_tensor_set_count set it",
			 name, shape, count, tensor->count);
}

loss_status tensor_check(const struct loss_tensor *tensor, const char *name, bool is_input,
			 struct loss_error *err)
{
	size_t count = 0;
	if ((unsigned)tensor->dtype >= LOSS_N_DTYPES)
		return loss_fail(err, LOSS_DTYPE_MISMATCH, name,
				 "%s has dtype number %d, but there are 0 to %d", name,
				 (int)tensor->dtype, LOSS_N_DTYPES - 1);
	if (!has_rank(tensor))
		return loss_fail(err, LOSS_SHAPE_MISMATCH, name,
				 "%s has rank %d, but must have one of 0 to %d", name, tensor->rank,
				 LOSS_MAX_RANK);
	bool fits = count_elements(tensor, &count);
	if (!fits || count != tensor->count)
		return blame_count(tensor, fits, count, name, err);
	if (!tensor->data && tensor->count > 0 && !is_input)
		return loss_fail(err, LOSS_MISSING_FIELD, name,
				 "%s has %zu elements, but its data is NULL", name, tensor->count);
	return LOSS_OK;
}

void loss_tensor_format_shape(const struct loss_tensor *tensor, char *out, size_t size)
{
	size_t used = (size_t)snprintf(out, size, "(");
	for (int axis = 0; axis < tensor->rank && used < size; axis++)
		used += (size_t)snprintf(out + used, size - used, "%s%zu", axis ? ", " : "",
					 tensor->shape[axis]);
	if (used < size)
		snprintf(out + used, size - used, ")");
}

static struct class_index from_signed(int64_t value)
{
	return (struct class_index){(uint64_t)value, value < 0};
}

static struct class_index from_unsigned(uint64_t value)
{
	return (struct class_index){value, false};
}

struct class_index tensor_class_index(const struct loss_tensor *tensor, size_t i)
{
	const void *data = tensor->data;
	switch (tensor->dtype) {
	case LOSS_I64:
		return from_signed(((const int64_t *)data)[i]);
	case LOSS_I32:
		return from_signed(((const int32_t *)data)[i]);
	case LOSS_I16:
		return from_signed(((const int16_t *)data)[i]);
	case LOSS_I8:
		return from_signed(((const int8_t *)data)[i]);
	case LOSS_U64:
		return from_unsigned(((const uint64_t *)data)[i]);
	case LOSS_U32:
		return from_unsigned(((const uint32_t *)data)[i]);
	case LOSS_U16:
		return from_unsigned(((const uint16_t *)data)[i]);
	default:
		return from_unsigned(((const uint8_t *)data)[i]);
	}
}
