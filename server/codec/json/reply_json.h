/* The JSON reply of an evaluation: the outputs as asked for, totals, warnings, metrics. */
#ifndef LOSSD_CODEC_REPLY_JSON_H
#define LOSSD_CODEC_REPLY_JSON_H

#include "codec/encoder.h"
#include "json_out.h"

/* Completes the timings: encode_ns is the time spent in here up to the metrics, total_ns that since
 * start_ns. */
loss_status reply_json_encode(const struct encoder_input *input, struct encoded *encoded,
			      struct loss_error *err);

/* Parts of it, for other formats: the values of the members of these names. */
void reply_json_put_totals(struct json_out *out, const struct encoder_input *input);
void reply_json_put_warnings(struct json_out *out, const struct encoder_input *input);
void reply_json_put_metrics(struct json_out *out, const struct encoder_input *input);

#endif
