/* Element types, shapes and views. Part of loss.h. */
#ifndef LOSS_TENSOR_PUBLIC_H
#define LOSS_TENSOR_PUBLIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api.h"
#include "status.h"

LOSS_API_BEGIN

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
	loss_dtype_class dtype_class;
};

/* Static; dtype is one of the above. Any thread, as everything here. */
const struct loss_dtype_info *loss_dtype_info(loss_dtype dtype);
/* LOSS_N_DTYPES when there is none of that name (n bytes, not terminated). */
loss_dtype loss_dtype_find(const char *name, size_t n);

/* Element i of an array of a float dtype (of no other), exactly. */
double loss_float_get(loss_dtype dtype, const void *data, size_t i);
/* value into element i, rounded once, to nearest even; one too large for the dtype becomes
 * infinity, or NaN in F8_E4M3. */
void loss_float_put(loss_dtype dtype, void *data, size_t i, double value);

/*
 * A row-major, contiguous view: the last axis is the one whose elements lie side by side. It owns
 * nothing: `data` is the caller's, and must be there as long as what reads it says. It need not be
 * aligned beyond the element's own alignment, and may be NULL where count is 0. BOOL elements are
 * bytes 0 or 1. The library writes only into tensors that it made itself, those of results.
 */
struct loss_tensor {
	loss_dtype dtype;
	int rank; /* axes, 0 to LOSS_MAX_RANK; 0 is a scalar: one element */
	size_t shape[LOSS_MAX_RANK];
	size_t count; /* of elements: the product of shape */
	void *data;
};

/*
 * The tensor of that shape (rank numbers; NULL where rank is 0), with its count. Where there can be
 * no such tensor (a rank out of range, more bytes than there are addresses) the result is one that
 * setting it refuses. What reads `data` only, such as all that a problem is given, does not write
 * it: a const array may be cast.
 */
struct loss_tensor loss_tensor_make(loss_dtype dtype, int rank, const size_t *shape, void *data);
/* Sets count from rank and shape; false, and count is left, when the rank is out of range or the
 * product of the dimensions (times 8 bytes) overflows. */
bool loss_tensor_set_count(struct loss_tensor *tensor);
/* Writes "(2, 3)" or "()", terminated, within `size` bytes (at least 1). */
void loss_tensor_format_shape(const struct loss_tensor *tensor, char *out, size_t size);

LOSS_API_END

#endif
