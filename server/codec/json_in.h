/* JSON bodies (api/README.md) to a problem. See decoder.h for the interface. */
#ifndef LOSSD_CODEC_JSON_IN_H
#define LOSSD_CODEC_JSON_IN_H

#include "decoder.h"

struct decoder *json_in_create(struct loss_problem *problem, struct loss_arena *arena,
			       const struct decoder_limits *limits);

#endif
