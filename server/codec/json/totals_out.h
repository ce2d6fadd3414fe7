/* What states of totals come to, as JSON: the reply of an evaluation without its metrics. */
#ifndef LOSSD_CODEC_TOTALS_OUT_H
#define LOSSD_CODEC_TOTALS_OUT_H

#include "json_out.h"

/* {"loss": ..., "totals": {...}} and the end of the line. */
void totals_out_put(struct json_out *out, const struct loss_result *result);

#endif
