/* The element types as the Open Inference Protocol names them. */
#ifndef LOSSD_CODEC_OIP_NAMES_H
#define LOSSD_CODEC_OIP_NAMES_H

#include "loss.h"

/* "FP32"; NULL for the 8-bit floats, which the protocol has no names for. */
const char *oip_name(loss_dtype dtype);
/* LOSS_N_DTYPES when there is none of that name (n bytes, not terminated, matched with case). */
loss_dtype oip_find(const char *name, size_t n);

#endif
