/*
 * Open Inference Protocol replies (version 2, api/README.md): a JSON document, and where some
 * output is wanted as raw bytes, these after it.
 */
#ifndef LOSSD_CODEC_OIP_OUT_H
#define LOSSD_CODEC_OIP_OUT_H

#include "codec/encoder.h"

struct encoder *oip_out_create(const struct encoder_input *input);

#endif
