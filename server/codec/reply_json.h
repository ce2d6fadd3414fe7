/* The JSON reply of an evaluation: the outputs as asked for, totals, warnings, metrics. */
#ifndef LOSSD_CODEC_REPLY_JSON_H
#define LOSSD_CODEC_REPLY_JSON_H

#include "../clock.h"
#include "loss.h"

/*
 * Appends the reply to `out` and completes timings: encode_ns is the time spent in here up to the
 * metrics, total_ns that since start_ns. False when there is no memory (loss_arena_failure of out's
 * arena tells which).
 */
bool reply_json_write(struct loss_buffer *out, const struct loss_result *result,
		      struct timings *timings);

#endif
