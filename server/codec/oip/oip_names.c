#include "oip_names.h"

#include <string.h>

static const char *const names[LOSS_N_DTYPES] = {
	[LOSS_F64] = "FP64",   [LOSS_F32] = "FP32",   [LOSS_F16] = "FP16",   [LOSS_BF16] = "BF16",
	[LOSS_I64] = "INT64",  [LOSS_I32] = "INT32",  [LOSS_I16] = "INT16",  [LOSS_I8] = "INT8",
	[LOSS_U64] = "UINT64", [LOSS_U32] = "UINT32", [LOSS_U16] = "UINT16", [LOSS_U8] = "UINT8",
	[LOSS_BOOL] = "BOOL",
};

const char *oip_name(loss_dtype dtype)
{
	return (unsigned)dtype < LOSS_N_DTYPES ? names[dtype] : NULL;
}

loss_dtype oip_find(const char *name, size_t n)
{
	for (int dtype = 0; dtype < LOSS_N_DTYPES; dtype++)
		if (names[dtype] && strlen(names[dtype]) == n && memcmp(names[dtype], name, n) == 0)
			return (loss_dtype)dtype;
	return LOSS_N_DTYPES;
}
