/* Dtypes, shapes and views: see loss/tensor.h. Reading of single elements for checks and
 * broadcasts. */
#ifndef LOSS_TENSOR_H
#define LOSS_TENSOR_H

#include "half.h"
#include "loss.h"

/* What loss_dtype_info gives, for those who ask for every tensor. */
extern const struct loss_dtype_traits dtype_table[LOSS_N_DTYPES];

static inline size_t dtype_size(loss_dtype dtype)
{
	return dtype_table[dtype].size;
}

/* What makes it a tensor at all: a dtype, a rank, the count of its shape, and data for its
 * elements, which only an input may still lack. `name` is what messages call it. */
loss_status tensor_check(const struct loss_tensor *tensor, const char *name, bool is_input,
			 struct loss_error *err);

static inline bool tensor_same_shape(const struct loss_tensor *a, const struct loss_tensor *b)
{
	if (a->rank != b->rank)
		return false;
	for (int axis = 0; axis < a->rank; axis++)
		if (a->shape[axis] != b->shape[axis])
			return false;
	return true;
}

/* A class index as a mathematical integer: `negative` and two's complement bits otherwise unsigned.
 */
struct class_index {
	uint64_t value; /* the bits of an int64 when negative */
	bool negative;
};

/* Element i of an integer tensor. */
struct class_index tensor_class_index(const struct loss_tensor *tensor, size_t i);

/* Element i of a float or BOOL tensor, exactly. */
static inline double tensor_number(const struct loss_tensor *tensor, size_t i)
{
	if (tensor->dtype == LOSS_F32)
		return (double)((const float *)tensor->data)[i];
	if (tensor->dtype == LOSS_F64)
		return ((const double *)tensor->data)[i];
	if (tensor->dtype == LOSS_BOOL)
		return (double)((const unsigned char *)tensor->data)[i];
	return (double)half_get(tensor->dtype, tensor->data, i);
}

/* Where element i is. */
static inline const void *tensor_at(const struct loss_tensor *tensor, size_t i)
{
	return (const unsigned char *)tensor->data + i * dtype_size(tensor->dtype);
}

/* Rounds value once, to nearest even, into element i of a float tensor. */
static inline void tensor_put(const struct loss_tensor *tensor, size_t i, double value)
{
	if (tensor->dtype == LOSS_F32)
		((float *)tensor->data)[i] = (float)value;
	else if (tensor->dtype == LOSS_F64)
		((double *)tensor->data)[i] = value;
	else
		half_put(tensor->dtype, tensor->data, i, value);
}

/* Writes "F64, F32" for a mask of LOSS_DTYPE_BITs. */
void dtypes_format(unsigned dtypes, char *out, size_t size);

#endif
