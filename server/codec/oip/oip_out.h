/*
 * Open Inference Protocol replies (version 2, api/README.md): a JSON document, and where some
 * output is wanted as raw bytes, these after it. A reply_format of encoder.h whose decoder is that
 * of oip_in.h.
 */
#ifndef LOSSD_CODEC_OIP_OUT_H
#define LOSSD_CODEC_OIP_OUT_H

#include "codec/encoder.h"

loss_status oip_out_write(const struct encoder_input *input, struct encoded *out,
			  struct loss_error *err);

#endif
