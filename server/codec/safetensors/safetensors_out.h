/*
 * The reply of an evaluation as safetensors: the outputs under their names, and in __metadata__ as
 * JSON text what else the JSON reply has: totals, warnings, metrics.
 */
#ifndef LOSSD_CODEC_SAFETENSORS_OUT_H
#define LOSSD_CODEC_SAFETENSORS_OUT_H

#include "codec/encoder.h"

struct encoder *safetensors_out_create(const struct encoder_input *input);

#endif
