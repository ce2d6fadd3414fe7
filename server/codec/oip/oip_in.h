/*
 * Open Inference Protocol requests (version 2, api/README.md) to a problem: a JSON document, and
 * with Inference-Header-Content-Length the raw bytes of tensors after it. See decoder.h for the
 * interface.
 */
#ifndef LOSSD_CODEC_OIP_IN_H
#define LOSSD_CODEC_OIP_IN_H

#include "codec/decoder.h"

struct decoder *oip_in_create(const struct decoder_setup *setup);

#endif
