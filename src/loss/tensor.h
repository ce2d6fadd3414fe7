/* Element types, shapes and views. Part of loss.h. */
#ifndef LOSS_TENSOR_PUBLIC_H
#define LOSS_TENSOR_PUBLIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "status.h"

/* Named as safetensors names them. The numbers are not part of any wire format. */
typedef enum loss_dtype {
	LOSS_F64,
	LOSS_F32,
	LOSS_F16,
	LOSS_BF16,
	LOSS_F8_E4M3, /* the FN variant: no infinity, the largest number is 448 */
	LOSS_F8_E5M2,
	LOSS_I64,
	LOSS_I32,
	LOSS_I16,
	LOSS_I8,
	LOSS_U64,
	LOSS_U32,
	LOSS_U16,
	LOSS_U8,
	LOSS_BOOL,
	LOSS_N_DTYPES
} loss_dtype;

#define LOSS_DTYPE_BIT(dtype) (1u << (unsigned)(dtype))
#define LOSS_FLOAT_DTYPES                                                                          \
	(LOSS_DTYPE_BIT(LOSS_F64) | LOSS_DTYPE_BIT(LOSS_F32) | LOSS_DTYPE_BIT(LOSS_F16) |          \
	 LOSS_DTYPE_BIT(LOSS_BF16) | LOSS_DTYPE_BIT(LOSS_F8_E4M3) | LOSS_DTYPE_BIT(LOSS_F8_E5M2))
#define LOSS_INTEGER_DTYPES                                                                        \
	(LOSS_DTYPE_BIT(LOSS_I64) | LOSS_DTYPE_BIT(LOSS_I32) | LOSS_DTYPE_BIT(LOSS_I16) |          \
	 LOSS_DTYPE_BIT(LOSS_I8) | LOSS_DTYPE_BIT(LOSS_U64) | LOSS_DTYPE_BIT(LOSS_U32) |           \
	 LOSS_DTYPE_BIT(LOSS_U16) | LOSS_DTYPE_BIT(LOSS_U8))

typedef enum loss_dtype_class {
	LOSS_CLASS_FLOAT,
	LOSS_CLASS_SIGNED,
	LOSS_CLASS_UNSIGNED,
	LOSS_CLASS_BOOL,
} loss_dtype_class;

struct loss_dtype_info {
	const char *name; /* "F32" */
	size_t size;      /* bytes of an element */
	loss_dtype_class class;
};

const struct loss_dtype_info *loss_dtype_info(loss_dtype dtype);
/* LOSS_N_DTYPES when there is none of that name (n bytes, not terminated). */
loss_dtype loss_dtype_find(const char *name, size_t n);

/* Element i of an array of a float dtype, exactly. */
double loss_float_get(loss_dtype dtype, const void *data, size_t i);
/* value into element i, rounded once, to nearest even; one too large for the dtype becomes
 * infinity, or NaN in F8_E4M3. */
void loss_float_put(loss_dtype dtype, void *data, size_t i, double value);

/*
 * A row-major, contiguous view. It owns nothing. `data` need not be aligned beyond the element's
 * own alignment, and may be NULL when count is 0. BOOL elements are bytes 0 or 1.
 */
struct loss_tensor {
	loss_dtype dtype;
	int rank; /* 0 is a scalar: one element */
	size_t shape[LOSS_MAX_RANK];
	size_t count; /* product of shape */
	void *data;
};

/* Sets count from rank and shape; false when the product of the dimensions (times 8 bytes)
 * overflows. */
bool loss_tensor_set_count(struct loss_tensor *tensor);
/* Writes "(2, 3)" or "()". */
void loss_tensor_format_shape(const struct loss_tensor *tensor, char *out, size_t size);

#endif
