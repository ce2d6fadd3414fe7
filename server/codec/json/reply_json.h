/* The JSON reply of an evaluation: the outputs as asked for, totals, warnings, metrics. */
#ifndef LOSSD_CODEC_REPLY_JSON_H
#define LOSSD_CODEC_REPLY_JSON_H

#include "codec/encoder.h"
#include "json_out.h"

struct encoder *reply_json_create(const struct encoder_input *input);
/* Without metrics: one line of a reply of many. */
struct encoder *reply_json_create_line(const struct encoder_input *input);

/* Parts of it, for other formats: the values of the members of these names. */
void reply_json_put_totals(struct json_out *out, const struct encoder_input *input);
void reply_json_put_warnings(struct json_out *out, const struct encoder_input *input);
void reply_json_put_metrics(struct json_out *out, const struct encoder_input *input);

#endif
