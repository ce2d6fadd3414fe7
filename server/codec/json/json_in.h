/* JSON bodies (api/README.md) to a problem. See decoder.h for the interface. */
#ifndef LOSSD_CODEC_JSON_IN_H
#define LOSSD_CODEC_JSON_IN_H

#include "codec/decoder.h"

struct decoder *json_in_create(const struct decoder_setup *setup);

#endif
